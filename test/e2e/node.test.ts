import { spawn } from "node:child_process";
import { createPrivateKey, createPublicKey } from "node:crypto";
import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createLocalJWKSet, decodeJwt, type JWK, jwtVerify } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { EntryContentSchema } from "../../src/gen/stint/v1/entries_pb.js";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import type { Daemon } from "../daemon.ts";
import { callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { brokerForNodes, cableTo, clientsOf, type NodeAgent, portOf, startNode, uid } from "./node-scene.ts";
import { type Operator, operatorOf } from "./operator.ts";

// The agent of a machine without a broker: what its processes have of the broker, and what they have not.

let daemon: Daemon;
let operator: Operator;
let one: NodeAgent;
let two: NodeAgent;

beforeAll(async () => {
  daemon = await brokerForNodes();
  operator = operatorOf(daemon.operatorSocket);
  [one, two] = await Promise.all([startNode(daemon, "one"), startNode(daemon, "two")]);
});

afterAll(async () => {
  operator?.[Symbol.dispose]();
  await Promise.all([one?.[Symbol.asyncDispose](), two?.[Symbol.asyncDispose]()]);
  await daemon?.[Symbol.asyncDispose]();
});

const grant = { elements: [READ_SEARCH] };

const clientsAt = (socket: string) => clientsOf(openChannel(socket));

let run = 0;
async function opened(agent: NodeAgent, name: string, executor?: number): Promise<Step> {
  run += 1;
  const { step } = await clientsAt(agent.socket).steps.open({
    ...{ runId: `run-${run}`, step: "s", agent: `agent-${name}`, grant },
    ...(executor === undefined ? {} : { executor: { executor: { case: "pid", value: executor } } }),
  });
  if (step === undefined) throw new TypeError("no step");
  return step;
}

function codeOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (thrown) {
    return (thrown as { readonly code?: string }).code;
  }
}

