import process from "node:process";
import type { Channel } from "@grpc/grpc-js";
import { expect, onTestFinished } from "vitest";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { type OpenRequest, Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "../e2e/entries.ts";
import { type Operator, operatorOf } from "../e2e/operator.ts";

/** Longer than any answer takes here; a call that gets none fails instead of hanging. */
const CALL_MS = 15_000;

/** An agent that opens steps for itself, and a verifier: processes of the user that runs the tests. */
export const OWN_ENTRIES = [
  {
    kind: "agent",
    name: "worker",
    selectors: [`unix:uid:${process.getuid?.() ?? 0}`],
    ceiling: [READ_SEARCH],
    may_open: true,
    allow_any_executor: true,
    // Clients that keep a daemon busy are children of the process of a test, which may open steps itself.
    allow_descendants: true,
  },
  { kind: "verifier", name: "mcp-1", selectors: [`unix:uid:${process.getuid?.() ?? 0}`], audiences: [SEARCH] },
];

/** Health on a port of its own. */
const OPERATIONS = { operations: { listen: "127.0.0.1:0", plain_on_loopback: true } };

/** A daemon whose agent, verifier and operator is this very process; gone with the test. */
export async function startOwnDaemon(options: DaemonOptions = {}): Promise<Daemon> {
  const daemon = await startDaemon({
    entries: OWN_ENTRIES,
    ...options,
    config: { ...OPERATIONS, ...options.config },
  });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

/** The same data, a new process; gone with the test. */
export async function restarted(daemon: Daemon): Promise<Daemon> {
  const next = await daemon.restart();
  onTestFinished(() => next[Symbol.asyncDispose]());
  return next;
}

/** One connection of this process to each of the daemon's sockets. */
export type Session = {
  readonly channel: Channel;
  readonly steps: ClientOf<typeof Steps>;
  readonly credentials: ClientOf<typeof Credentials>;
  readonly revocations: ClientOf<typeof Revocations>;
  readonly operator: Operator;
};

export function sessionWith(daemon: Pick<Daemon, "workloadSocket" | "operatorSocket">): Session {
  const channel = openChannel(daemon.workloadSocket);
  const operator = operatorOf(daemon.operatorSocket);
  onTestFinished(() => {
    channel.close();
    operator[Symbol.dispose]();
  });
  const options = { deadlineMs: CALL_MS };
  return {
    channel,
    steps: createClient(Steps, channel, options),
    credentials: createClient(Credentials, channel, options),
    revocations: createClient(Revocations, channel, options),
    operator,
  };
}

/** What a step is opened with beside its name. */
export type Opening = Exclude<Parameters<Session["steps"]["open"]>[0], OpenRequest>;

export async function openStep({ steps }: Session, runId: string, more: Opening = {}): Promise<Step> {
  const { step } = await steps.open({
    runId,
    step: "work",
    agent: "worker",
    grant: { elements: [READ_SEARCH] },
    ...more,
  });
  if (step === undefined) throw new Error("no step in the answer");
  return step;
}

/** A JWT-SVID of a step, in compact serialization. */
export async function issueJwt({ credentials }: Session, stepId: string): Promise<string> {
  const { svid } = await credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } });
  return svid?.svid ?? "";
}

export function closeStep({ steps }: Session, stepId: string): ReturnType<Session["steps"]["close"]> {
  return steps.close({ stepId, outcome: Outcome.COMPLETED });
}

export async function stateOf({ operator }: Session, stepId: string): Promise<number | undefined> {
  return (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state;
}

/** Every event of one type, oldest first, as it was hashed. */
export async function eventsOf({ operator }: Session, type: string): Promise<readonly Record<string, unknown>[]> {
  const { events } = await operator.history.listEvents({ type, filter: { pageSize: 500 } });
  return events.map((event) => JSON.parse(Buffer.from(event.canonical).toString())).reverse();
}

/** A watcher's place in the feed, after what is there now. */
export async function cursorNow({ revocations }: Session): Promise<Uint8Array> {
  const watch = revocations.watch();
  watch.send({ message: { case: "hello", value: { audiences: [SEARCH] } } });
  watch.send({ message: { case: "ping", value: { nonce: Uint8Array.of(1) } } });
  for await (const { message } of watch.responses) if (message.case === "pong") return message.value.cursor;
  throw new Error("no pong");
}

/** How a watcher with this cursor begins, or why it is refused. */
export async function resume({ revocations }: Session, cursor: Uint8Array): Promise<string | undefined> {
  const watch = revocations.watch();
  watch.send({ message: { case: "hello", value: { audiences: [SEARCH], cursor } } });
  watch.send({ message: { case: "ping", value: { nonce: Uint8Array.of(1) } } });
  const cases: (string | undefined)[] = [];
  for await (const { message } of watch.responses) {
    cases.push(message.case);
    if (message.case === "pong") break;
  }
  return cases.find((one) => one === "snapshot") ?? "resume";
}

export type Readiness = { readonly status: number; readonly ready: boolean; readonly reasons: readonly string[] };

/** What `/readyz` says of what is issued. */
export async function readiness(daemon: Daemon): Promise<Readiness> {
  const { operations } = daemon.log.find((line) => line.msg === "serving") ?? {};
  const response = await fetch(`${operations}/readyz`);
  const { ready, reasons } = (await response.json()) as Readiness;
  return { status: response.status, ready, reasons };
}

/** How everything is refused by a broker that may not serve. */
export const NOT_SERVING = expect.objectContaining({ codeName: "UNAVAILABLE", reason: "NOT_SERVING" });

export const READY: Readiness = { status: 200, ready: true, reasons: [] };

/** Ids of the keys that verifiers of tokens are told. */
export async function keyIds(daemon: Daemon): Promise<readonly string[]> {
  const { keys } = (await (await fetch(`${daemon.httpUrl}/jwks.json`)).json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid);
}
