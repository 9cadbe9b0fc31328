import { at, isApt, isIn } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { ModelStep } from "./model-history.ts";
import type { World } from "./world.ts";

/** Those who approve what policies hold back. */
export function approvers(world: World) {
  const { model, actor } = world;

  /** Mostly one that waits. */
  function chosenStep({ by, step }: EventOf<"approve" | "refuse">): ModelStep | undefined {
    const all = [...model.steps.values()];
    const waiting = all.filter(({ state }) => state === "PENDING_APPROVAL");
    return at(isApt(by) ? waiting : all, step);
  }

  const atOnce = (times: number, act: () => Promise<unknown>) => Promise.all(Array.from({ length: times }, act));

  return {
    async approve(event: EventOf<"approve">): Promise<void> {
      const one = chosenStep(event);
      if (one === undefined) return;
      const { stepId } = one.step;
      const requestDigest = event.isOther ? "00" : (one.approval?.requestDigest ?? "");
      const approving = { stepId, requestDigest, reason: "simulated" };
      await atOnce(event.times, () => world.broker.approve(actor(event.by, isIn(31, 11)), approving));
    },
    async refuse(event: EventOf<"refuse">): Promise<void> {
      const stepId = chosenStep(event)?.step.stepId;
      if (stepId === undefined) return;
      const refusing = { stepId, reason: "simulated" };
      await atOnce(event.times, () => world.broker.refuse(actor(event.by, isIn(31, 11)), refusing));
    },
  };
}
