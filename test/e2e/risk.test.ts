import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { Approvals } from "../../src/gen/stint/v1/approvals_pb.js";
import { JoinTokens } from "../../src/gen/stint/v1/attestation_pb.js";
import { Authorities } from "../../src/gen/stint/v1/authorities_pb.js";
import { Authorizations, UsageOutcome } from "../../src/gen/stint/v1/authorizations_pb.js";
import { Entries } from "../../src/gen/stint/v1/entries_pb.js";
import { Federation } from "../../src/gen/stint/v1/federation_pb.js";
import { History } from "../../src/gen/stint/v1/history_pb.js";
import { Ledger } from "../../src/gen/stint/v1/ledger_pb.js";
import { Policies } from "../../src/gen/stint/v1/policies_pb.js";
import { Principals } from "../../src/gen/stint/v1/principals_pb.js";
import { Revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { Risk, RiskLevel } from "../../src/gen/stint/v1/risk_pb.js";
import { Status } from "../../src/gen/stint/v1/status_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { runStint } from "../cli/running.ts";
import type { Caller } from "../conformance/broker-scene.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { activateBaseline } from "../faults/daemon-ledger.ts";
import { WRITE_FILES } from "./entries.ts";
import { parseMetrics, scrape } from "./metrics-text.ts";
import { OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";
import { REMOTE_ENDPOINTS, remoteOperator } from "./remote-operator.ts";

// A real broker with the baseline in force, told of risk by its operator and by a detector elsewhere on the network.

const OPERATORS = [
  { kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" },
  { kind: "operator", name: "ids", selectors: ["join_token:name:ids"], role: "detector" },
  { kind: "operator", name: "auditor", selectors: ["join_token:name:auditor"], role: "viewer" },
];

let daemon: Daemon;
let operator: Operator;
let runtime: Runtime;
let detector: Caller;

beforeAll(async () => {
  const options = {
    entries: [...OWN_ENTRIES, ...OPERATORS],
    config: {
      operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
      ...REMOTE_ENDPOINTS,
    },
  };
  const first = await startDaemon(options);
  await first.stop();
  await activateBaseline(first);
  daemon = await first.restart();
  operator = operatorOf(daemon.operatorSocket);
  runtime = runtimeAt(daemon.workloadSocket);
  detector = await from("ids");
});
afterAll(async () => {
  for (const client of [detector, runtime, operator]) client?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  const { risks } = await operator.risk.list({});
  for (const { scope } of risks) await operator.risk.set({ scope, level: RiskLevel.LOW, reason: "over" });
});

const from = (name: string) => remoteOperator(daemon, operator, name);

const stint = (...args: string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);
const set = (...args: string[]) => stint("-o", "json", "risk", "set", "--reason", "an alarm", ...args);
const stepOf = async ({ stepId }: Step) => (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step;
const writing = { grant: { elements: [WRITE_FILES] } };

describe("stint risk", () => {
  test("set waits until open steps were judged, and says how many that was and how many were closed", async () => {
    const [reads, writes] = [await runtime.open(), await runtime.open(writing)];
    const { status, out, err } = await set("--scope", "agent:researcher", "--level", "elevated", "--ttl", "10m");
    expect([status, JSON.parse(out)]).toEqual([
      0,
      expect.objectContaining({ scope: "agent:researcher", level: "elevated", steps_closed: 1, judging_done: true }),
    ]);
    expect(err).toMatch(/^stint: in force until \S+Z; open steps judged: \d+, closed: 1\n$/);
    expect((await stepOf(reads))?.state).toBe(StepState.OPEN);
    expect((await stepOf(writes))?.state).toBe(StepState.REVOKED);
    await runtime.close(reads);
  });

  test("step show of a step that policy closed names the decision, which names the policy and the risk", async () => {
    const step = await runtime.open(writing);
    await set("--scope", `run:${step.name?.runId}`, "--level", "elevated");
    const shown = JSON.parse((await stint("-o", "json", "step", "show", step.stepId)).out);
    expect(shown).toMatchObject({ state: "REVOKED", close_reason: "privilegeWithdrawn" });
    const decisions = await stint(
      "-o",
      "json",
      "history",
      "decisions",
      "--run",
      step.name?.runId ?? "",
      "--effect",
      "deny",
    );
    expect(JSON.parse(decisions.out)).toMatchObject([
      { decision_id: shown.close_decision_id, step_id: step.stepId, determining_policies: ["baseline.elevated-risk"] },
    ]);
  });

  test("list shows what is above low, and clear takes it away", async () => {
    await set("--scope", "domain", "--level", "elevated", "--no-wait");
    expect((await stint("risk", "list")).out).toMatch(
      /^SCOPE +LEVEL +EXPIRES +REASON\ndomain +elevated +\S+Z +an alarm\n$/,
    );
    expect(await stint("risk", "clear", "--scope", "domain")).toMatchObject({
      status: 0,
      err: expect.stringMatching(/^stint: low from now on; open steps judged: /),
    });
    expect((await stint("-o", "json", "risk", "list")).out).toBe("[]\n");
  });

  test("a run that never was, and an agent without an entry, are refused: names are mistyped", async () => {
    expect(await set("--scope", "run:never", "--level", "high")).toMatchObject({
      status: 1,
      err: expect.stringContaining("--unknown-run"),
    });
    expect(await set("--scope", "run:never", "--level", "high", "--unknown-run")).toMatchObject({ status: 0 });
    expect(await set("--scope", "agent:nobody", "--level", "high")).toMatchObject({ status: 1 });
    expect(await set("--scope", "runs:r", "--level", "high")).toMatchObject({
      status: 1,
      err: expect.stringContaining("scope: domain, agent:<name> or run:<run id>"),
    });
    expect(await set("--scope", "domain", "--level", "high", "--ttl", "8d")).toMatchObject({ status: 1 });
  });
});

test("a runtime's step aborts when policy closes it, and a hold tells of the decision", async () => {
  using sdk = createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "researcher" });
  const opened = Promise.withResolvers<string>();
  const run = { runId: "aborted", step: "write", grant: [WRITE_FILES] as never };
  const work = sdk.withStep(run, async ({ stepId, signal }) => {
    opened.resolve(stepId);
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const messages = runtime.steps.hold({ stepId: await opened.promise });
  onTestFinished(() => void operator.risk.set({ scope: "domain", level: RiskLevel.LOW, reason: "over" }));
  await operator.risk.set({ scope: "domain", level: RiskLevel.HIGH, reason: "an alarm" });
  await expect(work).rejects.toMatchObject({ reason: "STEP_CLOSED" });
  let last: Step | undefined;
  for await (const { step } of messages) last = step;
  expect(last).toMatchObject({ state: StepState.REVOKED, closeReason: "privilegeWithdrawn" });
  expect(last?.closeDecisionId).toMatch(/^dec_/);
});

test("while the risk is high nothing is opened, and once it is not all goes on", async () => {
  await operator.risk.set({ scope: "domain", level: RiskLevel.HIGH, reason: "an alarm" });
  await expect(runtime.open()).rejects.toMatchObject({ reason: "POLICY_DENIED" });
  await operator.risk.set({ scope: "domain", level: RiskLevel.LOW, reason: "over" });
  await runtime.close(await runtime.open());
});

test("metrics count what was judged and what bears a risk, and the log says it once", async () => {
  const step = await runtime.open();
  await operator.risk.set({
    scope: "agent:researcher",
    level: RiskLevel.ELEVATED,
    reason: "an alarm",
    awaitJudging: { seconds: 10n },
  });
  const metrics = parseMetrics(await scrape(daemon));
  expect(metrics.get('stint_risks{kind="agent",level="elevated"}')).toBe(1);
  expect(metrics.get('stint_steps_judged_total{outcome="permitted"}')).toBeGreaterThan(0);
  expect(metrics.get("stint_steps_to_judge")).toBe(0);
  const set = daemon.log.filter(({ msg, scope }) => msg === "the risk was set" && scope === "agent:researcher").at(-1);
  expect(set).toMatchObject({ level: "warn", risk: "elevated", reason: "an alarm" });
  expect(daemon.log.some(({ msg }) => msg === "open steps were judged anew, and go on")).toBe(true);
  await runtime.close(step);
});

describe("a detector", () => {
  const raise = (level: RiskLevel, more: object = {}) =>
    detector.clientOf(Risk).set({ scope: "agent:researcher", level, reason: "odd calls", ...more });

  test("sets risk from afar, under its own name, and is told what came of it", async () => {
    const step = await runtime.open(writing);
    const answer = await raise(RiskLevel.HIGH, { awaitJudging: { seconds: 10n } });
    expect(answer).toMatchObject({ stepsClosed: 1, judgingDone: true });
    expect((await stepOf(step))?.state).toBe(StepState.REVOKED);
    const { events } = await operator.history.listEvents({ filter: { pageSize: 1 }, type: "risk.set" });
    const { by } = JSON.parse(Buffer.from(events[0]?.canonical ?? []).toString());
    const { entry } = await operator.entries.get({ entry: "operator/ids" });
    expect(by).toMatchObject({ kind: "operator", entryId: entry?.entryId });
  });

  test("lowers nothing, neither at once nor by a level that lapses sooner", async () => {
    await operator.risk.set({
      scope: "agent:researcher",
      level: RiskLevel.ELEVATED,
      reason: "an alarm",
      ttl: { seconds: 3_600n },
    });
    await expect(raise(RiskLevel.LOW)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    const before = (await operator.risk.list({})).risks[0]?.expiresAt;
    expect((await raise(RiskLevel.HIGH, { ttl: { seconds: 1n } })).risk?.expiresAt).toEqual(before);
    await expect(raise(RiskLevel.ELEVATED)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  });

  test("may do nothing else", async () => {
    const of = detector.clientOf;
    const refused = { reason: "NOT_ENTITLED" };
    await expect(of(Entries).list({})).rejects.toMatchObject(refused);
    await expect(of(Entries).disable({ entry: "agent/researcher" })).rejects.toMatchObject(refused);
    await expect(of(History).listSteps({})).rejects.toMatchObject(refused);
    await expect(of(History).listDecisions({})).rejects.toMatchObject(refused);
    await expect(of(Revocations).revoke({ target: { case: "runId", value: "r" } })).rejects.toMatchObject(refused);
    await expect(of(Authorities).list({})).rejects.toMatchObject(refused);
    await expect(of(Federation).list({})).rejects.toMatchObject(refused);
    await expect(of(JoinTokens).create({ name: "ids" })).rejects.toMatchObject(refused);
    await expect(of(JoinTokens).list({})).rejects.toMatchObject(refused);
    await expect(of(Ledger).acceptRestore({ reason: "x" })).rejects.toMatchObject(refused);
    await expect(of(Status).get({})).rejects.toMatchObject(refused);
    await expect(of(History).explain({ decisionId: "dec_1" })).rejects.toMatchObject(refused);
    await expect(of(Policies).list({})).rejects.toMatchObject(refused);
    await expect(of(Principals).list({})).rejects.toMatchObject(refused);
    await expect(of(Approvals).refuse({ stepId: "step_1", reason: "x" })).rejects.toMatchObject(refused);
    const call = {
      location: "https://mcp.example.org/search",
      tool: "search",
      actions: ["read"],
      datatypes: ["internal"],
    };
    const credential = { case: "jwtSvid", value: "a.b.c" } as const;
    await expect(of(Authorizations).check({ credential, ...call })).rejects.toMatchObject(refused);
    const usages = [{ jti: "j", tool: "search", action: "read", outcome: UsageOutcome.SERVED, calls: 1 }];
    await expect(of(Authorizations).reportUsage({ reportId: "r", usages })).rejects.toMatchObject(refused);
    const step = await runtime.open();
    await expect(detector.steps.get({ by: { case: "stepId", value: step.stepId } })).rejects.toMatchObject(refused);
    expect((await detector.steps.list({})).steps).toEqual([]);
    await expect(detector.open()).rejects.toMatchObject(refused);
    await runtime.close(step);
  });

  test("is the only one beside an admin who sets risk", async () => {
    using viewer = await from("auditor");
    const high = { scope: "domain", level: RiskLevel.HIGH, reason: "mischief" };
    await expect(viewer.clientOf(Risk).set(high)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    expect((await viewer.clientOf(Risk).list({})).risks).toEqual([]);
  });
});
