import { spawn } from "node:child_process";
import { createPrivateKey, randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Channel, connectivityState } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Selector } from "../../src/domain/selector.ts";
import type { EntryContentSchema } from "../../src/gen/stint/v1/entries_pb.js";
import { Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { tlsIdentityOf } from "../../src/sdk/runtime/tls-identity.ts";
import { openChannel, openTlsChannel, type TlsIdentity } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { encodeNodeReport, NODE_CALLER_KEY } from "../../src/wire/node-message.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { AUDIENCE, apiServer, BOUND, ISSUER } from "./api-server.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { parseMetrics, scrape } from "./metrics-text.ts";
import { clientsOf, FOR_NODES, identityBy, type NodeAgent, portOf, startNode, uid } from "./node-scene.ts";
import { type Operator, operatorOf } from "./operator.ts";

// Goal: one entry stands for all machines of a group and one for an agent on all of them; and what was opened on one machine is nobody's
// on another, though its processes match the very same entries.

const grant = { elements: [READ_SEARCH] };
const POOL = ["k8s:cluster:prod", "k8s:ns:agents", "k8s:sa:flow"];
const onPool = ["node:group:pool", uid];
const server = apiServer("one");

let daemon: Daemon;
let operator: Operator;
let one: NodeAgent;
let two: NodeAgent;

beforeAll(async () => {
  const jwk = await server.jwk();
  daemon = await startDaemon({
    entries: [
      { kind: "operator", name: "local", selectors: [uid], role: "admin" },
      { kind: "runtime", name: "here", selectors: [uid], agents: ["researcher"] },
      { kind: "runtime", name: "flow", selectors: onPool, agents: ["researcher"] },
      { kind: "agent", name: "researcher", selectors: onPool, ceiling: [READ_SEARCH], allow_any_executor: true },
    ],
    config(directory) {
      const keys = join(directory, "keys.json");
      writeFileSync(keys, JSON.stringify({ keys: [jwk] }));
      const issuer = { issuer: ISSUER, audience: AUDIENCE, single_use: false };
      return {
        ...FOR_NODES,
        ...{ broker: { listen: "127.0.0.1:0" }, operations: { listen: "127.0.0.1:0", plain_on_loopback: true } },
        attestation: {
          ...FOR_NODES.attestation,
          oidc: [{ ...issuer, jwks_file: keys, kubernetes_cluster: "prod" }],
        },
      };
    },
  });
  operator = operatorOf(daemon.operatorSocket);
  await operator.entries.create({ content: pool([]) });
  [one, two] = await Promise.all([started("worker-1"), started("worker-2")]);
});

afterAll(async () => {
  operator?.[Symbol.dispose]();
  await Promise.all([one?.[Symbol.asyncDispose](), two?.[Symbol.asyncDispose]()]);
  await daemon?.[Symbol.asyncDispose]();
});

function pool(barredMachines: string[]): MessageInitShape<typeof EntryContentSchema> {
  const value = { machineName: "k8s:node-name", barredMachines };
  return { name: "pool", selectors: POOL, kind: { case: "node", value } };
}

/** The token that is projected into the DaemonSet's pod on a machine. */
const tokenOf = (name: string) => server.token({ ...BOUND, node: { ...BOUND.node, name } });

async function started(machine: string): Promise<NodeAgent> {
  const token = join(daemon.directory, `token-${machine}`);
  writeFileSync(token, await tokenOf(machine));
  return startNode(daemon, "pool", { evidence: { oidc_token_file: token } });
}

/** What whoever has the token of a machine gets for it. */
async function identityOf(machine: string): Promise<TlsIdentity> {
  const token = join(daemon.directory, `token-of-${machine}`);
  writeFileSync(token, await tokenOf(machine));
  return identityBy(daemon, { oidcTokenFile: token }, "node/pool");
}

const clientsAt = ({ socket }: { readonly socket: string }) => clientsOf(openChannel(socket));

let run = 0;
async function openedAt(agent: NodeAgent, more: object = {}): Promise<Step> {
  run += 1;
  const opening = { runId: `run-${run}`, step: "s", agent: "researcher", grant, ...more };
  const { step } = await clientsAt(agent).steps.open(opening);
  if (step === undefined) throw new TypeError("no step");
  return step;
}

const stateOf = async ({ stepId }: Step) =>
  (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state;
const closeAt = (agent: NodeAgent, { stepId }: Step) =>
  clientsAt(agent).steps.close({ stepId, outcome: Outcome.COMPLETED });

const ANY = { executor: { executor: { case: "any", value: {} } } };
const refusal = { reason: "NOT_ENTITLED" };

test("two machines of a group have the same entries, each its own name and SPIFFE ID", async () => {
  for (const [agent, machine] of [
    [one, "worker-1"],
    [two, "worker-2"],
  ] as const) {
    const who = await clientsAt(agent).callers.whoAmI({});
    expect(who.selectors).toEqual(expect.arrayContaining(["node:group:pool", `node:name:pool/${machine}`]));
    expect(who.entries.map(({ name }) => name).toSorted()).toEqual(["flow", "researcher"]);
    const step = await openedAt(agent);
    expect(step.spiffeId).toMatch(/^spiffe:\/\/example.org\/agent\/researcher\/run\//);
    const { step: shown } = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
    expect(shown?.opener?.bootId).toMatch(new RegExp(`^node:pool/${machine}:[0-9a-f-]{36}$`));
    await closeAt(agent, step);
  }
  const { issuances } = await operator.history.listIssuances({});
  const ids = issuances.map(({ spiffeId }) => spiffeId);
  for (const machine of ["worker-1", "worker-2"])
    expect(ids).toContain(`spiffe://example.org/stint/node/pool/${machine}`);
});

test("its machines are counted by themselves, and not as nodes that are registered", async () => {
  const metrics = parseMetrics(await scrape(daemon));
  const counted = ["stint_nodes", "stint_nodes_attended", "stint_group_machines_attended"];
  expect(counted.map((name) => metrics.get(name))).toEqual([0, 0, 2]);
});

test("the very same process reaches nothing through another machine of the group: no step, no run, no list", async () => {
  const step = await openedAt(one);
  const { stepId } = step;
  const { steps, credentials } = clientsAt(two);
  const refusals = [
    steps.get({ by: { case: "stepId", value: stepId } }),
    steps.close({ stepId, outcome: Outcome.COMPLETED }),
    steps.hold({ stepId }).next(),
    steps.renew({ stepId }),
    credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } }),
    steps.open({ runId: step.name?.runId ?? "", step: "s", attempt: 2, agent: "researcher", grant }),
    steps.open({ runId: step.name?.runId ?? "", step: "other", agent: "researcher", grant }),
  ];
  for (const refused of refusals) await expect(refused).rejects.toMatchObject(refusal);
  const below = steps.open({ runId: "below", step: "s", agent: "researcher", grant, parentStepId: stepId });
  await expect(below).rejects.toMatchObject({ reason: "DELEGATION_REFUSED" });
  const listedAt = async (agent: NodeAgent) =>
    (await clientsAt(agent).steps.list({ runId: step.name?.runId ?? "" })).steps;
  expect([await listedAt(two), (await listedAt(one)).map((shown) => shown.stepId)]).toEqual([[], [stepId]]);
  expect(await stateOf(step)).toBe(StepState.OPEN);
  await closeAt(one, step);
});

