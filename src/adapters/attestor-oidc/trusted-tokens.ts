import { errors, jwtVerify } from "jose";
import { LIMITS } from "../../domain/limits.ts";
import { type JsonObject, parseStrictObject } from "../../domain/strict-json.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import { type Jws, parseJws } from "../../verify/compact-jws.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { discoverKeys, fetchKeys, keySetOf } from "./discover-keys.ts";
import { type KeyFinder, keepIssuerKeys } from "./issuer-keys.ts";
import { type TokenFault, TokenRefusal } from "./token-refusal.ts";

/** An issuer whose tokens are believed. */
export type OidcIssuer = {
  /** Exactly the `iss` of its tokens. Plain HTTP only to this machine; whoever configures the issuer has made sure. */
  readonly issuer: string;
  /** The audience that its tokens must have, so that a token that was shown elsewhere is worth nothing here. */
  readonly audience: string;
  /** Whether a token is accepted only once. */
  readonly singleUse: boolean;
  /** CA certificates, PEM, that vouch for the issuer's host; absent: those that Node.js has. */
  readonly roots?: string;
  /** Its keys, or where they are; absent: OIDC discovery tells. */
  readonly keys?: IssuerKeys;
};

/** A JSON Web Key Set that is at hand, so that nobody is asked, or its URL: https. */
export type IssuerKeys = { readonly document: JsonObject } | { readonly uri: string };

/** A token taken apart. */
export type Token = {
  readonly compact: string;
  readonly jws: Jws;
  /** Not believed before `verify`. */
  readonly claims: JsonObject;
};

export type TrustedTokens<Issuer extends OidcIssuer> = {
  /**
   * The issuer of a token that is signed by it, is for this broker and is valid now, and until when the token could be
   * presented again, exclusive.
   *
   * Time, with `L` = 5 s of leeway: refused from `exp + L` on, and before `nbf - L` or `iat - L`.
   *
   * @throws TokenRefusal
   * @see OpenID Connect Core 1.0 section 3.1.3.7, RFC 8725
   */
  verify(token: Token): Promise<{ readonly issuer: Issuer; readonly expiresAt: UnixSeconds }>;
};

type Trusted<Issuer> = { readonly issuer: Issuer; readonly keyFinder: KeyFinder };

/** Neither `none` nor symmetric algorithms: with a symmetric one, a public key would pass for a shared secret. */
export const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];
/** ID tokens and access tokens; an issuer signs other things with the same keys. RFC 8725 section 3.11. */
const TYPES: readonly unknown[] = [undefined, "jwt", "application/jwt", "at+jwt", "application/at+jwt"];
const ISSUER_LENGTH_SHOWN_MAX = 256;
const TIMES: readonly unknown[] = ["exp", "nbf", "iat"];

/** Tokens of these issuers: ID tokens, and access tokens that are JWTs. */
export function createTrustedTokens<Issuer extends OidcIssuer>(
  issuers: readonly Issuer[],
  clock: Clock,
): TrustedTokens<Issuer> {
  const trusted = new Map<unknown, Trusted<Issuer>>(issuers.map((one) => [one.issuer, trust(one, clock)]));

  return {
    async verify(token) {
      const { issuer, keyFinder } = issuerOf(token, trusted);
      const now = secondsOf(clock.now());
      await checkToken(token, issuer, keyFinder, now);
      return { issuer, expiresAt: expiryOf(token, now) };
    },
  };
}

function trust<Issuer extends OidcIssuer>(issuer: Issuer, clock: Clock): Trusted<Issuer> {
  const { keys } = issuer;
  if (keys !== undefined && "document" in keys) return { issuer, keyFinder: keySetOf(keys.document, issuer.issuer) };
  const owner = { issuer: issuer.issuer, roots: issuer.roots, clock };
  const ask = keys === undefined ? () => discoverKeys(owner) : () => fetchKeys(owner, keys.uri);
  return { issuer, keyFinder: keepIssuerKeys(ask, clock) };
}

/** @throws TokenRefusal of the form, whose message is what was expected */
export function parseToken(compact: string): Token {
  if (compact.length > LIMITS.evidenceTokenBytesMax) {
    throw new TokenRefusal("form", `at most ${LIMITS.evidenceTokenBytesMax} bytes`);
  }
  try {
    const jws = parseJws(compact, (expected) => new VerificationError("TOKEN_MALFORMED", `expected ${expected}`));
    const claims = parseStrictObject(jws.payload);
    if (claims !== undefined) return { compact, jws, claims };
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
  }
  throw new TokenRefusal("form", "a JWT in compact serialization, without repeated members");
}

/** The token itself names the issuer whose keys are to verify it, but can only choose among trusted issuers. */
function issuerOf<Issuer>({ claims }: Token, trusted: ReadonlyMap<unknown, Trusted<Issuer>>): Trusted<Issuer> {
  const issuer = trusted.get(claims["iss"]);
  if (issuer !== undefined) return issuer;
  const shown = JSON.stringify(claims["iss"])?.slice(0, ISSUER_LENGTH_SHOWN_MAX) ?? "absent";
  throw new TokenRefusal("issuer", `iss ${shown}: the token's issuer is not trusted here`);
}

async function checkToken(
  { compact, jws }: Token,
  { issuer, audience }: OidcIssuer,
  keyFinder: KeyFinder,
  now: UnixSeconds,
): Promise<void> {
  const { typ } = jws.header;
  if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : typ)) {
    throw new TokenRefusal("other", "typ: neither JWT nor at+jwt");
  }
  try {
    await jwtVerify(compact, keyFinder, {
      algorithms: ALGORITHMS,
      issuer,
      audience,
      requiredClaims: ["exp"],
      clockTolerance: LIMITS.evidenceLeewaySeconds,
      currentDate: new Date(now * 1_000),
    });
  } catch (thrown) {
    if (thrown instanceof TokenRefusal) throw thrown;
    // Also for a key that the library can't use, or refuses for its size. The error may hold the claims, so it is no
    // cause.
    const why = thrown instanceof Error ? thrown.message : "not an error";
    throw new TokenRefusal(faultIn(thrown), `${issuer}: ${why}`);
  }
}

function faultIn(thrown: unknown): TokenFault {
  if (!(thrown instanceof errors.JWTExpired || thrown instanceof errors.JWTClaimValidationFailed)) return "other";
  if (thrown.claim === "aud") return "audience";
  return TIMES.includes(thrown.claim) ? "times" : "other";
}

function expiryOf({ claims }: Token, now: UnixSeconds): UnixSeconds {
  const { exp, iat = now } = claims as { readonly exp: number; readonly iat?: unknown };
  if (typeof iat !== "number" || iat > now + LIMITS.evidenceLeewaySeconds) {
    throw new TokenRefusal("times", "iat: not yet");
  }
  if (exp - iat > LIMITS.evidenceTokenSecondsMax) {
    throw new TokenRefusal("times", `exp: more than ${LIMITS.evidenceTokenSecondsMax} s after iat`);
  }
  return addSeconds(Math.ceil(exp) as UnixSeconds, LIMITS.evidenceLeewaySeconds);
}
