import { sortedSet } from "../domain/sorted-set.ts";
import type { PolicyEffect } from "../ports/policy-engine.ts";

/** Who may approve what is denied, and the policies that ask for it, sorted. */
export type HeldBack = { readonly role: string; readonly policies: readonly string[] };

/** Set where all that denies are policies that ask for one role's approval, each of which could be evaluated. */
export function heldBackBy(effects: readonly PolicyEffect[]): HeldBack | undefined {
  const denied = effects.filter(({ effect }) => effect === "deny");
  const role = denied[0]?.approval;
  if (role === undefined) return undefined;
  const isApprovable = denied.every(({ approval, errors }) => errors === undefined && approval === role);
  return isApprovable ? { role, policies: sortedSet(denied.flatMap(({ policies }) => policies)) } : undefined;
}
