import { at, isApt, isIn } from "./choose.ts";
import type { EventOf } from "./events.ts";
import type { SimulatedProcess } from "./kernel.ts";
import type { ModelStep } from "./model-history.ts";
import type { World } from "./world.ts";

/** Answers a call that waits, having looked at it. */
export async function answerCall(
  { broker, life }: World,
  answer: {
    readonly kind: "approve" | "refuse";
    readonly by: SimulatedProcess;
    readonly approvalId: string;
    /** Another call was looked at. */
    readonly isOther?: true | undefined;
  },
): Promise<void> {
  const { kind, by, approvalId, isOther } = answer;
  const reason = "simulated";
  if (kind === "refuse") return void (await broker.refuseCall(by, { approvalId, reason }));
  const seen = await life.ground.store.callApprovals.callApproval(approvalId);
  const requestDigest = isOther ? "00" : (seen?.requestDigest ?? "");
  await broker.approveCall(by, { approvalId, requestDigest, reason });
}

/** Those who approve what policies hold back. */
export function approvers(world: World) {
  const { model, actor } = world;

  /** Mostly one that waits. */
  function chosenStep({ by, step }: EventOf<"approve" | "refuse">): ModelStep | undefined {
    const all = [...model.steps.values()];
    const waiting = all.filter(({ state }) => state === "PENDING_APPROVAL");
    return at(isApt(by) ? waiting : all, step);
  }

  /** Mostly one that waits, or has waited too long. */
  function chosenCall({ by, call }: EventOf<"approve-call" | "refuse-call">): string | undefined {
    const all = [...model.callApprovals.entries()];
    const waiting = all.filter(([, { answer }]) => answer === undefined);
    return at(isApt(by) ? waiting : all, call)?.[0];
  }

  function answer(kind: "approve" | "refuse", event: EventOf<"approve-call" | "refuse-call">): Promise<unknown> {
    const approvalId = chosenCall(event);
    if (approvalId === undefined) return Promise.resolve();
    const { isOther } = event;
    const by = () => actor(event.by, isIn(31, 11));
    return atOnce(event.times, () => answerCall(world, { kind, by: by(), approvalId, isOther }));
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
    "approve-call": (event: EventOf<"approve-call" | "refuse-call">) => answer("approve", event),
    "refuse-call": (event: EventOf<"approve-call" | "refuse-call">) => answer("refuse", event),
    async refuse(event: EventOf<"refuse">): Promise<void> {
      const stepId = chosenStep(event)?.step.stepId;
      if (stepId === undefined) return;
      const refusing = { stepId, reason: "simulated" };
      await atOnce(event.times, () => world.broker.refuse(actor(event.by, isIn(31, 11)), refusing));
    },
  };
}
