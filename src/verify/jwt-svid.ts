import type { Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import { isSpiffeId, pathOf, type SpiffeId, type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import type { UnixSeconds } from "../domain/time.ts";
import { type CompactJws, malformed, parseCompactJws } from "./compact-jws.ts";
import { isJwsAlgorithm, verifySignature } from "./jws-signature.ts";
import {
  type AudienceOptions,
  audienceOf,
  grantOf,
  optionalText,
  scopesOf,
  type Times,
  timesOf,
} from "./registered-claims.ts";
import { type StepFacts, stepFactsOf } from "./step-claims.ts";
import { type JsonObject, parseStrictObject } from "./strict-json.ts";
import { VerificationError } from "./verification-error.ts";
import type { BundleSet } from "./verification-keys.ts";

export type JwtSvidOptions = AudienceOptions & {
  readonly bundles: BundleSet;
  /** The verifier's clock, rounded down. */
  readonly now: UnixSeconds;
  /** Accepts trust domains that are for development only. Default: false. */
  readonly development?: boolean;
};

/**
 * A JWT-SVID whose signature, subject, audience and times hold. Whether it was revoked is not said here. `expiresAt` is
 * exclusive, and accepted for `LIMITS.verifierLeewaySeconds` more.
 */
export type VerifiedJwtSvid = Times & {
  readonly spiffeId: SpiffeId;
  readonly trustDomain: TrustDomain;
  /** The verifier's own audience that the token is for. */
  readonly audience: string;
  readonly keyId: string;
  readonly issuer?: string;
  readonly jti?: string;
  readonly clientId?: string;
  /** `scope`, taken apart. */
  readonly scopes: readonly string[];
  /** `authorization_details`; empty when the token only identifies. */
  readonly grant: Grant;
  /** Present when the subject is a step of ours. */
  readonly step?: StepFacts;
  /** All claims as they came. */
  readonly claims: JsonObject;
};

const TYPES: readonly (string | undefined)[] = [undefined, "JWT", "JOSE"];

/**
 * Verifies a JWT-SVID against bundles: no network, no state, and nothing believed before the signature holds but where
 * to look for its key.
 *
 * Time, with `L` = 5 s of leeway: refused from `exp + L` on, and before `nbf - L` or `iat - L`.
 *
 * @param token - the JWS in compact serialization, without `Bearer`.
 * @throws VerificationError with one of its codes; never anything else
 * @see JWT-SVID sections 2 to 5, RFC 8725 section 3, contracts section 2
 */
export function verifyJwtSvid(token: string, options: JwtSvidOptions): VerifiedJwtSvid {
  if (typeof token !== "string" || token.length > LIMITS.jwtPresentedBytesMax) {
    throw malformed(`a string of at most ${LIMITS.jwtPresentedBytesMax} characters`);
  }
  const jws = parseCompactJws(token);
  if (!TYPES.includes(jws.type)) throw malformed("typ JWT or JOSE, or none");
  const claims = parseStrictObject(jws.payload);
  if (claims === undefined) throw malformed("a JSON object without repeated members as its claims");
  const spiffeId = subjectOf(claims);
  checkSignature(jws, spiffeId, options);

  const trustDomain = trustDomainOf(spiffeId);
  const times = timesOf(claims, options.now);
  const audience = audienceOf(claims, options);
  const issuer = optionalText(claims, "iss");
  const expectedIssuer = options.bundles.get(trustDomain)?.issuer;
  if (expectedIssuer !== undefined && issuer !== expectedIssuer) {
    throw new VerificationError("ISSUER_MISMATCH", "the issuer is not the one of the trust domain");
  }
  // A bound token is of no use to a thief only if everybody asks for the proof; nobody here checks one yet.
  if (Object.hasOwn(claims, "cnf")) {
    throw new VerificationError("CNF_UNVERIFIED", "the token is bound to a key, and no proof of that key was verified");
  }
  const step = stepFactsOf(claims, spiffeId);
  const jti = optionalText(claims, "jti");
  const clientId = optionalText(claims, "client_id");
  return {
    spiffeId,
    trustDomain,
    audience,
    keyId: jws.keyId,
    ...(issuer === undefined ? {} : { issuer }),
    ...(jti === undefined ? {} : { jti }),
    ...(clientId === undefined ? {} : { clientId }),
    ...times,
    scopes: scopesOf(claims),
    grant: grantOf(claims),
    ...(step === undefined ? {} : { step }),
    claims,
  };
}

function subjectOf(claims: JsonObject): SpiffeId {
  const { sub } = claims;
  if (typeof sub === "string" && isSpiffeId(sub) && pathOf(sub) !== "") return sub;
  throw new VerificationError("SUBJECT_INVALID", "the subject is not a SPIFFE ID with a path");
}

/** The subject's trust domain comes before the `kid`, so that no domain can sign for another's names. */
function checkSignature(jws: CompactJws, spiffeId: SpiffeId, options: JwtSvidOptions): void {
  const { algorithm } = jws;
  if (!isJwsAlgorithm(algorithm)) {
    throw new VerificationError("ALGORITHM_REFUSED", "the algorithm is none that JWT-SVIDs may be signed with");
  }
  const bundle = options.bundles.get(trustDomainOf(spiffeId));
  if (bundle === undefined) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is not known here");
  }
  if (bundle.development === true && options.development !== true) {
    throw new VerificationError("KEY_UNKNOWN", "the subject is of a trust domain that is for development only");
  }
  const key = bundle.keys.get(jws.keyId);
  if (key === undefined) {
    throw new VerificationError("KEY_UNKNOWN", "the key is none of those of the trust domain of the subject");
  }
  if (!key.algorithms.includes(algorithm)) {
    throw new VerificationError("ALGORITHM_REFUSED", "the algorithm is not one of the key");
  }
  if (!verifySignature(algorithm, key.key, jws.signed, jws.signature)) {
    throw new VerificationError("SIGNATURE_INVALID", "the signature does not hold");
  }
}
