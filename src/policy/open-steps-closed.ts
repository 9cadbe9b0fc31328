import { aroundSteps, isPermitted, type JudgePorts, judgeStep } from "../decide/judge-step.ts";
import type { PolicySet } from "../domain/policy-set.ts";
import type { Step } from "../domain/step.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { PolicyEngine } from "../ports/policy-engine.ts";

export type OpenStepsPorts = Omit<JudgePorts, "engine"> & {
  readonly stepDirectory: Pick<StepDirectory, "open">;
  readonly startEngine: () => PolicyEngine;
};

/** Steps that are judged together. */
const TOGETHER = 64;
const ROOT = "candidate";

/**
 * How many open steps a set would not permit as they are.
 *
 * @throws BrokerError INVALID_FIELD for a set that the engine does not take; NOT_SERVING, LEDGER_UNAVAILABLE
 */
export async function openStepsClosed(set: PolicySet, ports: OpenStepsPorts): Promise<number> {
  const engine = ports.startEngine();
  // Judged as if the set were in force: its version and place in the ledger count for nothing here.
  const policies = { version: -1, root: ROOT, sequence: 0, dataClasses: set.dataClasses };
  const judging = { ...ports, engine, policies: { inForce: async () => policies } };
  const around = aroundSteps(judging);

  async function isClosed(step: Step): Promise<boolean> {
    const world = await around(step);
    const asked = await judgeStep(step, { act: "judge", elements: step.grant }, world, judging);
    return !isPermitted(asked, step.grant);
  }

  try {
    await engine.load(ROOT, set);
    const open = ports.stepDirectory.open();
    let closed = 0;
    for (let from = 0; from < open.length; from += TOGETHER) {
      const judged = await Promise.all(open.slice(from, from + TOGETHER).map(isClosed));
      closed += judged.filter((one) => one).length;
    }
    return closed;
  } finally {
    await engine.close();
  }
}
