import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { SpiffeId } from "../domain/spiffe-id.ts";
import type { Step } from "../domain/step.ts";

/** An identity that a workload has for a while: a step that it executes, or what it is beside any step. */
export type SvidIdentity =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "infrastructure"; readonly entry: RegistrationEntry };

/** Tells an identity from every other that there ever is. */
export function identityIdOf(identity: SvidIdentity): string {
  return identity.kind === "step" ? identity.step.stepId : identity.entry.entryId;
}

export function spiffeIdOf(identity: SvidIdentity): SpiffeId {
  return identity.kind === "step" ? identity.step.spiffeId : identity.entry.spiffeId;
}

/**
 * By what a workload tells its identities apart: `<run_id>/<step>/<attempt>`, or `<role>/<name>`. No two of one workload
 * are the same.
 *
 * @see SPIFFE Workload API section 8
 */
export function hintOf(identity: SvidIdentity): string {
  if (identity.kind === "infrastructure") return `${identity.entry.content.kind}/${identity.entry.content.name}`;
  const { runId, step, attempt } = identity.step;
  return `${runId}/${step}/${attempt}`;
}
