import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs, callerBelow, inheritorOf, OWN_PIDS } from "./as-user.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

// What a tool of a runtime starts has the runtime's user and, most often, its program: by selectors nobody tells them
// apart. Here one process of the runtime's entry opens a step, and others of the same entry, started in every way, try.

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH] },
  { kind: "agent", name: "forker", selectors, ceiling: [READ_SEARCH], allow_executor_tree: true },
  { kind: "agent", name: "lenient", selectors, ceiling: [READ_SEARCH], may_open: true, allow_descendants: true },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher", "forker"] },
];

let daemon: Daemon;
let operator: Operator;
/** Opened a step, which stays open. */
let runtime: Caller;
let stepId: string;

beforeAll(async () => {
  daemon = await startDaemon({ entries: ENTRIES });
  operator = operatorOf(daemon.operatorSocket);
});
afterAll(async () => {
  operator[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});
beforeEach(async () => {
  runtime = await started();
  stepId = (await open(runtime)).stepId;
});

async function started(before: readonly string[] = []): Promise<Caller> {
  const caller = await callerAs({ before }, daemon.workloadSocket);
  onTestFinished(() => caller[Symbol.asyncDispose]());
  return caller;
}

async function startedBy(parent: Caller, before: readonly string[] = []): Promise<Caller> {
  const caller = await callerBelow(parent, before, daemon.workloadSocket);
  onTestFinished(() => caller[Symbol.asyncDispose]());
  return caller;
}

let runs = 0;
async function open(by: Caller, own: object = {}): Promise<Answer> {
  runs += 1;
  const request = { runId: `kin-${runs}`, step: "s", agent: "researcher", grant: { elements: [READ_SEARCH] }, ...own };
  return (await by.call("Steps", "open", request as never)).step;
}

const eventsOf = async (type: string): Promise<readonly Answer[]> =>
  (await operator.history.listEvents({ type })).events.map(({ canonical }) =>
    JSON.parse(Buffer.from(canonical).toString()),
  );

const REFUSED = { reason: "NOT_ENTITLED", message: expect.stringContaining("was started by one that opened") };
const TAKEN_FOR_AN_ORPHAN = { reason: "NOT_ENTITLED", message: expect.stringContaining("takes in orphans") };

/** Each starts the command that follows it. */
const SHELL = ["sh", "-c", '"$@"; true', "sh"];
const IN_PLACE = ["sh", "-c", 'exec "$@"', "sh"];
const SETSID = ["sh", "-c", 'setsid "$@"; true', "sh"];
const DOUBLE_FORK = ["sh", "-c", '"$@" &', "sh"];
const DAEMON = ["sh", "-c", 'setsid "$@" &', "sh"];
/** Its parent left the session, and ended. */
const LEFT_BEHIND = ["setsid", "sh", "-c", '"$@" &', "sh"];

describe("a step of its own is not opened by what the runtime started", () => {
  test.for([
    { how: "spawn", before: [], told: REFUSED },
    { how: "sh -c", before: SHELL, told: REFUSED },
    { how: "exec in place, in a child", before: IN_PLACE, told: REFUSED },
    { how: "setsid", before: SETSID, told: REFUSED },
    { how: "double fork", before: DOUBLE_FORK, told: TAKEN_FOR_AN_ORPHAN },
    { how: "double fork and setsid", before: DAEMON, told: TAKEN_FOR_AN_ORPHAN },
    { how: "setsid, fork and exit", before: LEFT_BEHIND, told: TAKEN_FOR_AN_ORPHAN },
  ])("$how", async ({ before, told }) => {
    const child = await startedBy(runtime, before);
    await expect(open(child)).rejects.toMatchObject(told);
    expect((await open(runtime)).stepId).toMatch(/^step_/);
  });

  test("a PID namespace of its own", async (context) => {
    const [command = "", ...args] = [...OWN_PIDS, "true"];
    context.skip(spawnSync(command, args).status !== 0, "needs leave to make namespaces");
    await expect(open(await startedBy(runtime, OWN_PIDS))).rejects.toMatchObject(REFUSED);
  });

  test("a chain of parents that is longer than anyone reads", async () => {
    const nested = Array.from({ length: 70 }, () => SHELL).flat();
    const deep = await startedBy(runtime, nested);
    await expect(open(deep)).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
      message: expect.stringContaining("what started the calling process can't be told"),
    });
  });

  test("and each refusal is a recorded decision", async () => {
    const child = await startedBy(runtime);
    await expect(open(child)).rejects.toMatchObject(REFUSED);
    const { decisions } = await operator.history.listDecisions({ filter: { runId: `kin-${runs}` } });
    expect(decisions).toMatchObject([{ effect: 2, message: REFUSED.message, caller: { executable: "node" } }]);
  });

  test("also between two steps of the runtime, when none is open", async () => {
    await runtime.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
    await expect(open(await startedBy(runtime))).rejects.toMatchObject(REFUSED);
  });

  test("also below a process that only executes a step, for as long as it does", async () => {
    const executor = await started();
    const child = await startedBy(executor);
    const executed = await open(runtime, { executor: { pid: executor.pid } });
    await expect(open(child)).rejects.toMatchObject(REFUSED);
    await runtime.call("Steps", "close", { stepId: executed.stepId, outcome: "OUTCOME_COMPLETED" });
    await open(child);
  });

  test("also below a process that only holds a step, for as long as it does", async () => {
    const holder = await started();
    const child = await startedBy(holder);
    const held = holder.stream("Steps", "hold", { stepId });
    await held.next();
    await expect(open(child)).rejects.toMatchObject(REFUSED);
    await runtime.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
    while ((await held.next()).done !== true);
    await open(child);
  });

  test("nor of an attempt that would supersede the runtime's, nor under the runtime's step", async () => {
    const child = await startedBy(runtime);
    const { name } = (await runtime.call("Steps", "get", { stepId })).step;
    await expect(open(child, { runId: name.runId, step: name.step, attempt: 2 })).rejects.toMatchObject(REFUSED);
    await expect(open(child, { runId: name.runId, parentStepId: stepId })).rejects.toMatchObject(REFUSED);
    expect((await runtime.call("Steps", "get", { stepId })).step.state).toBe("STEP_STATE_OPEN");
  });
});

