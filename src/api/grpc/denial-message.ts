import { createHash } from "node:crypto";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { forgetAfter } from "../../domain/revocation.ts";
import type { DenialSchema } from "../../gen/stint/v1/revocations_pb.js";
import type { DenyEntry } from "../../ports/ledger-reads.ts";
import { stepStateMessageOf } from "../../wire/step-message.ts";
import { timestampOfSeconds } from "../../wire/timestamps.ts";

/** The issuer's names, which name a credential together with its `jti` or serial number. */
export type IssuerNames = {
  readonly issuer: string;
  /** DER of the CA's name; `undefined` for an authority that is no more. */
  readonly caNameOf: (authorityId: string) => Uint8Array | undefined;
};

/** A deny entry as verifiers see it: it names no run, step or agent in the clear. */
export function denialMessageOf(entry: DenyEntry, names: IssuerNames): MessageInitShape<typeof DenialSchema> {
  return {
    subject: subjectOf(entry.subject, names),
    reason: entry.reason,
    state: stepStateMessageOf(entry.state),
    sequence: BigInt(entry.sequence),
    forgetAfter: timestampOfSeconds(forgetAfter(entry.latestExpiry)),
  };
}

function subjectOf(
  subject: DenyEntry["subject"],
  names: IssuerNames,
): NonNullable<MessageInitShape<typeof DenialSchema>["subject"]> {
  switch (subject.kind) {
    case "step":
      return {
        case: "step",
        value: { stepId: subject.stepId, spiffeIdSha256: createHash("sha256").update(subject.spiffeId).digest() },
      };
    case "jwt":
      return { case: "jwt", value: { issuer: names.issuer, jti: subject.jti } };
    case "certificate":
      return {
        case: "certificate",
        value: { issuer: names.caNameOf(subject.authorityId) ?? new Uint8Array(), serialNumber: subject.serialNumber },
      };
  }
}
