import { describe, expect, test } from "vitest";
import {
  CALL_APPROVAL_STATES,
  type CallApprovalState,
  callApprovalStateOf,
  callDigestOf,
  type PendingCall,
  standingOf,
} from "../../src/domain/call-approval.ts";
import { decidedOn, type ToolCall } from "../../src/domain/decision.ts";
import { isDenial } from "../../src/domain/errors.ts";
import type { Grant } from "../../src/domain/grant.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { ApproveCallAct } from "../../src/ports/approval-acts.ts";
import { APPROVER, approveCallAct, callActBy, pendCallAct, pendingCall } from "./approval-acts.ts";
import { done, FILES, GRANT, present, type World } from "./ledger-world.ts";

/** What the ledger promises of single calls that wait for approval. */
export function callApprovalsContract(worldOf: () => World): void {
  const refusal = (code: string, metadata: Readonly<Record<string, string>> = {}) =>
    expect.objectContaining({ kind: "denial", code, metadata: expect.objectContaining(metadata) as object }) as object;

  async function scene(grant: Grant = GRANT) {
    const world = worldOf();
    const agent = await world.agent({ ceiling: grant });
    const step = await world.open(agent, { grant });
    const credential = await world.issue(step);
    const call = (own: Partial<ToolCall> = {}, of: Step = step, by: IssuanceRecord = credential, asker?: string) =>
      world.ledger.perform(callActBy(world, of, by, own, asker));
    const approvalOf = async ({ approvalId }: PendingCall) =>
      present(await world.store.callApprovals.callApproval(approvalId));
    const stateOf = async (pending: PendingCall) =>
      callApprovalStateOf(standingOf(await approvalOf(pending)), world.clock.now());
    const ask = () => pendingCall(world, step, credential);
    const approve = (pending: PendingCall, own: Partial<ApproveCallAct> = {}) =>
      world.ledger.perform(approveCallAct(world, pending, own));
    const refuse = ({ approvalId }: PendingCall) =>
      world.ledger.perform({ act: "refuse-call", approvalId, reason: "no", by: APPROVER, now: world.clock.now() });
    return { world, agent, step, credential, call, approvalOf, stateOf, ask, approve, refuse };
  }

  test("a call that waits reads back as it was asked about, behind the decision that denies it", async () => {
    const { world, step, ask, approvalOf } = await scene();
    const { committed, following } = world.follow();
    const pending = await ask();
    await following.reached(world.ledger.head().sequence);
    following.end();
    expect(committed.map(({ event }) => event.type)).toEqual(["decision.made", "call.pending"]);
    const { runId, step: name, attempt, agent, state } = step;
    expect(await approvalOf(pending)).toEqual({
      ...pending,
      sequence: world.ledger.head().sequence,
      askedAt: world.clock.now(),
      step: { runId, step: name, attempt, agent, state },
    });
    const [decision] = await world.store.history.decisions({ decisionId: pending.decisionId, limit: 1 });
    expect(decision).toMatchObject({ effect: "deny", approval: "operators", call: { approvalId: pending.approvalId } });
    const events = await world.store.history.events({ stepId: step.stepId, limit: 10 });
    expect(events.map(({ type }) => type)).toContain("call.pending");
  });

  test("nothing is counted for a call that waits", async () => {
    const { call, ask } = await scene(GRANT.map((element) => ({ ...element, max_calls: 1 })));
    await ask();
    expect(await call()).toMatchObject({ callsLeft: 0 });
  });

  test("asked again, the same call is the one that waits, and no second one; another is another", async () => {
    const { world, step, credential, ask } = await scene();
    const { approvalId, until } = await ask();
    const { sequence } = world.ledger.head();
    const again = await world.ledger.perform(pendCallAct(world, step, await world.issue(step)));
    expect(again).toEqual({ kind: "existing", approvalId, state: "waiting", until, sequence: 0 });
    expect(world.ledger.head().sequence).toBe(sequence + 1);
    const other = { argumentsSha256: "cd".repeat(32) };
    expect(await world.ledger.perform(pendCallAct(world, step, credential, other))).toMatchObject({ kind: "pending" });
  });

  test("an agent in a loop has no more calls wait than somebody looks at", async () => {
    const { world, step, credential, call, approve, refuse } = await scene();
    const argumentsOf = (number: number) => ({ argumentsSha256: number.toString(16).padStart(64, "0") });
    const ask = (number: number) => world.ledger.perform(pendCallAct(world, step, credential, argumentsOf(number)));
    const [first, second] = [
      await pendingCall(world, step, credential, argumentsOf(0)),
      await pendingCall(world, step, credential, argumentsOf(1)),
    ];
    for (let number = 2; number < LIMITS.callsPendingPerStepMax; number += 1) done(await ask(number));
    expect(await ask(100)).toEqual(refusal("LIMIT_EXCEEDED"));
    // A refusal makes no room for the next question: its time has to be over.
    done(await refuse(first));
    expect(await ask(100)).toEqual(refusal("LIMIT_EXCEEDED"));
    done(await approve(second));
    expect(await ask(100)).toEqual(refusal("LIMIT_EXCEEDED"));
    done(await call({ ...argumentsOf(1), approvalId: second.approvalId }));
    expect(await ask(100)).toMatchObject({ kind: "pending" });
    expect(await ask(101)).toEqual(refusal("LIMIT_EXCEEDED"));
    world.clock.advance(60_000);
    expect(await ask(101)).toMatchObject({ kind: "pending" });
  });

  test("a server that asks about ever more calls of a step leaves room for those that another server asks about", async () => {
    const { world, step, credential } = await scene();
    const ask = (number: number, askerEntryId: string) => {
      const act = pendCallAct(world, step, credential, { argumentsSha256: number.toString(16).padStart(64, "0") });
      const requestDigest = callDigestOf(step.stepId, askerEntryId, act.pending.call);
      return world.ledger.perform({ ...act, pending: { ...act.pending, askerEntryId, requestDigest } });
    };
    for (let number = 0; number < LIMITS.callsPendingPerStepMax; number += 1) done(await ask(number, "entry_greedy"));
    expect(await ask(100, "entry_greedy")).toEqual(refusal("LIMIT_EXCEEDED"));
    expect(await ask(100, "entry_other")).toMatchObject({ kind: "pending" });
  });

  test("a refusal stands until its time is over, and the call can be asked about anew then", async () => {
    const { world, step, credential, ask, refuse, stateOf, approvalOf } = await scene();
    const pending = await ask();
    done(await refuse(pending));
    const answer = { approved: false, by: { entryId: APPROVER.entryId, uid: 52 }, reason: "no", at: world.clock.now() };
    expect(await approvalOf(pending)).toMatchObject({ answer });
    expect(await refuse(pending)).toEqual(refusal("INVALID_FIELD", { field: "approval_id", state: "refused" }));
    const again = () => world.ledger.perform(pendCallAct(world, step, credential));
    expect(await again()).toMatchObject({ kind: "existing", approvalId: pending.approvalId, state: "refused" });
    world.clock.advance(60_000);
    expect(await stateOf(pending)).toBe("refused");
    expect(await again()).toMatchObject({ kind: "pending" });
  });

  test("an approval says who, why, and until when the call may be made; the call uses it up", async () => {
    const { world, step, ask, call, approve, approvalOf, stateOf } = await scene();
    const pending = await ask();
    world.clock.advance(50_000);
    const act = approveCallAct(world, pending);
    done(await world.ledger.perform(act));
    const answer = { approved: true, by: { entryId: APPROVER.entryId, uid: 52 }, reason: "r", at: act.now };
    expect(await approvalOf(pending)).toMatchObject({ answer, until: act.until });
    expect(await stateOf(pending)).toBe("approved");
    expect(await approve(pending)).toEqual(refusal("INVALID_FIELD", { field: "approval_id", state: "approved" }));
    const standing = await world.store.callApprovals.standingCallApproval(
      step.stepId,
      pending.requestDigest,
      secondsOf(world.clock.now()),
    );
    expect(standing?.approvalId).toBe(pending.approvalId);
    done(await call({ approvalId: pending.approvalId }));
    const [decision] = await world.store.history.decisions({ stepId: step.stepId, limit: 1 });
    expect(decision).toMatchObject({ effect: "allow", call: { approvalId: pending.approvalId } });
    expect(await approvalOf(pending)).toMatchObject({ usedBy: decision?.decisionId });
    expect(await stateOf(pending)).toBe("used");
  });

  describe("an approval does not cover", () => {
    test("a second call", async () => {
      const { world, ask, call, approve } = await scene();
      const pending = await ask();
      done(await approve(pending));
      done(await call({ approvalId: pending.approvalId }));
      const { sequence } = world.ledger.head();
      expect(await call({ approvalId: pending.approvalId })).toEqual(refusal("DECISION_OUTDATED"));
      expect(world.ledger.head().sequence).toBe(sequence);
    });

    test("64 calls at once, but one of them", async () => {
      const { ask, call, approve } = await scene();
      const pending = await ask();
      done(await approve(pending));
      const results = await Promise.all(Array.from({ length: 64 }, () => call({ approvalId: pending.approvalId })));
      expect(results.filter((result) => !isDenial(result))).toHaveLength(1);
    });

    test.for([
      { what: "other arguments", own: { argumentsSha256: "cd".repeat(32) } },
      { what: "a call whose arguments nobody knows", own: { argumentsSha256: undefined } },
      { what: "another tool", own: { tool: "delete" } },
      { what: "another action", own: { actions: ["write"] as const } },
      { what: "another class of data", own: { datatypes: ["secret"] } },
      { what: "another server", own: { location: FILES } },
    ])("$what", async ({ own }) => {
      const wide = {
        identifier: "*",
        locations: ["*"],
        actions: ["read", "write"],
        datatypes: ["internal", "secret"],
      } as const;
      const { ask, call, approve, stateOf } = await scene(GRANT.map((element) => ({ ...element, ...wide })));
      const pending = await ask();
      done(await approve(pending));
      const { argumentsSha256, ...named } = { argumentsSha256: "ef".repeat(32), ...own };
      const asked = { ...named, ...(argumentsSha256 === undefined ? {} : { argumentsSha256 }) };
      const withDigest = "argumentsSha256" in asked ? asked : { ...asked, argumentsSha256: "" };
      expect(await call({ ...withDigest, approvalId: pending.approvalId })).toEqual(refusal("DECISION_OUTDATED"));
      expect(await stateOf(pending)).toBe("approved");
    });

    test("the same call of another step, a sibling's or a new attempt's, or asked about by another server", async () => {
      const { world, agent, step, credential, ask, call, approve } = await scene();
      const pending = await ask();
      done(await approve(pending));
      const sibling = await world.open(agent, { runId: step.runId });
      const approvalId = pending.approvalId;
      expect(await call({ approvalId }, sibling, await world.issue(sibling))).toEqual(refusal("DECISION_OUTDATED"));
      expect(await call({ approvalId }, step, credential, "entry_other")).toEqual(refusal("DECISION_OUTDATED"));
      expect(await call({ approvalId: "call_none" })).toEqual(refusal("DECISION_OUTDATED"));
    });

    test("anything before it is given, once it is refused, or when its time is over", async () => {
      const { world, ask, call, approve, refuse, stateOf } = await scene();
      const pending = await ask();
      const { approvalId } = pending;
      expect(await call({ approvalId })).toEqual(refusal("DECISION_OUTDATED"));
      done(await approve(pending, { until: addSeconds(secondsOf(world.clock.now()), 30) }));
      world.clock.advance(30_000);
      expect(await call({ approvalId })).toEqual(refusal("DECISION_OUTDATED"));
      expect(await stateOf(pending)).toBe("lapsed");
      world.clock.advance(30_000);
      const other = await ask();
      done(await refuse(other));
      expect(await call({ approvalId: other.approvalId })).toEqual(refusal("DECISION_OUTDATED"));
    });

    test("a step that was closed between the approval and its use", async () => {
      const { world, step, ask, call, approve, stateOf } = await scene();
      const pending = await ask();
      done(await approve(pending));
      await world.close(step);
      expect(await call({ approvalId: pending.approvalId })).toEqual(refusal("STEP_CLOSED"));
      expect(await stateOf(pending)).toBe("lapsed");
    });
  });

  test("each guard of an approval", async () => {
    const { world, agent, step, ask, approve, refuse } = await scene();
    const pending = await ask();
    expect(await approve(pending, { approvalId: "call_none" })).toEqual(
      refusal("INVALID_FIELD", { field: "approval_id" }),
    );
    expect(await refuse({ ...pending, approvalId: "call_none" })).toEqual(
      refusal("INVALID_FIELD", { field: "approval_id" }),
    );
    expect(await approve(pending, { requestDigest: "e".repeat(64) })).toEqual(
      refusal("INVALID_FIELD", { field: "request_digest" }),
    );
    expect(await approve(pending, { by: { ...APPROVER, uid: 33 } })).toEqual(refusal("NOT_ENTITLED"));
    const outdated = decidedOn({ entryId: agent.entryId, revision: 7 });
    expect(await approve(pending, { decidedOn: outdated })).toEqual(refusal("DECISION_OUTDATED"));
    world.clock.advance(60_000);
    expect(await approve(pending)).toEqual(refusal("INVALID_FIELD", { field: "approval_id", state: "lapsed" }));
    expect(await refuse(pending)).toEqual(refusal("INVALID_FIELD", { field: "approval_id", state: "lapsed" }));
    const other = await ask();
    await world.close(step, { state: "FAILED" });
    expect(await approve(other)).toEqual(refusal("STEP_CLOSED", { state: "FAILED" }));
    expect(await refuse(other)).toEqual(refusal("STEP_CLOSED", { state: "FAILED" }));
  });

  test("nobody is asked about a call that may not be made whatever an approver says", async () => {
    const { world, step, credential, agent, call } = await scene(
      GRANT.map((element) => ({ ...element, max_calls: 1 })),
    );
    const asked = (own: Partial<ToolCall> = {}) => pendCallAct(world, step, credential, own);
    expect(await world.ledger.perform(asked({ tool: "delete" }))).toEqual(refusal("GRANT_EXCEEDED"));
    const before = asked();
    done(await call());
    expect(await world.ledger.perform(before)).toEqual(refusal("GRANT_EXCEEDED"));
    await world.put(agent, 1);
    expect(await world.ledger.perform(before)).toEqual(refusal("DECISION_OUTDATED"));
    await world.close(step);
    expect(await world.ledger.perform(before)).toEqual(refusal("STEP_CLOSED"));
  });

  test("a call that was approved while it was asked about again is decided again", async () => {
    const { world, step, credential, ask, approve } = await scene();
    done(await approve(await ask()));
    expect(await world.ledger.perform(pendCallAct(world, step, credential))).toEqual(refusal("DECISION_OUTDATED"));
  });

  test("the list by state says of each what its state says", async () => {
    const { world, agent, step, credential, call, approve, refuse, stateOf } = await scene();
    const argumentsOf = (number: number) => ({ argumentsSha256: number.toString(16).padStart(64, "0") });
    const ask = (number: number) => pendingCall(world, step, credential, argumentsOf(number));
    const ended = await world.open(agent, { runId: step.runId });
    const lapsed = await pendingCall(world, ended, await world.issue(ended));
    await world.close(ended);
    const [waiting, approved, refused, used] = [await ask(1), await ask(2), await ask(3), await ask(4)];
    done(await approve(approved));
    done(await approve(used));
    done(await refuse(refused));
    done(await call({ ...argumentsOf(4), approvalId: used.approvalId }));
    const expected = { waiting, approved, refused, used, lapsed } as const;
    const now = () => world.clock.now();
    const listed = async (states?: readonly CallApprovalState[]) => {
      const filter = { runId: step.runId, now: now(), limit: 10, ...(states === undefined ? {} : { states }) };
      return (await world.store.history.callApprovals(filter)).map(({ approvalId }) => approvalId);
    };
    for (const state of CALL_APPROVAL_STATES) {
      expect(await listed([state])).toEqual([expected[state].approvalId]);
      expect(await stateOf(expected[state])).toBe(state);
    }
    expect(await listed(["refused", "waiting"])).toEqual([refused.approvalId, waiting.approvalId]);
    expect(await listed()).toHaveLength(5);
    expect(await listed([])).toEqual([]);
    world.clock.advance(60_000);
    expect(await listed(["waiting", "approved"])).toEqual([]);
    expect(await listed(["lapsed"])).toEqual([approved.approvalId, waiting.approvalId, lapsed.approvalId]);
  });
}
