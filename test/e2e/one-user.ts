import { decodeJwt } from "jose";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";
import { FILES, READ_SEARCH, SEARCH, WRITE_FILES } from "./entries.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];

/** Agent, runtime and verifiers as one user, which is the one that runs the tests: an agent's process runs its steps. */
export const OWN_ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH, WRITE_FILES], jwt_svid_ttl: 600 },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  { kind: "verifier", name: "mcp-1", selectors, audiences: [SEARCH] },
  { kind: "verifier", name: "mcp-2", selectors, audiences: [FILES], max_staleness: 20 },
] as const;

/** What of an opening differs from the ordinary. */
type Opening = {
  readonly runId?: string;
  readonly step?: string;
  readonly agent?: string;
  readonly attempt?: number;
  readonly parentStepId?: string;
  readonly principalToken?: string;
  readonly grant?: { readonly elements: (typeof READ_SEARCH)[] };
  readonly expiresAt?: { readonly seconds: bigint };
};

export type OpenedStep = Step & { readonly token: string };

/** The process that runs the tests, as a runtime that executes its own steps. */
export type Runtime = {
  readonly steps: ClientOf<typeof Steps>;
  readonly credentials: ClientOf<typeof Credentials>;
  readonly channel: ReturnType<typeof openChannel>;
  /** Opens a step of a run of its own, with a JWT-SVID for the one place that its grant names. */
  open(more?: Opening): Promise<OpenedStep>;
  token(step: Step, audience: string): Promise<string>;
  close(step: Step, awaitSeconds?: number): ReturnType<ClientOf<typeof Steps>["close"]>;
  [Symbol.dispose](): void;
};

let runs = 0;

export function runtimeAt(socket: string): Runtime {
  const channel = openChannel(socket);
  const steps = createClient(Steps, channel);
  const credentials = createClient(Credentials, channel);

  async function token({ stepId }: Step, audience: string): Promise<string> {
    const { svid } = await credentials.issueJwtSvid({ stepId, wanted: { audiences: [audience] } });
    if (svid === undefined) throw new TypeError("no SVID in the answer");
    return svid.svid;
  }

  return {
    steps,
    credentials,
    channel,
    async open(more = {}) {
      runs += 1;
      const elements = more.grant?.elements ?? [READ_SEARCH];
      const audience = elements[0]?.locations[0] ?? SEARCH;
      const { step } = await steps.open({
        runId: `run-of-nobodys-business-${runs}`,
        step: "secret-look-up",
        agent: "researcher",
        ...more,
        grant: { elements },
      });
      if (step === undefined) throw new TypeError("no step in the answer");
      return { ...step, token: await token(step, audience) };
    },
    token,
    close: ({ stepId }, awaitSeconds = 0) =>
      steps.close({ stepId, outcome: Outcome.COMPLETED, awaitReceipts: { seconds: BigInt(awaitSeconds) } }),
    [Symbol.dispose]: () => channel.close(),
  };
}

export function jtiOf(token: string): string {
  return decodeJwt(token).jti ?? "";
}
