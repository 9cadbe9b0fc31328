import type { MessageInitShape } from "@bufbuild/protobuf";
import type { IssuanceRecord, SvidKind } from "../domain/issuance.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { Step } from "../domain/step.ts";
import { microsOf, type UnixMicros } from "../domain/time.ts";
import { type IssuanceSchema, IssuanceState, SvidKind as KindMessage } from "../gen/stint/v1/types_pb.js";
import { grantMessageOf } from "./grant-message.ts";
import { stepNameMessageOf } from "./step-message.ts";
import { timestampOfMicros, timestampOfSeconds } from "./timestamps.ts";

/** An issuance with what became of it, as the ledger's reads give it. */
type IssuanceRow = IssuanceRecord & {
  readonly sequence: number;
  readonly undelivered: boolean;
  readonly revokedAt?: UnixMicros;
  readonly revocationReason?: RevocationReason;
  readonly step?: Pick<Step, "runId" | "step" | "attempt" | "agent">;
};

/** @param now - the instant at which the issuance's state is judged. */
export function issuanceMessageOf(row: IssuanceRow, now: UnixMicros): MessageInitShape<typeof IssuanceSchema> {
  return {
    issuanceId: row.issuanceId,
    kind: svidKindMessageOf(row.kind),
    spiffeId: row.spiffeId,
    stepId: row.subject.kind === "step" ? row.subject.stepId : "",
    ...(row.step === undefined ? {} : { stepName: stepNameMessageOf(row.step) }),
    entryId: row.subject.kind === "infrastructure" ? row.subject.entryId : "",
    serialNumber: row.serialNumber ?? "",
    jti: row.jti ?? "",
    audiences: [...row.audiences],
    grant: grantMessageOf(row.grant),
    notBefore: timestampOfSeconds(row.notBefore),
    expiresAt: timestampOfSeconds(row.expiresAt),
    toBeSignedSha256: Buffer.from(row.toBeSignedSha256, "hex"),
    authorityId: row.authorityId,
    issuedAt: timestampOfMicros(row.issuedAt),
    state: issuanceStateOf(row, now),
    ...(row.revokedAt === undefined ? {} : { revokedAt: timestampOfMicros(row.revokedAt) }),
    revocationReason: row.revocationReason ?? "",
    sequence: BigInt(row.sequence),
    agent: row.step?.agent ?? "",
  };
}

/** The state of an issuance, the strongest first: it never left, it was taken back, its time is over. */
function issuanceStateOf(
  row: { readonly undelivered: boolean; readonly revokedAt?: UnixMicros; readonly expiresAt: IssuanceRow["expiresAt"] },
  now: UnixMicros,
): IssuanceState {
  if (row.undelivered) return IssuanceState.UNDELIVERED;
  if (row.revokedAt !== undefined) return IssuanceState.REVOKED;
  return now < microsOf(row.expiresAt) ? IssuanceState.LIVE : IssuanceState.EXPIRED;
}

const KINDS = {
  "x509-svid": KindMessage.X509,
  "jwt-svid": KindMessage.JWT,
  "wit-svid": KindMessage.WIT,
  "txn-token": KindMessage.TXN_TOKEN,
} as const satisfies Record<SvidKind, KindMessage>;

export function svidKindMessageOf(kind: SvidKind): KindMessage {
  return KINDS[kind];
}

/** The kind a message names; `undefined` for unspecified, and for a kind that this version does not know. */
export function svidKindOf(message: KindMessage): SvidKind | undefined {
  return (Object.keys(KINDS) as SvidKind[]).find((kind) => KINDS[kind] === message);
}