describe("nor does a child pass for the runtime otherwise", () => {
  test("by the credentials of its step", async () => {
    const child = await startedBy(runtime);
    const wanted = { stepId, wanted: { audiences: [SEARCH] } };
    await expect(child.call("Credentials", "issueJwtSvid", wanted)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    expect((await runtime.call("Credentials", "issueJwtSvid", wanted)).svid.spiffeId).toMatch(/^spiffe:/);
  });

  test("by its X.509-SVID, with which it could open steps over the network", async () => {
    const spiffeIds = async (by: Caller): Promise<readonly string[]> => {
      for await (const { svids } of by.stream("SpiffeWorkloadAPI", "fetchX509SVID", {})) {
        return svids.map((one: { readonly spiffeId: string }) => one.spiffeId);
      }
      return [];
    };
    expect(await spiffeIds(runtime)).toContain("spiffe://example.org/runtime/flow");
    const child = await startedBy(runtime);
    await expect(spiffeIds(child)).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await runtime.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
    await expect(spiffeIds(child)).rejects.toMatchObject({
      code: "PERMISSION_DENIED",
      message: expect.stringMatching(/no identity at present: .* was started by one that opened/),
    });
  });

  test("by keeping its step open", async () => {
    const leased = await open(runtime, { lease: "60s" });
    const child = await startedBy(runtime);
    await expect(child.call("Steps", "renew", { stepId: leased.stepId })).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
    });
    await child.stream("Steps", "hold", { stepId: leased.stepId }).next();
    const held = async () => (await eventsOf("step.held")).filter((one) => one.stepId === leased.stepId).length;
    expect(await held()).toBe(0);
    await runtime.stream("Steps", "hold", { stepId: leased.stepId }).next();
    expect(await held()).toBe(1);
  });

  test("by enrolling itself or another", async () => {
    const [child, sibling] = [await startedBy(runtime), await startedBy(runtime)];
    const grandchild = await startedBy(child);
    for (const { pid } of [child, sibling, grandchild]) {
      await expect(child.call("Steps", "enroll", { pid })).rejects.toMatchObject(REFUSED);
    }
    expect(await eventsOf("process.enrolled")).toEqual([]);
  });
});

