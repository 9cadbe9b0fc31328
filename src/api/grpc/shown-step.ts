import type { KnownPrincipal, RecordedPrincipal } from "../../domain/principal.ts";
import type { Step } from "../../domain/step.ts";
import type { PrincipalVault } from "../../ports/principal-vault.ts";
import { stepMessageOf } from "../../wire/step-message.ts";

/** Who is looked up when steps are shown. */
export type ShownPorts = { readonly principals: Pick<PrincipalVault, "open"> };

/** A step as its readers see it, with whom it works for. */
export async function shownStep(
  step: Step,
  readers: { readonly processes: boolean },
  ports: ShownPorts,
): Promise<ReturnType<typeof stepMessageOf>> {
  if (step.principal === undefined) return stepMessageOf(step, readers);
  const known = await nameToShow(step.principal, ports);
  return stepMessageOf(step, { ...readers, principal: { principalId: step.principal.principalId, known } });
}

/**
 * Whom something sealed names, for people to read. One key that can't be read must not hide all the history that is
 * beside it, so its principal is shown as one who is not known; what is done for the principal says what is wrong.
 */
export async function nameToShow(
  recorded: RecordedPrincipal,
  { principals }: ShownPorts,
): Promise<KnownPrincipal | undefined> {
  return principals.open(recorded).catch(() => undefined);
}
