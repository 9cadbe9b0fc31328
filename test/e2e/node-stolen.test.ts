import { createPublicKey } from "node:crypto";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { NodeReport } from "../../src/domain/node-report.ts";
import { selector } from "../../src/domain/selector.ts";
import { SecretSchema } from "../../src/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import {
  DiscoveryRequestSchema,
  DiscoveryResponseSchema,
} from "../../src/gen/envoy/service/discovery/v3/discovery_pb.js";
import {
  WITSVIDRequestSchema,
  WITSVIDResponseSchema,
  X509SVIDRequestSchema,
  X509SVIDResponseSchema,
} from "../../src/gen/spiffe/workload/workload_pb.js";
import { SvidStreamKind } from "../../src/gen/stint/v1/nodes_pb.js";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel, openTlsChannel, type TlsIdentity } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { encodeNodeReport, NODE_CALLER_KEY } from "../../src/wire/node-message.ts";
import type { Daemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { brokerForNodes, clientsOf, identityBy, type NodeAgent, portOf, startNode } from "./node-scene.ts";
import { type Operator, operatorOf } from "./operator.ts";

// Goal: whoever has the identity of a node reaches the steps of that node's machine alone, whatever it says of its callers.

const grant = { elements: [READ_SEARCH] };

let daemon: Daemon;
let operator: Operator;
let one: NodeAgent;
let stolen: TlsIdentity;
/** A step of node one, and the process that executes it, as that node names it. */
let step: Step;
let bootId: string;

beforeAll(async () => {
  daemon = await brokerForNodes();
  operator = operatorOf(daemon.operatorSocket);
  one = await startNode(daemon, "one");
  stolen = await identityOf("two");
  const channel = openChannel(one.socket);
  const opened = await createClient(Steps, channel).open({ runId: "r", step: "s", agent: "agent-one", grant });
  channel.close();
  if (opened.step === undefined) throw new TypeError("no step");
  step = opened.step;
  const shown = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
  bootId = shown.step?.opener?.bootId.split(":")[2] ?? "";
});

afterAll(async () => {
  operator?.[Symbol.dispose]();
  await one?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

async function identityOf(name: string): Promise<TlsIdentity> {
  return identityBy(daemon, { joinToken: (await operator.joinTokens.create({ name })).token });
}

/** What somebody with the node's key sends, who makes it up. */
function report(more: Partial<NodeReport["caller"]> = {}): NodeReport {
  const { pidNamespace = "", startTimeTicks = 0n } = step.executor ?? {};
  const caller = { bootId, pidNamespace, pid: process.pid, startTimeTicks: Number(startTimeTicks) };
  return {
    caller: {
      process: caller,
      uid: process.getuid?.() ?? 0,
      selectors: new Set([selector("unix:uid", process.getuid?.() ?? 0), selector("node:name", "one")]),
      lineage: { kind: "lineage", chain: [{ process: caller }] },
      ...more,
    },
    sharesPids: true,
    unavailable: [],
    ancestors: [],
  };
}

function clients(identity = stolen) {
  const channel = openTlsChannel(`tcp://127.0.0.1:${portOf(daemon, "nodesPort")}`, identity);
  return clientsOf(channel);
}

const said = (one: NodeReport) => ({ metadata: { [NODE_CALLER_KEY]: encodeNodeReport(one) } });

/** Attends as the stolen node: nothing is answered to whoever does not. */
async function attended(nodes: ReturnType<typeof clients>["nodes"]): Promise<void> {
  const call = nodes.attend();
  onTestFinished(call.cancel);
  const { pidNamespace = "" } = step.executor ?? {};
  call.send({ message: { case: "machine", value: { bootId, pidNamespace } } });
  call.send({ message: { case: "alive", value: { last: true } } });
  const { value } = await call.responses.next();
  expect(value?.message.case).toBe("attended");
}

test("before it attends it is served nothing for its processes", async () => {
  const { callers } = clients();
  await expect(callers.whoAmI({}, said(report()))).rejects.toMatchObject({ reason: "NOT_SERVING" });
});

test("it can't speak for a process of another node, by that process's own facts", async () => {
  const { callers, steps, credentials, nodes } = clients();
  await attended(nodes);
  const who = await callers.whoAmI({}, said(report()));
  expect(who.selectors).toContain("node:name:two");
  expect(who.selectors).not.toContain("node:name:one");
  expect(who.entries.map(({ name }) => name).toSorted()).toEqual(["agent-two", "flow-two"]);
  expect(who.steps).toEqual([]);
  const { stepId } = step;
  const jwt = credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } }, said(report()));
  await expect(jwt).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  const closing = steps.close({ stepId, outcome: 1 }, said(report()));
  await expect(closing).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  const { step: after } = await operator.steps.get({ by: { case: "stepId", value: stepId } });
  expect(after?.state).toBe(StepState.OPEN);
});

