import { randomUUID, X509Certificate } from "node:crypto";
import type { Channel } from "@grpc/grpc-js";
import { expect } from "vitest";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { type Operator, operatorOf } from "../e2e/operator.ts";

export const TRUST_DOMAIN_ID = "spiffe://example.org";
export const RESOURCE = "https://search.example/mcp";
export const PLAIN = "https://identity.example";
export const GRANT = {
  elements: [
    { type: "mcp_tool", locations: [RESOURCE], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ],
};

const selectors = [`unix:uid:${process.getuid?.() ?? 0}`];
/** An agent that opens its own steps, so that the process that runs the tests is opener and executor, and nothing else. */
export const AGENT = {
  kind: "agent",
  name: "worker",
  selectors,
  ceiling: GRANT.elements,
  audiences: [PLAIN],
  may_open: true,
  allow_any_executor: true,
  allow_multiple_audiences: true,
};
/** Without any, the broker's own user would be one, and so the process that runs the tests. */
export const NO_OPERATOR = { kind: "operator", name: "nobody", selectors: ["unix:uid:4999"], role: "viewer" };
/** The same process as a runtime too. */
export const RUNTIME = { kind: "runtime", name: "flow", selectors, agents: ["worker"] };

/** What of an opening differs from the ordinary. */
export type Opening = {
  readonly runId?: string;
  readonly step?: string;
  readonly attempt?: number;
  readonly agent?: string;
  readonly executor?: { readonly executor: { readonly case: "pid"; readonly value: number } };
  readonly expiresAt?: { readonly seconds: bigint };
};

/** How workloads reach a daemon. */
export type Reached = { readonly socket: string } & AsyncDisposable;

/** A daemon, and the process that runs the tests as a workload of it. */
export type Scene = {
  readonly daemon: Daemon;
  /** The workload socket that is used. */
  readonly socket: string;
  readonly operator: Operator;
  readonly channel: Channel;
  readonly workload: ClientOf<typeof SpiffeWorkloadAPI>;
  readonly credentials: ClientOf<typeof Credentials>;
  readonly steps: ClientOf<typeof Steps>;
  open(more?: Opening): Promise<Step>;
  close(step: Step): Promise<unknown>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** @param reach - absent: by the daemon's own socket. */
export async function startScene(
  options: DaemonOptions = {},
  reach?: (daemon: Daemon) => Promise<Reached>,
): Promise<Scene> {
  const daemon = await startDaemon({ entries: [AGENT, NO_OPERATOR], ...options });
  const operator = operatorOf(daemon.operatorSocket);
  const reached = await reach?.(daemon);
  const socket = reached?.socket ?? daemon.workloadSocket;
  const channel = openChannel(socket);
  const steps = createClient(Steps, channel);
  return {
    daemon,
    socket,
    operator,
    channel,
    workload: createClient(SpiffeWorkloadAPI, channel),
    credentials: createClient(Credentials, channel),
    steps,
    async open(more = {}) {
      const named = { runId: `run-${randomUUID().slice(0, 8)}`, step: "look-up", agent: "worker" };
      const { step } = await steps.open({ ...named, grant: GRANT, audiences: [PLAIN], ...more });
      if (step === undefined) throw new TypeError("no step in the answer");
      return step;
    },
    close: ({ stepId }) => steps.close({ stepId, outcome: Outcome.COMPLETED }),
    async [Symbol.asyncDispose]() {
      operator[Symbol.dispose]();
      channel.close();
      await reached?.[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** The next message of a stream that is not over. */
export async function next<Message>(stream: AsyncIterator<Message, undefined, void>): Promise<Message> {
  const { value, done } = await stream.next();
  if (done === true) throw new Error("the stream is over");
  return value as Message;
}

/** The first message of a stream, which is then left. */
export async function first<Message>(stream: AsyncIterableIterator<Message, undefined, void>): Promise<Message> {
  for await (const message of stream) return message;
  throw new Error("the stream was over without a message");
}

export function hintOf(step: Step): string {
  return `${step.name?.runId}/${step.name?.step}/${step.name?.attempt}`;
}

/** Certificates that stand one after another, DER. */
export function certificatesIn(bytes: Uint8Array): readonly X509Certificate[] {
  const certificates: X509Certificate[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    // A certificate is longer than 255 bytes and shorter than 64 KiB, so its length takes two.
    expect([...rest.subarray(0, 2)]).toEqual([0x30, 0x82]);
    const length = 4 + Buffer.from(rest).readUInt16BE(2);
    certificates.push(new X509Certificate(rest.subarray(0, length)));
    rest = rest.subarray(length);
  }
  return certificates;
}