test("a step for any process of the agent is for those of the opener's machine", async () => {
  const step = await openedAt(one, ANY);
  const wanted = { stepId: step.stepId, wanted: { audiences: [SEARCH] } };
  await expect(clientsAt(two).credentials.issueJwtSvid(wanted)).rejects.toMatchObject(refusal);
  await expect(clientsAt(two).workload.fetchJWTSVID({ audience: [SEARCH] })).rejects.toMatchObject({
    reason: "NO_IDENTITY",
  });
  await expect(clientsAt(one).credentials.issueJwtSvid(wanted)).resolves.toBeDefined();
  await closeAt(one, step);
  // From elsewhere no machine could be meant.
  const { steps } = clientsAt({ socket: daemon.workloadSocket });
  const opening = steps.open({ runId: "anywhere", step: "s", agent: "researcher", grant, ...ANY } as never);
  await expect(opening).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "executor" } });
});

/** A boot of a machine whose agent is not of this test, and the process there that it speaks for. */
type Made = { readonly bootId: string; readonly pidNamespace: string; readonly startTimeTicks: number };

/** Whoever has a machine's token, attended by the broker. @returns said: metadata of a call, for a process of this boot */
async function impostor(machine: string, made: Made) {
  const identity = await identityOf(machine);
  const clients = clientsOf(openTlsChannel(`tcp://127.0.0.1:${portOf(daemon, "nodesPort")}`, identity));
  const { bootId, pidNamespace, startTimeTicks } = made;
  const attending = clients.nodes.attend();
  onTestFinished(attending.cancel);
  attending.send({ message: { case: "machine", value: { bootId, pidNamespace } } });
  attending.send({ message: { case: "alive", value: { last: true } } });
  expect((await attending.responses.next()).value?.message.case).toBe("attended");
  const said = (bootIdSaid = bootId) => {
    const caller = { bootId: bootIdSaid, pidNamespace, pid: process.pid, startTimeTicks };
    const facts = {
      ...{
        process: caller,
        uid: process.getuid?.() ?? 0,
        lineage: { kind: "lineage", chain: [{ process: caller }] } as const,
      },
      selectors: new Set<Selector>([uid, "node:name:pool/worker-1"] as Selector[]),
    };
    const report = { caller: facts, sharesPids: true, unavailable: [], ancestors: [] };
    return { metadata: { [NODE_CALLER_KEY]: encodeNodeReport(report) } };
  };
  return { ...clients, said };
}

