import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTold, type ToldWorkload } from "../../conformance/told-workload.ts";
import { type ApprovalDaemon, isRoot, startApprovalDaemon } from "../../e2e/approval-daemon.ts";
import { SEARCH } from "../../e2e/entries.ts";
import type { PythonClient } from "./python-client.ts";

/** The runtime of an installed package at a broker that holds reading back until another user has approved it. */
export function testsAtAnApprover({ python, environment }: PythonClient): void {
  let broker: ApprovalDaemon;
  let runtime: ToldWorkload;

  beforeAll(async () => {
    if (!isRoot) return;
    broker = await startApprovalDaemon();
    const path = `PYTHONPATH=${environment["PYTHONPATH"]}`;
    const program = join(import.meta.dirname, "told_verifier.py");
    runtime = await startTold(["env", path, python, "-B", program, SEARCH], broker.daemon().workloadSocket);
  });
  afterAll(async () => {
    await runtime?.[Symbol.asyncDispose]();
    await broker?.[Symbol.asyncDispose]();
  });

  const ask = (run: string, more: Readonly<Record<string, unknown>> = { accept_pending: true }) =>
    runtime.tell("ask", { run, ...more });

  test.skipIf(!isRoot)("is refused a step that has to be approved, and told who could, unless it waits", async () => {
    expect(await ask("not-waiting", {})).toMatchObject({
      error: "POLICY_DENIED",
      metadata: { approval: "operators" },
    });
  });

  test.skipIf(!isRoot)("goes on once the step that it waits for is approved", async () => {
    const asked = ask("approved");
    const step = await broker.waiting("approved");
    await broker.approve(step);
    expect(await asked).toEqual({ spiffe_id: step.spiffeId });
  });

  test.skipIf(!isRoot)("goes on waiting while the broker is started anew", async () => {
    const asked = ask("patient");
    await broker.waiting("patient");
    await broker.restarted();
    await broker.approve(await broker.waiting("patient"));
    expect(await asked).toHaveProperty("spiffe_id");
  });

  test.skipIf(!isRoot)("is told that an operator has refused it", async () => {
    const asked = ask("refused");
    await broker.refuse(await broker.waiting("refused"));
    expect(await asked).toEqual({ error: "STEP_CLOSED", metadata: { state: "REFUSED", cause: "operator" } });
  });

  test.skipIf(!isRoot)("takes its request back when it waits no more", async () => {
    const late = await ask("late", { accept_pending: true, approval_timeout_seconds: 1 });
    expect(late).toEqual({ error: "APPROVAL_TIMEOUT", metadata: {} });
    expect(await broker.stepOf("late")).toMatchObject({ state: "STEP_STATE_CANCELLED" });
    const asked = ask("given-up");
    await broker.waiting("given-up");
    await runtime.tell("give_up");
    expect(await asked).toBe("given up");
    expect(await broker.stepOf("given-up")).toMatchObject({ state: "STEP_STATE_CANCELLED" });
  });
}
