import { BrokerError } from "../domain/errors.ts";
import type { KnownPrincipal } from "../domain/principal.ts";
import type { Step } from "../domain/step.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";

/**
 * Whom a step works for; `undefined` for a step that works for nobody. Costs nothing there, and reads no file for a
 * principal who was looked at before.
 *
 * @throws BrokerError NOT_ENTITLED when the principal was erased: nothing may be done for somebody who is not known
 */
export async function knownPrincipal(
  { principal }: Pick<Step, "principal">,
  principals: Pick<PrincipalVault, "open">,
): Promise<KnownPrincipal | undefined> {
  if (principal === undefined) return undefined;
  const known = await principals.open(principal);
  if (known === undefined) throw new BrokerError("NOT_ENTITLED", "whom the step works for was erased");
  return known;
}