const stateOf = async ({ stepId }: Step) =>
  (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state;

test("a process behind a node opens a step, gets its credentials and closes it, by the SDK as it is", async () => {
  using stint = createStint({ endpoint: one.endpoint, agent: "agent-one" });
  const { svid, token } = await stint.withStep(
    { runId: "r", step: "s", grant: [READ_SEARCH] as never },
    async (step) => ({ svid: await step.x509Svid(), token: await step.jwtSvid(SEARCH) }),
  );
  const id = "spiffe://example.org/agent/agent-one/run/r/step/s/1";
  expect([svid.spiffeId, token.spiffeId]).toEqual([id, id]);
});

test("the broker records whose process it was, by the node's name", async () => {
  const step = await opened(one, "one");
  const { step: shown } = await operator.steps.get({ by: { case: "stepId", value: step.stepId } });
  expect(shown?.opener?.bootId).toMatch(/^node:one:[0-9a-f-]{36}$/);
  expect(shown?.opener?.pid).toBe(process.pid);
  const who = await clientsAt(one.socket).callers.whoAmI({});
  expect(who.selectors).toContain("node:name:one");
  expect(who.entries.map(({ name }) => name).toSorted()).toEqual(["agent-one", "flow-one"]);
  await clientsAt(one.socket).steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
});

test("a node's processes match entries of that node alone, and those on the broker's machine none of a node's", async () => {
  const open = (socket: string, agent: string) =>
    clientsAt(socket).steps.open({ runId: `none-${agent}`, step: "s", agent, grant });
  await expect(open(one.socket, "local-agent")).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  await expect(open(one.socket, "agent-two")).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  await expect(open(daemon.workloadSocket, "agent-one")).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});

test("the same process through another node reaches nothing of a node's steps", async () => {
  const step = await opened(one, "one");
  const { stepId } = step;
  const { steps, credentials } = clientsAt(two.socket);
  const refusals = [
    steps.get({ by: { case: "stepId", value: stepId } }),
    steps.close({ stepId, outcome: Outcome.COMPLETED }),
    steps.hold({ stepId }).next(),
    credentials.issueJwtSvid({ stepId, wanted: { audiences: [SEARCH] } }),
  ];
  for (const refused of refusals) await expect(refused).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  await expect(
    steps.open({ runId: step.name?.runId ?? "", step: "s", attempt: 2, agent: "agent-two", grant }),
  ).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  expect(await stateOf(step)).toBe(StepState.OPEN);
  await clientsAt(one.socket).steps.close({ stepId, outcome: Outcome.COMPLETED });
});

test("services for operators are not there", async () => {
  await expect(clientsAt(one.socket).history.listIssuances({})).rejects.toMatchObject({ codeName: "UNIMPLEMENTED" });
});

test("a WIT-SVID comes with the key that it is bound to, and the bundle by which it is verified", async () => {
  const step = await opened(one, "one");
  const { workload, steps } = clientsAt(one.socket);
  const svids = workload.fetchWITSVID({ spiffeId: step.spiffeId });
  const [svid] = (await svids.next()).value?.svids ?? [];
  const jwk = JSON.parse(svid?.witSvidKey ?? "{}") as JWK;
  expect(jwk).toMatchObject({ alg: "ES256", d: expect.any(String) });
  const publicJwk = createPublicKey(createPrivateKey({ key: jwk as never, format: "jwk" })).export({ format: "jwk" });
  const token = svid?.witSvid ?? "";
  expect((decodeJwt(token)["cnf"] as { readonly jwk: JWK }).jwk).toMatchObject(publicJwk);

  const { bundles } = (await workload.fetchWITBundles({}).next()).value ?? {};
  const { keys } = JSON.parse(bundles?.["spiffe://example.org"] ?? "{}") as { readonly keys: JWK[] };
  const jwks = createLocalJWKSet({ keys: keys.map(({ use: _, ...key }) => key) });
  await expect(jwtVerify(token, jwks, { typ: "wit+jwt" })).resolves.toMatchObject({ payload: { sub: step.spiffeId } });
  const { issuances } = await operator.history.listIssuances({ filter: { stepId: step.stepId } });
  expect(issuances).toHaveLength(1);

  await steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
  await expect(svids.next()).rejects.toMatchObject({ reason: "NO_IDENTITY" });
});

test("a step's executor is named by its pid on that machine, and the step is abandoned when that process is gone", async () => {
  const executor = spawn("sleep", ["1000"]);
  onTestFinished(() => void executor.kill("SIGKILL"));
  const step = await opened(one, "one", executor.pid);
  expect(await stateOf(step)).toBe(StepState.OPEN);
  executor.kill("SIGKILL");
  await expect.poll(() => stateOf(step)).toBe(StepState.ABANDONED);
  await expect(opened(one, "one", executor.pid)).rejects.toMatchObject({ reason: "EXECUTOR_GONE" });
});

test("what the executor of a step started opens none by the runtime's entry", async () => {
  // The tests' own process has opened steps, and this one is below it.
  const child = await callerAs({}, one.socket);
  onTestFinished(() => child[Symbol.asyncDispose]());
  const open = () => child.call("Steps", "open", { runId: "below", step: "s", agent: "agent-one", grant } as never);
  await expect(open()).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  await clientsAt(one.socket).steps.enroll({ pid: child.pid });
  await expect(open()).resolves.toMatchObject({ step: { state: "STEP_STATE_OPEN" } });
});

test("a verifier behind the node hears of a close, and refuses", async () => {
  const verifier = createVerifier({ endpoint: one.endpoint, audiences: [SEARCH], development: true });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  using stint = createStint({ endpoint: one.endpoint, agent: "agent-one" });
  const step = await stint.openStep({ runId: "watched", step: "s", grant: [READ_SEARCH] as never });
  const token = (await step.jwtSvid(SEARCH)).svid();
  expect(verifier.verify(token).spiffeId).toBe(step.spiffeId);
  await step.close();
  await expect.poll(() => codeOf(() => verifier.verify(token))).toBe("REVOKED");
});

test("without the broker a process keeps what it has, is given it again, and gets nothing new; then all goes on", async () => {
  await using cable = await cableTo(portOf(daemon, "nodesPort"));
  // Another agent of the same node, whose broker it may lose.
  await one[Symbol.asyncDispose]();
  one = await startNode(daemon, "one", { nodesPort: cable.port });
  const step = await opened(one, "one");
  const { workload, steps } = clientsAt(one.socket);
  const watch = workload.fetchX509SVID({});
  const before = (await watch.next()).value;
  const token = await workload.fetchJWTSVID({ audience: [SEARCH] });
  const wit = (await workload.fetchWITSVID({}).next()).value;

  const seen = one.log.length;
  cable.cut();
  await one.line("the broker can't be reached", seen);
  const again = (await workload.fetchX509SVID({}).next()).value;
  expect(again?.svids[0]?.x509Svid).toEqual(before?.svids[0]?.x509Svid);
  expect(await workload.fetchJWTSVID({ audience: [SEARCH] })).toEqual(token);
  expect((await workload.fetchWITSVID({}).next()).value).toEqual(wit);
  await expect(workload.fetchJWTSVID({ audience: ["https://other.example"] })).rejects.toMatchObject({
    codeName: "UNAVAILABLE",
  });
  await expect(steps.open({ runId: "away", step: "s", agent: "agent-one", grant })).rejects.toMatchObject({
    codeName: "UNAVAILABLE",
  });

  cable.mend();
  await one.line("attended by the broker", seen);
  // The stream of before has gone on: it is given an SVID of its own, on the new connection.
  const after = (await watch.next()).value;
  expect(after?.svids[0]?.spiffeId).toBe(step.spiffeId);
  expect(after?.svids[0]?.x509Svid).not.toEqual(before?.svids[0]?.x509Svid);
  expect(await stateOf(step)).toBe(StepState.OPEN);
  await steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
  // What is left is what the process is outside of any step.
  expect((await watch.next()).value?.svids.map(({ spiffeId }) => spiffeId)).toEqual([
    "spiffe://example.org/runtime/flow-one",
  ]);
});

test("a node under the user of its processes serves none of them, development aside", async () => {
  await two[Symbol.asyncDispose]();
  two = await startNode(daemon, "two", { development: false });
  await expect(clientsAt(two.socket).callers.whoAmI({})).rejects.toMatchObject({
    reason: "NO_IDENTITY",
    message: expect.stringContaining("the node's own user"),
  });
});

test("stopped in an orderly way, it exits with 0", async () => {
  two.child.kill("SIGTERM");
  expect(await once(two.child, "exit")).toEqual([0, null]);
});
test("a node that is disabled is let go at once, with the steps of its processes", async () => {
  const own = ["node:name:three", uid];
  const contents: readonly MessageInitShape<typeof EntryContentSchema>[] = [
    { name: "three", selectors: ["join_token:name:three"], kind: { case: "node", value: {} } },
    { name: "flow-three", selectors: own, kind: { case: "runtime", value: { agents: ["agent-three"] } } },
    { name: "agent-three", selectors: own, kind: { case: "agent", value: { ceiling: grant } } },
  ];
  for (const content of contents) await operator.entries.create({ content });
  const { entry } = await operator.entries.get({ entry: "node/three" });
  expect(entry?.spiffeId).toBe("spiffe://example.org/stint/node/three");
  await using three = await startNode(daemon, "three");
  const step = await opened(three, "three");

  await operator.entries.disable({ entry: entry?.entryId ?? "" });
  // Sooner than a node would be waited for that is away.
  await expect.poll(() => stateOf(step)).toBe(StepState.ABANDONED);
  await expect(opened(three, "three")).rejects.toMatchObject({ reason: "NO_IDENTITY" });
  const told = daemon.log.filter(({ node }) => node === "three").map(({ msg }) => msg);
  expect(told).toEqual(["a node is attended", "a node is away"]);
});
