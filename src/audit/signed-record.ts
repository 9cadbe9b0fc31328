import { type AuditRecord, auditStatement, IN_TOTO_PAYLOAD_TYPE } from "../domain/audit-record.ts";
import { canonicalText } from "../domain/canonical-json.ts";
import { type Envelope, envelopeOf } from "../domain/dsse.ts";
import type { EnvelopeSigner } from "../ports/envelope-signer.ts";

/** A record in its envelope: the same bytes whenever it is made of the same record. */
export function signedRecord(record: AuditRecord, through: number, { keyId, sign }: EnvelopeSigner): Envelope {
  const statement = new TextEncoder().encode(canonicalText(auditStatement(record, through)));
  return envelopeOf(IN_TOTO_PAYLOAD_TYPE, statement, keyId, sign);
}
