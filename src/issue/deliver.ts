import type { Authority } from "../domain/authority.ts";
import { type Denial, denial, isDenial } from "../domain/errors.ts";
import type { IssuanceRecord } from "../domain/issuance.ts";
import type { Delivery, Signed } from "../domain/stages.ts";
import { permits } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { Ledger } from "../ports/ledger.ts";

export type DeliverPorts = {
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
};

/**
 * Looks at the step once more. A close that came before the signature has revoked the credential already; there is no
 * use in handing out a credential that every verifier refuses.
 */
export async function deliver(
  signed: readonly (Signed | Denial)[],
  ports: DeliverPorts,
): Promise<readonly (Delivery | Denial)[]> {
  return Promise.all(signed.map((item) => (isDenial(item) ? item : deliverOne(item, ports))));
}

async function deliverOne(signed: Signed, ports: DeliverPorts): Promise<Delivery | Denial> {
  const { record, svid, authority } = signed;
  if (record.subject.kind === "step") {
    const step = await ports.stepDirectory.byId(record.subject.stepId);
    if (step === undefined || !permits(step.state)) {
      await ports.ledger.perform({ act: "mark-undelivered", issuanceId: record.issuanceId, now: ports.clock.now() });
      const state = step?.state ?? "REVOKED";
      return denial("STEP_CLOSED", `the step is ${state}`, { state });
    }
  }
  return deliveredApart(record, svid, authority);
}

/** What `deliver` let go, in this process or in the ledger's, which told of it. */
export function deliveredApart(record: IssuanceRecord, svid: Uint8Array, authority: Authority): Delivery {
  const { issuanceId, kind, spiffeId, expiresAt } = record;
  return { issuanceId, kind, spiffeId, expiresAt, svid, authority } as Delivery;
}
