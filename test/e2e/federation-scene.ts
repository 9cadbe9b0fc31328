import { expect, onTestFinished } from "vitest";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { createVerifier, type Verifier, type VerifierOptions } from "../../src/sdk/verifier/index.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
export const EAST = "east.example";
export const WEST = "west.example";
/** Of a verifier whose entry names no foreign trust domain. */
const OTHER = "https://other.example/mcp";

const entriesFor = (foreign: string) => [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], audiences: [OTHER] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  { kind: "operator", name: "admin", selectors, role: "admin" },
  { kind: "verifier", name: "mcp", selectors, audiences: [SEARCH], federates_with: [foreign] },
  { kind: "verifier", name: "homely", selectors, audiences: [OTHER] },
];

export type Daemons = { readonly east: Daemon; readonly west: Daemon };

/**
 * A broker that serves its bundle with its own X.509-SVID, and one that does with a certificate for its address; gone with
 * the test.
 */
export async function twoDaemons(ofWest: Pick<DaemonOptions, "environment"> = {}): Promise<Daemons> {
  const { certificate, privateKey } = madeCertificate();
  const east = await startDaemon({
    entries: entriesFor(WEST),
    config: {
      trust_domain: EAST,
      issuer: "https://stint.east.example",
      http: { listen: "127.0.0.1:0", own_svid: true },
      federation: { web_roots: certificate },
    },
  });
  onTestFinished(() => east[Symbol.asyncDispose]());
  const west = await startDaemon({
    ...ofWest,
    entries: entriesFor(EAST),
    config: {
      trust_domain: WEST,
      issuer: "https://stint.west.example",
      http: { listen: "127.0.0.1:0", tls: { certificate, private_key: privateKey } },
    },
  });
  onTestFinished(() => west[Symbol.asyncDispose]());
  return { east, west };
}

/** What `stint` says to somebody at this daemon; it has to be done. */
async function stint(daemon: Daemon, args: readonly string[], input = ""): Promise<string> {
  const { status, out, err } = await runStint(["--operator-socket", daemon.operatorSocket, ...args], { input });
  expect([status, err]).toEqual([0, err]);
  return out;
}

/**
 * Each operator takes the other's keys from now on, with the first bundle as the other gave it out.
 *
 * @returns what each was told of the first fetch, east first.
 */
export async function federate({ east, west }: Daemons): Promise<readonly unknown[]> {
  const create = async (at: Daemon, foreign: string, by: Daemon, flags: readonly string[]): Promise<unknown> => {
    const url = `${by.httpUrl}/spiffe-bundle.json`;
    const args = ["-o", "json", "federation", "create", foreign, "--url", url, ...flags, "--bundle", "-"];
    return JSON.parse(await stint(at, args, await stint(by, ["federation", "bundles"]))).failure;
  };
  const ofEast = ["--profile", "https_spiffe", "--endpoint-spiffe-id", `spiffe://${EAST}/stint/server`];
  return [await create(east, WEST, west, ["--profile", "https_web"]), await create(west, EAST, east, ofEast)];
}

/** What a daemon says of its relationship, after it has asked the other. */
export async function refreshed(
  daemon: Daemon,
  trustDomain: string,
): Promise<{ readonly failure: string | undefined; readonly sequence: bigint | undefined }> {
  using operator = operatorOf(daemon.operatorSocket);
  const { relationship } = await operator.federation.refresh({ trustDomain });
  return { failure: relationship?.failure?.message, sequence: relationship?.bundle?.spiffeSequence };
}

/** A verifier of an entry that federates with the other daemon; gone with the test. */
export async function verifierAt(daemon: Daemon, options: Partial<VerifierOptions> = {}): Promise<Verifier> {
  const endpoint = `unix://${daemon.workloadSocket}`;
  const verifier = createVerifier({ endpoint, audiences: [SEARCH], development: true, ...options });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  return verifier;
}

/** A verifier of the entry that names no foreign trust domain. */
export const homelyVerifierAt = (daemon: Daemon): Promise<Verifier> => verifierAt(daemon, { audiences: [OTHER] });

type Presented = {
  readonly token: string;
  /** For the other audience. */
  readonly otherToken: string;
  readonly chain: readonly Uint8Array[];
};

let runs = 0;

/** What a new step of this daemon's agent would present; made without a look at the clock of this process. */
export async function presentedBy(daemon: Daemon): Promise<Presented> {
  using runtime = runtimeAt(daemon.workloadSocket);
  runs += 1;
  const { step } = await runtime.steps.open({
    runId: `run-${runs}`,
    step: "look-up",
    agent: "researcher",
    grant: { elements: [READ_SEARCH] },
    audiences: [OTHER],
  });
  if (step === undefined) throw new TypeError("no step in the answer");
  const csr = certificateRequestOf(await generateKey());
  const { svid } = await runtime.credentials.issueX509Svid({ stepId: step.stepId, csr });
  return {
    token: await runtime.token(step, SEARCH),
    otherToken: await runtime.token(step, OTHER),
    chain: svid?.x509Svid ?? [],
  };
}

/** Whose a JWT-SVID and an X.509-SVID are to a verifier, or the code of the refusal. */
export function seenBy(verifier: Verifier, { token, chain }: Pick<Presented, "token" | "chain">): readonly string[] {
  return [() => verifier.verify(token), () => verifier.verifyX509(chain)].map((verify) => {
    try {
      const { trustDomain, federated } = verify();
      return `${trustDomain} ${federated}`;
    } catch (thrown) {
      return String((thrown as { readonly code?: unknown }).code);
    }
  });
}
