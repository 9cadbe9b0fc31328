import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH, SEARCH, UID } from "./entries.ts";

const OWN_UID = process.getuid?.() ?? -1;
/** Others ask than the one that runs the tests and approves: only root can start processes as others. */
const isRoot = OWN_UID === 0;

const DETECTOR = { uid: 4_353, gid: 4_353 };

const POLICY = `@id("ask-first")
@approval("operators")
forbid (principal, action, resource == Tool::"search") when { context.act == Act::"call" };
`;

let daemon: Daemon;
let agent: Caller;
let verifier: Caller;
const directory = mkdtempSync(join(tmpdir(), "stint-call-approval-"));

beforeAll(async () => {
  if (!isRoot) return;
  mkdirSync(join(directory, "site"));
  writeFileSync(join(directory, "site", "site.cedar"), POLICY);
  const selectors = [`unix:uid:${UID.runtime}`];
  daemon = await startDaemon({
    config: (data) => ({
      policies: { directory: join(directory, "site") },
      operator: { socket: join(data, "operator.sock"), group: DETECTOR.gid },
    }),
    entries: [
      { kind: "agent", name: "clerk", selectors, ceiling: [READ_SEARCH], may_open: true },
      { kind: "verifier", name: "search", selectors: [`unix:uid:${UID.verifier}`], audiences: [SEARCH] },
      { kind: "operator", name: "alarm", selectors: [`unix:uid:${DETECTOR.uid}`], role: "detector" },
      { kind: "operator", name: "approver", selectors: [`unix:uid:${OWN_UID}`], role: "approver" },
    ],
  });
  agent = await callerAs({ uid: UID.runtime }, daemon.workloadSocket);
  verifier = await callerAs({ uid: UID.verifier }, daemon.workloadSocket);
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  if (!isRoot) return;
  await agent[Symbol.asyncDispose]();
  await verifier[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

let runs = 0;
async function opened(): Promise<{ readonly runId: string; readonly jwtSvid: string }> {
  runs += 1;
  const runId = `run-${runs}`;
  const request = { runId, step: "s", agent: "clerk", grant: { elements: [READ_SEARCH] }, executor: { self: {} } };
  const { step } = await agent.call("Steps", "open", request);
  const wanted = { audiences: [SEARCH] };
  const { svid } = await agent.call("Credentials", "issueJwtSvid", { stepId: step.stepId, wanted });
  return { runId, jwtSvid: svid.svid };
}

/** What the verifier is told of one call with the step's credential. */
function check(jwtSvid: string, own: object = {}): Promise<Answer> {
  const call = { location: SEARCH, tool: "search", actions: ["read"], datatypes: ["internal"] };
  const argumentsSha256 = Buffer.alloc(32, 0xab).toString("base64");
  return verifier.call("Authorizations", "check", { jwtSvid, ...call, argumentsSha256, ...own });
}

async function stint(...args: readonly string[]) {
  const { status, out, err } = await runStint(["--operator-socket", daemon.operatorSocket, ...args]);
  return { status, out, err };
}

const listed = async (...args: readonly string[]): Promise<readonly Answer[]> =>
  JSON.parse((await stint("-o", "json", "call", "list", ...args)).out) as Answer[];

test.skipIf(!isRoot)("a call waits, an operator sees which it is and approves it, and it is made once", async () => {
  const { runId, jwtSvid } = await opened();
  const hint = await check(jwtSvid);
  expect(hint).toMatchObject({ effect: "EFFECT_DENY", reason: "POLICY_DENIED", metadata: { approval: "operators" } });
  expect(hint.pending).toBeUndefined();

  const { pending } = await check(jwtSvid, { acceptPending: true });
  const { approvalId } = pending;
  expect(Date.parse(pending.until)).toBeGreaterThan(Date.now());
  expect((await check(jwtSvid, { acceptPending: true })).pending).toEqual(pending);

  const table = await stint("call", "list", "--state", "pending", "--run", runId);
  expect(table.out).toContain(`search:read at ${SEARCH} (internal)`);
  expect(table.out).toContain(`uid ${UID.runtime}`);
  const [waiting] = await listed("--state", "pending", "--run", runId);
  expect(waiting).toMatchObject({
    approval_id: approvalId,
    state: "waiting",
    held_back_by: ["ask-first"],
    answer: null,
  });
  expect(waiting.call.arguments_sha256).toBe("ab".repeat(32));

  const approved = await stint("call", "approve", approvalId, "--reason", "looked at it");
  expect(approved).toMatchObject({ status: 0, err: "" });
  const again = await stint("call", "approve", approvalId, "--reason", "looked at it");
  expect(again.status).not.toBe(0);
  expect(again.err).toContain("the call was approved already");

  expect(
    await check(jwtSvid, { tool: "search", argumentsSha256: Buffer.alloc(32, 1).toString("base64") }),
  ).toMatchObject({ effect: "EFFECT_DENY" });
  const allowed = await check(jwtSvid);
  expect(allowed).toMatchObject({ effect: "EFFECT_ALLOW" });
  expect(await check(jwtSvid)).toMatchObject({ effect: "EFFECT_DENY", reason: "POLICY_DENIED" });

  const shown = JSON.parse((await stint("-o", "json", "call", "show", approvalId)).out) as Answer;
  expect(shown).toMatchObject({
    state: "used",
    used_decision_id: allowed.decisionId,
    answer: { approved: true, reason: "looked at it", uid: OWN_UID },
  });
  const events = await stint("-o", "json", "history", "events", "--run", runId);
  const types = (JSON.parse(events.out) as readonly { readonly type: string }[]).map(({ type }) => type);
  expect(types.filter((type) => type.startsWith("call."))).toEqual(["call.approved", "call.pending"]);
  const explained = await stint("explain", allowed.decisionId);
  expect(explained).toMatchObject({ status: 0, err: "" });
  expect(explained.out).toContain("operators");
  const denied = await stint("explain", waiting.decision_id);
  expect(denied.out).toContain("ask-first");
});

test.skipIf(!isRoot)("a detector sees no call that waits, and answers none", async () => {
  const { jwtSvid } = await opened();
  const { pending } = await check(jwtSvid, { acceptPending: true });
  await using detector = await callerAs(DETECTOR, daemon.operatorSocket);
  const { approvalId } = pending;
  const refused = expect.objectContaining({ reason: "NOT_ENTITLED" }) as Error;
  await expect(detector.call("Approvals", "listCalls", {})).rejects.toEqual(refused);
  await expect(detector.call("Approvals", "getCall", { approvalId })).rejects.toEqual(refused);
  await expect(detector.call("Approvals", "refuseCall", { approvalId, reason: "r" })).rejects.toEqual(refused);
});

test.skipIf(!isRoot)("what an operator refuses does not wait again, and what is no call's id is refused", async () => {
  const { jwtSvid } = await opened();
  const { pending } = await check(jwtSvid, { acceptPending: true });
  expect(await stint("call", "refuse", pending.approvalId, "--reason", "not on a Friday")).toMatchObject({ status: 0 });
  const answer = await check(jwtSvid, { acceptPending: true });
  expect(answer).toMatchObject({ reason: "POLICY_DENIED" });
  // Whoever asked reads why, and the message that goes into headers does not hold a person's words.
  expect(answer.metadata).toEqual({ approval_id: pending.approvalId, approver_reason: "not on a Friday" });
  expect(answer.message).not.toContain("Friday");
  expect(answer.pending).toBeUndefined();
  expect(await listed("--state", "refused")).toMatchObject([
    { answer: { approved: false, reason: "not on a Friday" } },
  ]);
  const none = await stint("call", "show", "call_none");
  expect(none.status).not.toBe(0);
  expect(none.err).toContain("no such call");
  const unknown = await stint("call", "approve", "step_1", "--reason", "r");
  expect(unknown.err).toContain("Expected the id of a call");
});

test.skipIf(!isRoot)(
  "what waits over a restart of the daemon still waits, and what was approved before is let through",
  async () => {
    const { runId, jwtSvid } = await opened();
    const { pending } = await check(jwtSvid, { acceptPending: true });
    const other = { argumentsSha256: Buffer.alloc(32, 2).toString("base64"), acceptPending: true };
    const { pending: answered } = await check(jwtSvid, other);
    await stint("call", "approve", answered.approvalId, "--reason", "before");
    await daemon.kill();
    daemon = await daemon.restart();
    const [waiting] = await listed("--state", "pending", "--run", runId);
    expect(waiting).toMatchObject({ approval_id: pending.approvalId });
    expect(await check(jwtSvid, other)).toMatchObject({ effect: "EFFECT_ALLOW" });
    await stint("call", "approve", pending.approvalId, "--reason", "after");
    expect(await check(jwtSvid)).toMatchObject({ effect: "EFFECT_ALLOW" });
  },
);
