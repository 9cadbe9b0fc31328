import { type Denial, errorOf, isDenial } from "../domain/errors.ts";
import { formatProcess } from "../domain/process.ts";
import type { Attested, Delivery } from "../domain/stages.ts";
import { REASON_OF_STATE, type Step } from "../domain/step.ts";
import type { SvidWanted } from "../issue/entitle.ts";
import { type IssuePorts, issueSvids } from "../issue/issue-svids.ts";
import { checkCsr } from "../verify/csr-proof.ts";
import type { OpenRequest } from "./open-request.ts";
import { type Opened, type OpenPorts, openStep } from "./open-step.ts";

export type OpenedWithSvids = Omit<Opened, "svids"> & { readonly svids: readonly (Delivery | Denial)[] };

/**
 * Opens a step and issues its first credentials, so that a step costs its runtime one round trip.
 *
 * @param wanted - only for executor `self`; the caller of this function checks that, because it knows the field's name.
 * @throws BrokerError as `openStep`; and when the order, or the X.509-SVID in it, is refused: then the new step is
 *   cancelled, since its opener is not told of it
 */
export async function openAndIssue(
  caller: Attested,
  request: OpenRequest,
  wanted: readonly SvidWanted[],
  ports: OpenPorts & IssuePorts,
): Promise<OpenedWithSvids> {
  const proven = wanted.map(withProvenKey);
  const opened = await openStep(caller, request, ports, proven);
  try {
    const svids = await (opened.svids ?? issued(caller, opened.step, proven, ports));
    checkCertificate(proven, svids);
    return { ...opened, svids };
  } catch (thrown) {
    if (opened.isNew) await cancel(caller, opened.step, ports);
    throw thrown;
  }
}

/** Checks a request for a certificate before a step is opened for it. */
function withProvenKey(wanted: SvidWanted): SvidWanted {
  if (!("csr" in wanted)) return wanted;
  return { kind: wanted.kind, publicKey: checkCsr(wanted.csr).publicKey };
}

async function issued(
  caller: Attested,
  { stepId, state }: Step,
  wanted: readonly SvidWanted[],
  ports: IssuePorts,
): Promise<readonly (Delivery | Denial)[]> {
  // A step that waits for approval has no credentials: they are asked for once it is open.
  if (wanted.length === 0 || state === "PENDING_APPROVAL") return [];
  return issueSvids(caller, { stepId, wanted }, ports);
}

function checkCertificate(wanted: readonly SvidWanted[], svids: readonly (Delivery | Denial)[]): void {
  for (const [index, svid] of svids.entries()) {
    if (wanted[index]?.kind === "x509-svid" && isDenial(svid)) throw errorOf(svid);
  }
}

/** Where this close can't be recorded, the step ends by its expiry. */
async function cancel(caller: Attested, { stepId, openerEntryId }: Step, ports: OpenPorts): Promise<void> {
  await ports.ledger
    .perform({
      act: "close",
      target: { kind: "steps", stepIds: [stepId] },
      state: "CANCELLED",
      reason: REASON_OF_STATE.CANCELLED,
      by: { kind: "entry", entryId: openerEntryId, process: formatProcess(caller.process) },
      now: ports.clock.now(),
    })
    .catch(() => undefined);
}
