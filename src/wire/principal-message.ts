import type { MessageInitShape } from "@bufbuild/protobuf";
import { checkPrincipalName, type KnownPrincipal, type PrincipalName } from "../domain/principal.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { PrincipalRecordSchema } from "../gen/stint/v1/principals_pb.js";
import type { StepPrincipalSchema } from "../gen/stint/v1/types_pb.js";
import { timestampOfMicros } from "./timestamps.ts";

/** @throws BrokerError INVALID_FIELD */
export function principalNameOf(
  { issuer, subject }: { readonly issuer: string; readonly subject: string },
  field: string,
): PrincipalName {
  return checkPrincipalName({ iss: issuer, sub: subject }, field);
}

/** Whom a step works for, to be shown: no name once the principal was erased. */
export type ShownPrincipal = { readonly principalId: string; readonly known: KnownPrincipal | undefined };

export function stepPrincipalMessageOf({
  principalId,
  known,
}: ShownPrincipal): MessageInitShape<typeof StepPrincipalSchema> {
  return { principalId, issuer: known?.iss ?? "", subject: known?.sub ?? "" };
}

type RecordedPrincipal = {
  readonly principalId: string;
  readonly openSteps: number;
  readonly lastOpenedAt?: UnixMicros;
  readonly offboardedAt?: UnixMicros;
  readonly erasedAt?: UnixMicros;
};

export function principalRecordMessageOf(
  { principalId, openSteps, lastOpenedAt, offboardedAt, erasedAt }: RecordedPrincipal,
  known: KnownPrincipal | undefined,
): MessageInitShape<typeof PrincipalRecordSchema> {
  return {
    principalId,
    openSteps,
    ...(known === undefined ? {} : { name: { issuer: known.iss, subject: known.sub } }),
    claimsJson: known === undefined ? "" : JSON.stringify(known.claims),
    ...(lastOpenedAt === undefined ? {} : { lastOpenedAt: timestampOfMicros(lastOpenedAt) }),
    ...(offboardedAt === undefined ? {} : { offboardedAt: timestampOfMicros(offboardedAt) }),
    ...(erasedAt === undefined ? {} : { erasedAt: timestampOfMicros(erasedAt) }),
  };
}