test("whoever has a machine's token and key reaches that machine's steps alone, whatever it says of its callers", async () => {
  const step = await openedAt(one, ANY);
  const { step: shown } = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
  const { bootId = "", pidNamespace = "", startTimeTicks = 0n } = shown?.opener ?? {};
  const made = { bootId: bootId.split(":")[2] ?? "", pidNamespace, startTimeTicks: Number(startTimeTicks) };
  const { steps, credentials, callers, said } = await impostor("worker-3", made);
  const who = await callers.whoAmI({}, said());
  expect(who.selectors).toContain("node:name:pool/worker-3");
  expect(who.selectors).not.toContain("node:name:pool/worker-1");
  const { stepId } = step;
  const jwt = credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } }, said());
  await expect(jwt).rejects.toMatchObject(refusal);
  await expect(steps.close({ stepId, outcome: 1 }, said())).rejects.toMatchObject(refusal);
  await expect(callers.whoAmI({}, said(bootId))).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  expect(await stateOf(step)).toBe(StepState.OPEN);
  await closeAt(one, step);
});

test("two hundred machines come at once by one entry, and each opens what none of the others can see", async () => {
  const made = { bootId: randomUUID(), pidNamespace: "4026531836", startTimeTicks: 7 };
  const machines = await Promise.all(Array.from({ length: 200 }, (_, index) => impostor(`rack-${index}`, made)));
  const opened = await Promise.all(
    machines.map(async ({ steps, said }, index) => {
      const opening = { runId: `rack-${index}`, step: "s", agent: "researcher", grant };
      return (await steps.open(opening, said())).step?.stepId ?? "";
    }),
  );
  expect(new Set(opened).size).toBe(machines.length);
  const seen = await Promise.all(machines.map(async ({ steps, said }) => (await steps.list({}, said())).steps));
  expect(seen.map((steps) => steps.map(({ stepId }) => stepId))).toEqual(opened.map((stepId) => [stepId]));
  await Promise.all(
    machines.map(({ steps, said }, index) => steps.close({ stepId: opened[index] ?? "", outcome: 1 }, said())),
  );
});

test("a runtime of the group is nobody on the broker endpoint, where its machine can't be told", async () => {
  const { svids } = (await clientsAt(one).workload.fetchX509SVID({}).next()).value ?? {};
  const svid = svids?.find(({ spiffeId }) => spiffeId === "spiffe://example.org/runtime/flow");
  expect(svid).toBeDefined();
  if (svid === undefined) return;
  const identity = tlsIdentityOf({
    spiffeId: svid.spiffeId,
    certificates: [svid.x509Svid],
    bundle: [svid.bundle],
    privateKey: createPrivateKey({ key: Buffer.from(svid.x509SvidKey), format: "der", type: "pkcs8" }),
  });
  const channel = openTlsChannel(`tcp://127.0.0.1:${daemon.brokerPort}`, identity);
  onTestFinished(() => channel.close());
  const steps = createClient(Steps, channel, { securityHeader: "broker.spiffe.io" });
  await expect(steps.list({})).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});

test("a machine that is barred is let go at once, with the steps of its processes, and the others stay", async () => {
  const executor = spawn("sleep", ["1000"]);
  onTestFinished(() => void executor.kill("SIGKILL"));
  const pid = { executor: { executor: { case: "pid", value: executor.pid } } };
  const [lost, kept] = [await openedAt(two, pid), await openedAt(one, pid)];
  const { entry } = await operator.entries.get({ entry: "node/pool" });
  const [barred, other] = await Promise.all(
    ["worker-2", "worker-3"].map(async (machine) => {
      const channel = openTlsChannel(`tcp://127.0.0.1:${portOf(daemon, "nodesPort")}`, await identityOf(machine));
      // Nobody vouches for a process: the connection is what is wanted.
      await expect(clientsOf(channel).callers.whoAmI({})).rejects.toMatchObject({ reason: "NO_IDENTITY" });
      return channel;
    }),
  );
  const isUp = (channel: Channel | undefined) => channel?.getConnectivityState(false) === connectivityState.READY;
  expect([isUp(barred), isUp(other)]).toEqual([true, true]);
  await operator.entries.update({ entry: entry?.entryId ?? "", content: pool(["worker-2"]) });
  await expect.poll(() => isUp(barred)).toBe(false);
  expect(isUp(other)).toBe(true);
  await expect.poll(() => stateOf(lost)).toBe(StepState.ABANDONED);
  await expect(openedAt(two)).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  expect(await stateOf(kept)).toBe(StepState.OPEN);
  await expect(identityOf("worker-2")).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  await expect(identityOf("worker-3")).resolves.toMatchObject({ serverId: expect.any(String) });
  await closeAt(one, kept);
});
