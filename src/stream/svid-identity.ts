import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { SpiffeId } from "../domain/spiffe-id.ts";
import type { Step } from "../domain/step.ts";

/** An identity that a workload has for a while: a step that it executes, or an entry, outside of any step. */
export type SvidIdentity =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "infrastructure"; readonly entry: RegistrationEntry };

/** An id that no other identity ever has. */
export function identityIdOf(identity: SvidIdentity): string {
  return identity.kind === "step" ? identity.step.stepId : identity.entry.entryId;
}

export function spiffeIdOf(identity: SvidIdentity): SpiffeId {
  return identity.kind === "step" ? identity.step.spiffeId : identity.entry.spiffeId;
}

/**
 * The hint by which a workload tells its identities apart: `<run_id>/<step>/<attempt>`, or `<role>/<name>`. No two
 * identities of one workload have the same hint.
 *
 * @see SPIFFE Workload API section 8
 */
export function hintOf(identity: SvidIdentity): string {
  if (identity.kind === "infrastructure") return `${identity.entry.content.kind}/${identity.entry.content.name}`;
  const { runId, step, attempt } = identity.step;
  return `${runId}/${step}/${attempt}`;
}
