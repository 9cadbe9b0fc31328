import { expect, onTestFinished, test } from "vitest";
import type { Grant } from "../../src/domain/grant.ts";
import { AuthorityState } from "../../src/gen/stint/v1/authorities_pb.js";
import { SvidKind } from "../../src/gen/stint/v1/types_pb.js";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { createVerifier, type Verifier } from "../../src/sdk/verifier/index.ts";
import { madeCertificate } from "../api/http/http-peers.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { operatorOf } from "./operator.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const EAST = "east.example";
const WEST = "west.example";

const entriesFor = (foreign: string) => [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  { kind: "operator", name: "admin", selectors, role: "admin" },
  { kind: "verifier", name: "mcp", selectors, audiences: [SEARCH], federates_with: [foreign] },
];

/** A broker that serves its bundle with its own X.509-SVID, and one that does with a certificate for its address. */
async function twoDaemons(): Promise<{ readonly east: Daemon; readonly west: Daemon }> {
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

/** Each takes the other's keys from now on; of the one that vouches for itself the first bundle is carried over by hand. */
async function federate({ east, west }: { readonly east: Daemon; readonly west: Daemon }): Promise<void> {
  using atEast = operatorOf(east.operatorSocket);
  using atWest = operatorOf(west.operatorSocket);
  await atEast.federation.create({
    trustDomain: WEST,
    bundleEndpointUrl: `${west.httpUrl}/spiffe-bundle.json`,
    profile: { case: "httpsWeb", value: {} },
  });
  const { bundleMap } = await atEast.federation.getBundles({});
  await atWest.federation.create({
    trustDomain: EAST,
    bundleEndpointUrl: `${east.httpUrl}/spiffe-bundle.json`,
    profile: { case: "httpsSpiffe", value: { endpointSpiffeId: `spiffe://${EAST}/stint/server` } },
    bundle: bundleMap,
  });
}

/** What a daemon says of its relationship, after it has asked the other. */
async function refreshed(daemon: Daemon, trustDomain: string) {
  using operator = operatorOf(daemon.operatorSocket);
  const { relationship } = await operator.federation.refresh({ trustDomain });
  return { failure: relationship?.failure?.message, sequence: relationship?.bundle?.spiffeSequence };
}

async function verifierAt(daemon: Daemon): Promise<Verifier> {
  const endpoint = `unix://${daemon.workloadSocket}`;
  const verifier = createVerifier({ endpoint, audiences: [SEARCH], development: true });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  return verifier;
}

type Presented = { readonly token: string; readonly chain: readonly Uint8Array[] };

let runs = 0;

/** What a new step of this daemon's agent would present. */
async function presentedBy(daemon: Daemon): Promise<Presented> {
  using stint = createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "researcher" });
  runs += 1;
  const step = await stint.openStep({ runId: `run-${runs}`, step: "look-up", grant: [READ_SEARCH] as Grant });
  return { token: (await step.jwtSvid(SEARCH)).svid(), chain: (await step.x509Svid()).certificates };
}

/** Whose the two SVIDs are to a verifier, or the code of the refusal. */
function seenBy(verifier: Verifier, { token, chain }: Presented): readonly unknown[] {
  return [() => verifier.verify(token), () => verifier.verifyX509(chain)].map((verify) => {
    try {
      const { trustDomain, federated } = verify();
      return `${trustDomain} ${federated}`;
    } catch (thrown) {
      return (thrown as { readonly code?: unknown }).code;
    }
  });
}

/** A new key of each kind signs at once, and whatever the one before it signed is believed no more. */
async function rotate(daemon: Daemon): Promise<void> {
  using operator = operatorOf(daemon.operatorSocket);
  for (const kind of [SvidKind.X509, SvidKind.JWT]) {
    const { authorities } = await operator.authorities.list({});
    const before = authorities.find((one) => one.kind === kind && one.state === AuthorityState.ACTIVE);
    const { authority } = await operator.authorities.prepare({ kind });
    await operator.authorities.activate({ authorityId: authority?.authorityId ?? "", force: true });
    await operator.authorities.revoke({ authorityId: before?.authorityId ?? "" });
  }
}

const OF_EAST = [`${EAST} true`, `${EAST} true`];
const OF_WEST = [`${WEST} true`, `${WEST} true`];
const UNKNOWN = ["KEY_UNKNOWN", "KEY_UNKNOWN"];

test("two brokers federate by either profile, believe each other's agents, and go on when each rotates its keys", async () => {
  const daemons = await twoDaemons();
  const { east, west } = daemons;
  const [atEast, atWest] = [await verifierAt(east), await verifierAt(west)];
  const [ofEast, ofWest] = [await presentedBy(east), await presentedBy(west)];
  expect([seenBy(atWest, ofEast), seenBy(atEast, ofWest)]).toEqual([UNKNOWN, UNKNOWN]);

  await federate(daemons);
  const first = [await refreshed(west, EAST), await refreshed(east, WEST)];
  expect(first.map(({ failure }) => failure)).toEqual([undefined, undefined]);
  await expect.poll(() => [seenBy(atWest, ofEast), seenBy(atEast, ofWest)]).toEqual([OF_EAST, OF_WEST]);

  // A new CA is in the bundle before the endpoint shows an X.509-SVID of it, so that the other side is there by then.
  using eastern = operatorOf(east.operatorSocket);
  const { authorities } = await eastern.authorities.list({});
  const { authority } = await eastern.authorities.prepare({ kind: SvidKind.X509 });
  expect((await refreshed(west, EAST)).failure).toBeUndefined();
  await eastern.authorities.activate({ authorityId: authority?.authorityId ?? "", force: true });
  const old = authorities.find(({ kind, state }) => kind === SvidKind.X509 && state === AuthorityState.ACTIVE);
  await eastern.authorities.revoke({ authorityId: old?.authorityId ?? "" });
  const eastAgain = await refreshed(west, EAST);
  expect(eastAgain.failure).toBeUndefined();
  expect(eastAgain.sequence).toBeGreaterThan(first[0]?.sequence ?? 0n);
  await expect.poll(() => seenBy(atWest, ofEast)).toEqual([`${EAST} true`, "KEY_UNKNOWN"]);

  await rotate(west);
  expect((await refreshed(east, WEST)).failure).toBeUndefined();
  const newOfWest = await presentedBy(west);
  await expect.poll(() => [seenBy(atEast, ofWest), seenBy(atEast, newOfWest)]).toEqual([UNKNOWN, OF_WEST]);
}, 60_000);

test("a relationship and its bundle outlive a restart without asking anybody, and nobody is believed once it has ended", async () => {
  const daemons = await twoDaemons();
  await federate(daemons);
  const { east, west } = daemons;
  const ofEast = await presentedBy(east);
  await east.stop();
  await west.stop();
  await using again = await west.restart();
  const verifier = await verifierAt(again);
  expect(seenBy(verifier, ofEast)).toEqual(OF_EAST);
  expect((await refreshed(again, EAST)).failure).toBe("the bundle endpoint can't be reached");
  expect(seenBy(verifier, ofEast)).toEqual(OF_EAST);
  using operator = operatorOf(again.operatorSocket);
  await operator.federation.delete({ trustDomain: EAST });
  await expect.poll(() => seenBy(verifier, ofEast)).toEqual(UNKNOWN);
  const { events } = await operator.history.listEvents({ type: "federation.ended" });
  expect(events).toHaveLength(1);
}, 60_000);
