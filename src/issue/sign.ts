import { type Denial, denialFrom, errorOf, isDenial } from "../domain/errors.ts";
import type { SvidKind } from "../domain/issuance.ts";
import type { Recorded, Signed, Signing } from "../domain/stages.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Signer } from "../ports/signer.ts";
import type { SvidFormat } from "../ports/svid-format.ts";

export type SignPorts = {
  /** Asked for what the ledger did not sign as it recorded it. */
  readonly signer: Pick<Signer, "signSvid">;
  readonly formats: Readonly<Record<SvidKind, SvidFormat>>;
  readonly ledger: Pick<Ledger, "perform">;
  readonly clock: Clock;
};

/** Signs recorded drafts, and nothing else can be signed. A draft that could not be signed is marked as undelivered. */
export function sign(
  recorded: readonly (Recorded | Denial)[],
  ports: SignPorts,
): Promise<readonly (Signed | Denial)[]> {
  return Promise.all(recorded.map((item) => (isDenial(item) ? item : signOne(item, ports))));
}

async function signOne(recorded: Recorded, ports: SignPorts): Promise<Signed | Denial> {
  const { record, authority, toBeSigned, signing } = recorded;
  try {
    const signature = signing === undefined ? await ports.signer.signSvid(recorded) : signatureOf(signing);
    const svid = ports.formats[record.kind].assemble(toBeSigned, signature);
    return { record, authority, svid } as Signed;
  } catch (thrown) {
    await ports.ledger.perform({ act: "mark-undelivered", issuanceId: record.issuanceId, now: ports.clock.now() });
    return denialFrom(thrown);
  }
}

function signatureOf(signing: Signing): Uint8Array {
  if (isDenial(signing)) throw errorOf(signing);
  return signing.signature;
}
