import { type Denial, errorOf, isDenial } from "../domain/errors.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import type { SvidWanted } from "../issue/entitle.ts";
import { type IssuePorts, issueSvids } from "../issue/issue-svids.ts";
import type { OpenRequest } from "./open-request.ts";
import { type Opened, type OpenPorts, openStep } from "./open-step.ts";

export type OpenedWithSvids = Opened & { readonly svids: readonly (Delivery | Denial)[] };

/**
 * Opens a step and issues its first credentials, so that a step costs its runtime one round trip.
 *
 * @param wanted - only for executor `self`; checked by the caller of this function, which knows the field's name.
 * @throws BrokerError as `openStep`; a refused X.509-SVID or order is thrown too, the step staying open
 */
export async function openAndIssue(
  caller: Attested,
  request: OpenRequest,
  wanted: readonly SvidWanted[],
  ports: OpenPorts & IssuePorts,
): Promise<OpenedWithSvids> {
  const opened = await openStep(caller, request, ports);
  if (wanted.length === 0) return { ...opened, svids: [] };
  const svids = await issueSvids(caller, { stepId: opened.step.stepId, wanted }, ports);
  for (const [index, svid] of svids.entries()) {
    if (wanted[index]?.kind === "x509-svid" && isDenial(svid)) throw errorOf(svid);
  }
  return { ...opened, svids };
}
