import { createHash } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type DenialSchema,
  type WatchResponse,
  WatchResponseSchema,
} from "../../../src/gen/stint/v1/revocations_pb.js";
import { StepState } from "../../../src/gen/stint/v1/types_pb.js";

// What a broker may send on the feed, as messages.

export type DenialInit = MessageInitShape<typeof DenialSchema>;

export function timestampMs(ms: number) {
  return { seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 };
}

export function deniedStep(stepId: string, spiffeId: string, more: DenialInit = {}): DenialInit {
  const spiffeIdSha256 = createHash("sha256").update(spiffeId).digest();
  return {
    subject: { case: "step", value: { stepId, spiffeIdSha256 } },
    reason: "cessationOfOperation",
    state: StepState.COMPLETED,
    sequence: 7n,
    ...more,
  };
}

export function deniedJwt(issuer: string, jti: string, more: DenialInit = {}): DenialInit {
  return { subject: { case: "jwt", value: { issuer, jti } }, reason: "keyCompromise", sequence: 7n, ...more };
}

export function deniedCertificate(issuer: Uint8Array, serialNumber: string, more: DenialInit = {}): DenialInit {
  return {
    subject: { case: "certificate", value: { issuer, serialNumber } },
    reason: "keyCompromise",
    sequence: 7n,
    ...more,
  };
}

export function snapshot(denials: readonly DenialInit[], cursor?: string): WatchResponse {
  return response({
    case: "snapshot",
    value: { denials: [...denials], last: cursor !== undefined, cursor: Buffer.from(cursor ?? "") },
  });
}

export function denied(denials: readonly DenialInit[], cursor = ""): WatchResponse {
  return response({ case: "denied", value: { denials: [...denials], cursor: Buffer.from(cursor) } });
}

export function bundle(
  jwks: string,
  more: {
    readonly trustDomain?: string;
    readonly issuer?: string;
    readonly development?: boolean;
    readonly federated?: boolean;
    readonly txnTokenJwks?: string;
  } = {},
): WatchResponse {
  const { txnTokenJwks = "", ...rest } = more;
  const documents = { jwks: Buffer.from(jwks), txnTokenJwks: Buffer.from(txnTokenJwks) };
  return response({ case: "bundle", value: { trustDomain: "spiffe://example.org", ...documents, ...rest } });
}

export function pong(nonce: Uint8Array, brokerTimeMs: number, cursor = ""): WatchResponse {
  const brokerTime = timestampMs(brokerTimeMs);
  return response({ case: "pong", value: { nonce, brokerTime, sequence: 9n, cursor: Buffer.from(cursor) } });
}

export function response(message: NonNullable<MessageInitShape<typeof WatchResponseSchema>["message"]>): WatchResponse {
  return create(WatchResponseSchema, { message });
}
