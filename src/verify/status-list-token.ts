import { bytesOfBase64url } from "../domain/base64url.ts";
import {
  STATUS_LIST_TTL_SECONDS,
  STATUS_SIZES,
  type StatusSize,
  statusListNameIn,
  statusListUri,
  type TokenStatus,
} from "../domain/status-list.ts";
import { isObject, type JsonObject } from "../domain/strict-json.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { parseJws, typedClaimsOf } from "./compact-jws.ts";
import { checkEventSignature } from "./event-signature.ts";
import { isInstant } from "./registered-claims.ts";
import { claimsInvalid } from "./step-claims.ts";
import { VerificationError } from "./verification-error.ts";
import type { VerificationKey } from "./verification-keys.ts";

/**
 * Where the status of a token stands.
 *
 * @param issuer - whose lists are the only ones that are looked at, whatever the token names.
 * @throws VerificationError CLAIMS_INVALID for a token that is in no list of this issuer
 * @see draft-ietf-oauth-status-list section 6.1
 */
export function statusOf(claims: JsonObject, issuer: string): TokenStatus {
  const status = isObject(claims["status"]) ? claims["status"]["status_list"] : undefined;
  if (!isObject(status)) throw claimsInvalid("status.status_list, since nothing else would tell of its end");
  const { idx: index, uri } = status;
  const list = typeof uri === "string" ? statusListNameIn(issuer, uri) : undefined;
  if (list === undefined) throw claimsInvalid("status.status_list.uri of a list of the issuer");
  if (typeof index !== "number" || !Number.isSafeInteger(index) || index < 0) {
    throw claimsInvalid("status.status_list.idx as a whole number");
  }
  return { list, index };
}

/** A status list token whose signature and claims hold; what it says is still compressed. */
export type VerifiedStatusList = {
  readonly issuedAt: UnixSeconds;
  /** Exclusive. */
  readonly expiresAt: UnixSeconds;
  /** How long it may be used without asking for a newer one. */
  readonly ttlSeconds: number;
  readonly bits: StatusSize;
  /** Of zlib. */
  readonly compressed: Uint8Array;
};

export type StatusListOptions = {
  /** Keys that sign lists, by `kid`. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  readonly issuer: string;
  /** Name of the list that was asked for. */
  readonly list: string;
  readonly now: UnixSeconds;
};

/**
 * Verifies a status list token. That it was issued in the future is not looked at: it tells of the verifier's clock.
 *
 * @throws VerificationError with one of its codes; never anything else
 * @see draft-ietf-oauth-status-list sections 5.1 and 8.3
 */
export function verifyStatusListToken(
  text: string,
  { keys, issuer, list, now }: StatusListOptions,
): VerifiedStatusList {
  const jws = parseJws(text, malformed);
  const { algorithm, claims } = typedClaimsOf(jws, "statuslist+jwt", malformed);
  checkEventSignature({ jws, algorithm, keys }, "status list", malformed);
  if (claims["iss"] !== issuer) throw new VerificationError("ISSUER_MISMATCH", "the status list is of another issuer");
  if (claims["sub"] !== statusListUri(issuer, list)) {
    throw new VerificationError("SUBJECT_INVALID", "the status list is another one than was asked for");
  }
  const { iat: issuedAt, exp: expiresAt, ttl: ttlSeconds = STATUS_LIST_TTL_SECONDS } = claims;
  if (!isInstant(issuedAt) || !isInstant(expiresAt)) throw invalid("iat and exp as whole seconds since 1970");
  if (typeof ttlSeconds !== "number" || !(ttlSeconds > 0)) throw invalid("ttl as seconds");
  // Written as "not yet over", so that a clock that is not a number refuses.
  if (!(now < expiresAt)) throw new VerificationError("EXPIRED", "the status list has expired");
  return { issuedAt, expiresAt, ttlSeconds, ...statusesIn(claims["status_list"]) };
}

function statusesIn(value: unknown): Pick<VerifiedStatusList, "bits" | "compressed"> {
  const { bits: size, lst } = isObject(value) ? value : {};
  const bits = STATUS_SIZES.find((one) => one === size);
  if (bits === undefined) throw invalid(`status_list.bits as one of ${STATUS_SIZES.join(", ")}`);
  const compressed = typeof lst === "string" ? bytesOfBase64url(lst) : undefined;
  if (compressed === undefined) throw invalid("status_list.lst as base64url without padding");
  return { bits, compressed };
}

function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a status list: expected ${expected}`);
}

function invalid(expected: string): VerificationError {
  return new VerificationError("CLAIMS_INVALID", `claims of the status list: expected ${expected}`);
}
