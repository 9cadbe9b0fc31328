import { sortedSet } from "../../domain/sorted-set.ts";
import type { PolicyEffect } from "../../ports/policy-engine.ts";

const ALLOWED: PolicyEffect = { effect: "allow", policies: [] };

/** What holds for a whole whose parts were asked one by one: it is allowed if each part is. */
export function together(effects: readonly PolicyEffect[]): PolicyEffect {
  const [first = ALLOWED] = effects;
  // Most requests get the same answer, remembered once, to each question.
  if (effects.every((one) => one === first)) return first;
  const denied = effects.filter(({ effect }) => effect === "deny");
  if (denied.length === 0) return { effect: "allow", policies: sortedSet(effects.flatMap(({ policies }) => policies)) };
  const errors = sortedSet(denied.flatMap((one) => one.errors ?? []));
  const [role] = denied.map(({ approval }) => approval);
  const isSame = denied.every(({ approval }) => approval === role);
  return {
    effect: "deny",
    policies: sortedSet(denied.flatMap(({ policies }) => policies)),
    ...(errors.length > 0 && { errors }),
    ...(role !== undefined && isSame && { approval: role }),
  };
}