test("nor for one of the broker's machine", async () => {
  const { steps, nodes } = clients();
  await attended(nodes);
  for (const agent of ["local-agent", "agent-one"]) {
    const opening = steps.open({ runId: "x", step: "s", agent, grant }, said(report()));
    await expect(opening).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  }
});

test("by itself, without a process, it opens nothing and gets no SVID but its own", async () => {
  const { steps, workload, nodes } = clients();
  await attended(nodes);
  const opening = steps.open({ runId: "x", step: "s", agent: "agent-two", grant });
  await expect(opening).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  // A private key that the broker makes never goes to another machine.
  const fetching = workload.fetchX509SVID({}, said(report()));
  await expect(fetching.next()).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    message: expect.stringContaining("keys"),
  });
});

test.for([
  { kind: SvidStreamKind.X509, request: X509SVIDRequestSchema, keysIn: x509KeysIn },
  { kind: SvidStreamKind.WIT, request: WITSVIDRequestSchema, keysIn: witKeysIn },
  { kind: SvidStreamKind.SECRETS_ONCE, request: DiscoveryRequestSchema, keysIn: secretKeysIn },
])(
  "a stream of SVIDs (kind $kind) has the public keys of its requests, and no private one",
  async ({ kind, request, keysIn }) => {
    const { steps, nodes } = clients();
    await attended(nodes);
    const opening = { runId: `keys-${kind}`, step: "s", agent: "agent-two", grant };
    const { step: own } = await steps.open(opening, said(report()));
    const call = nodes.streamSvids(said(report()));
    onTestFinished(call.cancel);
    call.send({ message: { case: "open", value: kind } });
    call.send({
      message: { case: "request", value: toBinary(request as DescMessage, create(request as DescMessage)) },
    });
    const made: Buffer[] = [];
    for await (const { message } of call.responses) {
      if (message.case === "keysWanted") {
        const pair = await generateKey();
        made.push(pair.publicKey.export({ type: "spki", format: "der" }));
        call.send({ message: { case: "csr", value: certificateRequestOf(pair) } });
      } else if (message.case === "response") {
        expect(keysIn(message.value).toSorted()).toEqual(made.map((key) => key.toString("base64")).toSorted());
        break;
      }
    }
    expect(made).not.toEqual([]);
    await steps.close({ stepId: own?.stepId ?? "", outcome: 1 }, said(report()));
  },
);

function x509KeysIn(bytes: Uint8Array): string[] {
  return fromBinary(X509SVIDResponseSchema, bytes).svids.map(({ x509SvidKey }) =>
    Buffer.from(x509SvidKey).toString("base64"),
  );
}

function witKeysIn(bytes: Uint8Array): string[] {
  return fromBinary(WITSVIDResponseSchema, bytes).svids.map(({ witSvidKey }) => {
    expect(JSON.parse(witSvidKey)).not.toHaveProperty("d");
    const key = createPublicKey({ key: JSON.parse(witSvidKey), format: "jwk" });
    return key.export({ type: "spki", format: "der" }).toString("base64");
  });
}

function secretKeysIn(bytes: Uint8Array): string[] {
  return fromBinary(DiscoveryResponseSchema, bytes).resources.flatMap((resource) => {
    const secret = anyUnpack(resource, SecretSchema);
    const key = secret?.type.case === "tlsCertificate" ? secret.type.value.privateKey?.specifier : undefined;
    return key?.case === "inlineBytes"
      ? [
          Buffer.from(key.value)
            .toString()
            .replaceAll(/-----[^-]+-----|\s/g, ""),
        ]
      : [];
  });
}

test("what is not a report is refused by its name", async () => {
  const { callers } = clients();
  const metadata = { [NODE_CALLER_KEY]: Buffer.from([0xff]) };
  await expect(callers.whoAmI({}, { metadata })).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  const other = { ...report().caller.process, bootId: `node:one:${bootId}` };
  await expect(callers.whoAmI({}, said(report({ process: other })))).rejects.toMatchObject({ reason: "INVALID_FIELD" });
});

test("the X.509-SVID of an operator opens nothing here: only a node's does", async () => {
  const identity = await identityOf("admin");
  await expect(clients(identity).callers.whoAmI({}, said(report()))).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  const call = clients(identity).nodes.attend();
  call.send({ message: { case: "machine", value: { bootId, pidNamespace: "1" } } });
  await expect(call.responses.next()).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});
