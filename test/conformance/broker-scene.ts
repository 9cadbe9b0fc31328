import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { create, type DescService, toBinary } from "@bufbuild/protobuf";
import { Channel, credentials } from "@grpc/grpc-js";
import { API, WorkloadPIDReferenceSchema } from "../../src/gen/spiffe/broker/api_pb.js";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { WorkflowStepReferenceSchema } from "../../src/gen/stint/v1/references_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { type ClientOf, createClient } from "../../src/wire/client.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH } from "../e2e/entries.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];

export const STEP_TYPE = WorkflowStepReferenceSchema.typeName;
const PID_TYPE = WorkloadPIDReferenceSchema.typeName;
export const FLOW = "spiffe://example.org/runtime/flow";
const OTHER = "spiffe://example.org/runtime/other";
const SERVER = "spiffe://example.org/stint/server";

/** The tests' own user is both runtimes, which its X.509-SVIDs tell apart on the broker endpoint, and the agent. */
const ENTRIES = [
  {
    kind: "agent",
    name: "researcher",
    selectors,
    ceiling: [READ_SEARCH],
    allow_any_executor: true,
    federates_with: ["other.example"],
  },
  // The process of the tests executes the steps, and starts other people's runtimes, which are to be nobody's children.
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"], allow_descendants: true },
  { kind: "runtime", name: "other", selectors, agents: ["researcher"] },
];

const CALLERS = [
  { spiffe_id: FLOW, references: [{ type: STEP_TYPE, allow_over_tcp: true }, { type: PID_TYPE }] },
  { spiffe_id: OTHER, references: [{ type: STEP_TYPE }, { type: PID_TYPE }] },
];

/** A daemon that serves the broker endpoint on a unix socket and over TCP. */
export function startBrokerDaemon(callers: readonly object[] = CALLERS): Promise<Daemon> {
  return startDaemon({
    entries: ENTRIES,
    config: (directory) => ({
      broker: { socket: join(directory, "broker.sock"), listen: "127.0.0.1:0", callers },
    }),
  });
}

/** An X.509-SVID of the tests' own process, with its key, and what the server is to be verified by. PEM. */
export type Identity = {
  readonly spiffeId: string;
  readonly certificate: string;
  readonly key: string;
  readonly roots: string;
};

/** What a runtime has over the Workload API beside any step. */
export async function identityOf(daemon: Daemon, spiffeId = FLOW): Promise<Identity> {
  const channel = openChannel(daemon.workloadSocket);
  try {
    for await (const { svids } of createClient(SpiffeWorkloadAPI, channel).fetchX509SVID({})) {
      const found = svids.find((svid) => svid.spiffeId === spiffeId);
      if (found === undefined) throw new Error(`no SVID of ${spiffeId}`);
      return {
        spiffeId,
        certificate: new X509Certificate(found.x509Svid).toString(),
        key: pem("PRIVATE KEY", found.x509SvidKey),
        roots: new X509Certificate(found.bundle).toString(),
      };
    }
    throw new Error("the stream ended");
  } finally {
    channel.close();
  }
}

function pem(label: string, der: Uint8Array): string {
  return `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64")}\n-----END ${label}-----\n`;
}

/** A runtime on the broker endpoint. */
export type Caller = {
  readonly api: ClientOf<typeof API>;
  readonly steps: ClientOf<typeof Steps>;
  readonly credentials: ClientOf<typeof Credentials>;
  clientOf<Service extends DescService>(service: Service, securityHeader?: string): ClientOf<Service>;
  /** Opens a step of a run of its own, for any process of the agent, or for one. */
  open(executor?: "any" | number, more?: { readonly runId?: string }): Promise<Step>;
  [Symbol.dispose](): void;
};

let runs = 0;

/** @param over - "unix" or "tcp". */
export function callerWith(daemon: Daemon, identity: Identity, over: "unix" | "tcp" = "unix"): Caller {
  const target = over === "unix" ? `unix:${join(daemon.directory, "broker.sock")}` : `127.0.0.1:${daemon.brokerPort}`;
  const channel = new Channel(
    target,
    credentials.createSsl(Buffer.from(identity.roots), Buffer.from(identity.key), Buffer.from(identity.certificate), {
      checkServerIdentity: (_, { subjectaltname }) => (subjectaltname === `URI:${SERVER}` ? undefined : new Error()),
    }),
    { "grpc.ssl_target_name_override": "stint", "grpc.use_local_subchannel_pool": 1 },
  );
  const clientOf = <Service extends DescService>(service: Service, securityHeader = "broker.spiffe.io") =>
    createClient(service, channel, { securityHeader, deadlineMs: 10_000 });
  const steps = clientOf(Steps);
  return {
    api: clientOf(API),
    steps,
    credentials: clientOf(Credentials),
    clientOf,
    async open(executor = "any", more = {}) {
      runs += 1;
      const { step } = await steps.open({
        runId: more.runId ?? `run-${runs}`,
        step: "look-up",
        agent: "researcher",
        grant: { elements: [READ_SEARCH] },
        executor: {
          executor: executor === "any" ? { case: "any", value: {} } : { case: "pid", value: executor },
        },
      });
      if (step === undefined) throw new Error("no step in the answer");
      return step;
    },
    [Symbol.dispose]: () => channel.close(),
  };
}

const packed = (typeName: string, value: Uint8Array) => ({
  reference: { reference: { typeUrl: `type.googleapis.com/${typeName}`, value } },
});

/** The reference to a step, as requests hold it. */
export function toStep({ name }: Step) {
  const { runId = "", step = "", attempt = 0 } = name ?? {};
  const value = toBinary(WorkflowStepReferenceSchema, create(WorkflowStepReferenceSchema, { runId, step, attempt }));
  return packed(STEP_TYPE, value);
}

export function toPid(pid: number) {
  return packed(PID_TYPE, toBinary(WorkloadPIDReferenceSchema, create(WorkloadPIDReferenceSchema, { pid })));
}

export { packed as toAny };
