import type { MessageInitShape } from "@bufbuild/protobuf";
import { intermediatesOf, x509RootsOf } from "../../domain/authority.ts";
import { type Confirmation, confirmationOf } from "../../domain/confirmation.ts";
import { type Denial, invalidField, isDenial } from "../../domain/errors.ts";
import type { Grant } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import { parseSegment } from "../../domain/spiffe-id.ts";
import type { Delivery } from "../../domain/stages.ts";
import type {
  Confirmation as ConfirmationMessage,
  DelegationTokenSchema,
  IssueDelegationTokenRequest,
  IssueTxnTokenRequest,
  JwtSvidOutcomeSchema,
  JwtSvidSchema,
  JwtSvidWanted,
  TxnTokenSchema,
  WitSvidSchema,
  X509SvidSchema,
} from "../../gen/stint/v1/credentials_pb.js";
import type { SvidWanted } from "../../issue/entitle.ts";
import type { DelegationOrder } from "../../issue/entitle-delegation.ts";
import type { AuthorityDirectory } from "../../ports/directories.ts";
import { grantOfMessage } from "../../wire/grant-message.ts";
import { secondsOfDuration, timestampOfSeconds } from "../../wire/timestamps.ts";

export function jwtSvidWantedOf(message: JwtSvidWanted, field: string): SvidWanted {
  return {
    kind: "jwt-svid",
    audiences: message.audiences,
    ...(message.cnf === undefined ? {} : { confirmation: confirmationOfMessage(message.cnf, `${field}.cnf`) }),
    ...narrowedTo(message.grant, `${field}.grant`),
  };
}

export function txnTokenWantedOf({ location, grant }: IssueTxnTokenRequest): SvidWanted {
  if (location === "") throw invalidField("location", "one of those of the step's grant");
  return { kind: "txn-token", location, ...narrowedTo(grant, "grant") };
}

export function delegationOrderOf({ stepId, runtime, grant, uses, ttl }: IssueDelegationTokenRequest): DelegationOrder {
  return {
    stepId,
    runtime: parseSegment(runtime, "runtime"),
    uses: uses === 0 ? 1 : uses,
    ...narrowedTo(grant, "grant"),
    ...(ttl === undefined ? {} : { ttlSeconds: secondsOfDuration(ttl, "ttl") }),
  };
}

/** A narrower grant, where one is asked for. */
function narrowedTo(grant: JwtSvidWanted["grant"], field: string): { readonly grant?: Grant } {
  return grant === undefined ? {} : { grant: grantOfMessage(grant, { ceiling: false }, field) };
}

function confirmationOfMessage({ confirmation }: ConfirmationMessage, field: string): Confirmation {
  switch (confirmation.case) {
    case "x5tS256":
      return confirmationOf("x5t#S256", confirmation.value, `${field}.x5t_s256`);
    case "jkt":
      return confirmationOf("jkt", confirmation.value, `${field}.jkt`);
    case undefined:
      throw invalidField(field, "x5t_s256 or jkt");
  }
}

export function jwtSvidsWantedOf(messages: readonly JwtSvidWanted[], field: string): readonly SvidWanted[] {
  if (messages.length > LIMITS.jwtSvidsPerBatchMax) throw invalidField(field, `at most ${LIMITS.jwtSvidsPerBatchMax}`);
  return messages.map((message, index) => jwtSvidWantedOf(message, `${field}[${index}]`));
}

export function x509SvidMessageOf(
  delivery: Delivery,
  authorities: AuthorityDirectory,
): MessageInitShape<typeof X509SvidSchema> {
  return {
    issuanceId: delivery.issuanceId,
    spiffeId: delivery.spiffeId,
    x509Svid: [delivery.svid, ...intermediatesOf(delivery.authority)],
    bundle: [...x509RootsOf(authorities.all())],
    expiresAt: timestampOfSeconds(delivery.expiresAt),
  };
}

export function jwtSvidMessageOf(delivery: Delivery): MessageInitShape<typeof JwtSvidSchema> {
  return tokenMessageOf(delivery);
}

/** What the messages of all kinds of token have. */
type TokenMessage = {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly svid: string;
  readonly expiresAt: ReturnType<typeof timestampOfSeconds>;
};

function tokenMessageOf(delivery: Delivery): TokenMessage {
  return {
    issuanceId: delivery.issuanceId,
    spiffeId: delivery.spiffeId,
    svid: Buffer.from(delivery.svid.buffer, delivery.svid.byteOffset, delivery.svid.byteLength).toString("latin1"),
    expiresAt: timestampOfSeconds(delivery.expiresAt),
  };
}

export function witSvidMessageOf(delivery: Delivery): MessageInitShape<typeof WitSvidSchema> {
  return tokenMessageOf(delivery);
}

export function delegationTokenMessageOf(delivery: Delivery): MessageInitShape<typeof DelegationTokenSchema> {
  const { svid: token, ...message } = tokenMessageOf(delivery);
  return { ...message, token };
}

export function txnTokenMessageOf(delivery: Delivery): MessageInitShape<typeof TxnTokenSchema> {
  const { svid: token, ...message } = tokenMessageOf(delivery);
  return { ...message, token };
}

export function jwtSvidOutcomeOf(answer: Delivery | Denial): MessageInitShape<typeof JwtSvidOutcomeSchema> {
  if (!isDenial(answer)) return { outcome: { case: "svid", value: jwtSvidMessageOf(answer) } };
  const { code, message, metadata } = answer;
  return { outcome: { case: "refusal", value: { reason: code, message, metadata: { ...metadata } } } };
}
