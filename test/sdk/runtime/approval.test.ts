import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { createStint, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { type ApprovalDaemon, isRoot, startApprovalDaemon } from "../../e2e/approval-daemon.ts";
import type { Answer } from "../../e2e/as-user.ts";
import { READ_SEARCH, SEARCH } from "../../e2e/entries.ts";
import { runtimeAt } from "../../e2e/one-user.ts";
import { thrownBy } from "./scripted-broker.ts";

/** Daemons are started, and one of them waits until a time of 30 s is over, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

let broker: ApprovalDaemon;
let stint: Stint;
beforeAll(async () => {
  if (!isRoot) return;
  broker = await startApprovalDaemon();
  stint = stintAt(broker);
});
afterAll(async () => {
  stint?.close();
  await broker?.[Symbol.asyncDispose]();
});

function stintAt(at: ApprovalDaemon): Stint {
  return createStint({ endpoint: at.daemon().workloadSocket, agent: "clerk" });
}

let runs = 0;
function asking() {
  runs += 1;
  return { runId: `run-${runs}`, step: "look-up", grant: [READ_SEARCH] as Grant, acceptPending: true };
}

async function stateOf({ stepId }: Answer, at = broker): Promise<string> {
  return (await at.ask("Steps", "get", { stepId })).step.state;
}

/** The step as it waits, and what its opener is told in the end; the work says that it ran. */
async function refusedWhen(
  end: (step: Answer) => Promise<unknown> | unknown,
  options: { readonly signal?: AbortSignal } = {},
): Promise<{ readonly step: Answer; readonly error: unknown; readonly worked: boolean }> {
  const request = asking();
  let worked = false;
  const thrown = thrownBy(
    stint.withStep({ ...request, ...options }, () => {
      worked = true;
    }),
  );
  const step = await broker.waiting(request.runId);
  await end(step);
  return { step, error: await thrown, worked };
}

describe.skipIf(!isRoot)("a runtime that accepts to wait for an approval", () => {
  test("works once it is approved, in a step that is open and held, and gets its first credentials then", async () => {
    const request = { ...asking(), first: { jwtSvids: [SEARCH] } };
    const order: string[] = [];
    const worked = stint.withStep(request, async (step) => {
      order.push("worked");
      expect(await stateOf(step)).toBe("STEP_STATE_OPEN");
      return (await step.jwtSvid(SEARCH)).spiffeId;
    });
    const waiting = await broker.waiting(request.runId);
    order.push("waited");
    await broker.approve(waiting);
    expect(await worked).toBe(waiting.spiffeId);
    expect(order).toEqual(["waited", "worked"]);
    expect(await broker.eventsOf(waiting)).toEqual([
      "decision.made",
      "step.pending",
      "decision.made",
      "step.approved",
      "step.held",
      "issuance.recorded",
      "step.closed",
    ]);
    expect(await stateOf(waiting)).toBe("STEP_STATE_COMPLETED");
  });

  test("is told when an operator refused it, and in which words; its work never begins", async () => {
    const { error, worked } = await refusedWhen((step) => broker.refuse(step, "not on a Friday"));
    expect(error).toMatchObject({
      name: "StintError",
      reason: "STEP_CLOSED",
      message: expect.stringMatching(/^step step_\S+ was refused by an operator: not on a Friday$/) as string,
      metadata: { state: "REFUSED", cause: "operator" },
      denial: undefined,
      retryable: false,
    });
    expect(worked).toBe(false);
  });

  test("takes its request back when its own limit is over, so that nobody can approve it any more", async () => {
    const request = asking();
    const error = await thrownBy(stint.openStep({ ...request, approvalTimeoutMs: 50 }));
    expect(error).toMatchObject({ reason: "APPROVAL_TIMEOUT", metadata: {}, denial: undefined, retryable: false });
    const step = await broker.stepOf(request.runId);
    expect(await stateOf(step)).toBe("STEP_STATE_CANCELLED");
    await expect(broker.approve(step)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
    expect(await broker.eventsOf(step)).toEqual(["decision.made", "step.pending", "step.closed"]);
  });

  test("takes its request back when its signal aborts, and throws that signal's reason", async () => {
    const stopped = new AbortController();
    const reason = new Error("the user left");
    const { step, error, worked } = await refusedWhen(() => stopped.abort(reason), { signal: stopped.signal });
    expect(error).toBe(reason);
    expect(await stateOf(step)).toBe("STEP_STATE_CANCELLED");
    expect(worked).toBe(false);
  });

  test("is told when another process of its entry took the request back", async () => {
    using other = runtimeAt(broker.daemon().workloadSocket);
    const { step, error } = await refusedWhen(({ stepId }) =>
      other.steps.close({ stepId, outcome: Outcome.CANCELLED }),
    );
    expect(error).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "CANCELLED" } });
    expect(await stateOf(step)).toBe("STEP_STATE_CANCELLED");
  });

  test("goes on waiting while the broker is killed and started again, and works once it is approved", async () => {
    await using own = await startApprovalDaemon();
    using ownStint = stintAt(own);
    const request = asking();
    const worked = ownStint.withStep(request, (step) => step.stepId);
    const waiting = await own.waiting(request.runId);
    await own.restarted();
    await own.approve(waiting);
    expect(await worked).toBe(waiting.stepId);
    expect(await own.eventsOf(waiting)).toEqual([
      ...["decision.made", "step.pending", "decision.made", "step.approved", "step.held", "step.closed"],
    ]);
  });

  test("is told when nobody approved it in the time that the broker allows", async () => {
    await using own = await startApprovalDaemon({ expiry: "30s" });
    using ownStint = stintAt(own);
    const request = asking();
    const thrown = thrownBy(ownStint.openStep(request));
    const waiting = await own.waiting(request.runId);
    expect(await thrown).toMatchObject({
      reason: "STEP_CLOSED",
      message: expect.stringMatching(/^step step_\S+ was not approved in time$/) as string,
      metadata: { state: "REFUSED", cause: "expiry" },
      denial: undefined,
    });
    expect(await own.eventsOf(waiting)).toEqual(["decision.made", "step.pending", "step.closed"]);
  });
});

describe.skipIf(!isRoot)("a runtime that does not accept to wait", () => {
  test("is refused, and told who could approve it and what was held back", async () => {
    const { acceptPending: _, ...request } = asking();
    const error = await thrownBy(stint.openStep(request));
    expect(error).toMatchObject({
      reason: "POLICY_DENIED",
      metadata: { approval: "operators", decision_id: expect.stringMatching(/^dec/) as string },
      denial: {
        approval: "operators",
        refused: [{ element: { identifier: "search" }, layer: "policy" }],
        refusedOmitted: 0,
        refusesWhole: false,
      },
    });
  });
});