describe("a connection of the runtime's", () => {
  test("speaks for the runtime, whoever the runtime handed it to: a limit, so nothing of Stint hands one on", async () => {
    const child = await inheritorOf(runtime);
    onTestFinished(() => child[Symbol.asyncDispose]());
    const { stepId: opened } = await open(child);
    const { steps } = await operator.history.listSteps({ filter: { stepId: opened } });
    expect(steps[0]?.opener?.pid).toBe(runtime.pid);
  });

  test("speaks for nobody once the runtime has ended, though a child still has it", async () => {
    const child = await inheritorOf(runtime);
    onTestFinished(() => child[Symbol.asyncDispose]());
    runtime.signal("SIGKILL");
    await expect
      .poll(() => open(child).catch((error: unknown) => error), { timeout: 15_000 })
      .toMatchObject({ message: expect.stringContaining("the process that opened this connection is gone") });
  });
});

describe("steps are opened as before", () => {
  test("by the workers of one supervisor, and by two commands of one shell", async () => {
    const supervisor = await started(SHELL);
    const workers = [await startedBy(supervisor), await startedBy(supervisor, ["setsid"]), await startedBy(supervisor)];
    for (const worker of [...workers, ...workers]) await open(worker);
  });

  test("by the runtime itself, many", async () => {
    for (let more = 0; more < 3; more += 1) await open(runtime);
  });

  test("by a child that executes a step, under that step and no wider; not beside it", async () => {
    const child = await startedBy(runtime);
    const parent = await open(runtime, { executor: { pid: child.pid } });
    const own = await open(child, { runId: parent.name.runId, step: "below", parentStepId: parent.stepId });
    expect(own).toMatchObject({ parentStepId: parent.stepId });
    await expect(open(child)).rejects.toMatchObject(REFUSED);
    const wider = { elements: [{ ...READ_SEARCH, actions: ["read", "write"] }] };
    const asked = { runId: parent.name.runId, step: "wider", parentStepId: parent.stepId, grant: wider };
    await expect(open(child, asked)).rejects.toMatchObject({ reason: "POLICY_DENIED" });
  });

  test("by what is below a step's tree, under that step", async () => {
    const { name, stepId: parentStepId } = await open(runtime, { agent: "forker", executor: { tree: {} } });
    const child = await startedBy(runtime, SHELL);
    await open(child, { agent: "forker", runId: name.runId, step: "below", parentStepId });
    await expect(open(child, { agent: "forker" })).rejects.toMatchObject(REFUSED);
  });

  test("by descendants, where the entry by which they open says allow_descendants", async () => {
    const child = await startedBy(runtime);
    expect(await open(child, { agent: "lenient" })).toMatchObject({ agent: "lenient" });
    await expect(open(child)).rejects.toMatchObject(REFUSED);
  });
});

describe("a child that its runtime enrolled", () => {
  test("opens steps, on record, and what it starts does not", async () => {
    const child = await startedBy(runtime, SHELL);
    const { process: enrolled, sequence } = await runtime.call("Steps", "enroll", { pid: child.pid });
    expect(enrolled).toMatchObject({ pid: child.pid });
    const recorded = (await eventsOf("process.enrolled")).at(-1);
    expect(recorded).toMatchObject({ process: expect.stringContaining(`/${child.pid}/`), by: { kind: "entry" } });
    expect(recorded?.by.process).toContain(`/${runtime.pid}/`);
    expect((await runtime.call("Steps", "enroll", { pid: child.pid })).sequence ?? "0").toBe("0");
    expect(Number(sequence)).toBeGreaterThan(0);
    await open(child);
    await expect(open(await startedBy(child))).rejects.toMatchObject(REFUSED);
    await expect(open(await startedBy(runtime))).rejects.toMatchObject(REFUSED);
  });

  test("is one that runs, and that the runtime started", async () => {
    const stranger = await started();
    await expect(runtime.call("Steps", "enroll", { pid: stranger.pid })).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
      message: expect.stringContaining("not one that the caller started"),
    });
    for (const pid of [0, 2 ** 31]) {
      await expect(runtime.call("Steps", "enroll", { pid })).rejects.toMatchObject({
        reason: "INVALID_FIELD",
        metadata: { field: "pid" },
      });
    }
  });

  test("is known after a restart of the broker, as is the runtime, though its steps have ended", async () => {
    const [child, enrolled] = [await startedBy(runtime), await startedBy(runtime)];
    await runtime.call("Steps", "enroll", { pid: enrolled.pid });
    await runtime.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
    await daemon.kill();
    daemon = await daemon.restart();
    await expect.poll(() => open(child).catch((error: unknown) => error), { timeout: 15_000 }).toMatchObject(REFUSED);
    await open(enrolled);
    operator[Symbol.dispose]();
    operator = operatorOf(daemon.operatorSocket);
  });
});
