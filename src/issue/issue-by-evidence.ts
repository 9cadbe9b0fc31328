import { errorOf, isDenial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { draft } from "./draft.ts";
import { onlyAnswer } from "./entitle.ts";
import { countIssuance, entitleByEvidence } from "./entitle-infrastructure.ts";
import { issueDrafted } from "./issue-entitled.ts";
import type { InfrastructurePorts } from "./issue-infrastructure-svid.ts";

/**
 * The issuance path for a caller whose evidence may count once. The evidence is spent before anything is recorded, so
 * that no two SVIDs ever come of it; and after all other checks but those of the rate and the ledger, so that it is not
 * spent for nothing.
 *
 * @param wanted.publicKey - SubjectPublicKeyInfo, DER, of a request that was checked.
 * @param spend - throws when the evidence was spent before.
 * @throws BrokerError when the caller is not entitled to the SVID, or it can't be issued now; and what `spend` throws
 */
export async function issueByEvidence(
  caller: Attested,
  wanted: { readonly entryId: string; readonly publicKey: Uint8Array },
  spend: () => Promise<void>,
  ports: InfrastructurePorts,
): Promise<Delivery> {
  const entitled = entitleByEvidence(caller, wanted, ports);
  const drafted = onlyAnswer(draft([entitled], ports));
  if (isDenial(drafted)) throw errorOf(drafted);
  await spend();
  countIssuance(caller, wanted.entryId, ports);
  const delivery = onlyAnswer(await issueDrafted([drafted], ports));
  if (isDenial(delivery)) throw errorOf(delivery);
  return delivery;
}
