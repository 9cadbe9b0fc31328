import { LIMITS } from "../../src/domain/limits.ts";
import { addMicros, microsOf } from "../../src/domain/time.ts";
import { promise } from "./model-history.ts";
import type { World } from "./world.ts";

/** What verifiers were told of calls is what is on record. The model has held each record against the budgets already. */
export function checkCalls({ calls, model }: World): void {
  const { allowed } = model.calls;
  for (const { answer, askedAt } of calls.answers) {
    const call = allowed.get(answer.decisionId);
    if (answer.effect === "deny") {
      promise(call === undefined, "no call that is refused counts as allowed");
      const waits = answer.pending?.approvalId;
      promise(waits === undefined || model.callApprovals.has(waits), "a call that is said to wait is on record");
      continue;
    }
    promise(call !== undefined, "a call that is allowed is on record when it is");
    promise(
      answer.callsLeft === call.left,
      `whoever asks is told how many are left: ${answer.callsLeft}, ${call.left}`,
    );
    const expiresAt = microsOf(call.credential.record.expiresAt);
    const leeway = LIMITS.verifierLeewaySeconds * 1_000_000;
    promise(askedAt < addMicros(expiresAt, leeway), "no call is allowed by a credential that has expired");
  }
}

/** Every answer is on record, and nothing else is, once what was only counted is written. */
export async function checkCallsInTheEnd(world: World, worlds: readonly World[]): Promise<void> {
  const { calls, model, isOver } = world;
  for (const one of worlds) await one.broker.denials.flush();
  await world.rest();
  const { allowed, denied } = model.calls;

  const allows = calls.answers.filter(({ answer }) => answer.effect === "allow");
  promise(
    new Set(allows.map(({ answer }) => answer.decisionId)).size === allows.length,
    "each call has its own record",
  );
  // Whoever asks of a broker that is killed is told nothing, and may be on record.
  let untold = 0;
  for (const [life, asked] of calls.asked) {
    const unanswered = calls.unanswered.filter((one) => one.life === life).length;
    const told = [...calls.answers, ...calls.refusals].filter((one) => one.life === life).length + unanswered;
    promise(told <= asked && (told === asked || isOver(life)), "whoever asks is answered");
    untold += asked - told + unanswered;
  }
  const unaccounted = allowed.size - allows.length;
  promise(unaccounted >= 0 && unaccounted <= untold, "what is on record as allowed was asked for");

  const answered = new Map<string, { count: number; life: number }>();
  for (const { decisionId, life } of [...calls.answers.map(denialOf), ...calls.refusals]) {
    if (decisionId === undefined || allowed.has(decisionId)) continue;
    answered.set(decisionId, { count: (answered.get(decisionId)?.count ?? 0) + 1, life });
  }
  for (const [decisionId, { count, life }] of answered) {
    const recorded = denied.get(decisionId);
    // A broker that is killed loses what it had only counted, and one that can't write what it could not write.
    const isLossless = worlds.some((one) => one.isUp && one.lives === life && !one.couldNotRecord);
    promise(recorded !== undefined || !isLossless, "every answer is on record");
    promise(
      recorded === undefined || recorded === count || isOver(life),
      `as often as it was given: ${recorded}, ${count}`,
    );
  }
}

function denialOf({ answer, life }: World["calls"]["answers"][number]) {
  return { decisionId: answer.decisionId, life };
}
