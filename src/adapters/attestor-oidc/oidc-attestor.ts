import { jwtVerify } from "jose";
import { sha256Hex } from "../../domain/digest.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type JsonObject, parseStrictObject } from "../../domain/strict-json.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EvidenceAttestor } from "../../ports/evidence-attestor.ts";
import { type Jws, parseJws } from "../../verify/compact-jws.ts";
import { VerificationError } from "../../verify/verification-error.ts";
import { discoverKeys } from "./discover-keys.ts";
import { type KeyFinder, keepIssuerKeys } from "./issuer-keys.ts";
import { selectorsOf } from "./token-selectors.ts";

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
};

type TrustedIssuer = OidcIssuer & { readonly keyFinder: KeyFinder };

type Token = {
  readonly compact: string;
  readonly jws: Jws;
  /** Not believed before the signature holds. */
  readonly claims: JsonObject;
};

/** Neither `none` nor symmetric algorithms: with a symmetric one, a public key would pass for a shared secret. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
];
/** ID tokens and access tokens; an issuer signs other things with the same keys. RFC 8725 section 3.11. */
const TYPES: readonly unknown[] = [undefined, "jwt", "application/jwt", "at+jwt", "application/at+jwt"];
const ISSUER_LENGTH_SHOWN_MAX = 256;

/**
 * Attests whoever has a token of a trusted issuer: an ID token, or an access token that is a JWT.
 *
 * Time, with `L` = 5 s of leeway: refused from `exp + L` on, and before `nbf - L` or `iat - L`.
 *
 * @see OpenID Connect Core 1.0 section 3.1.3.7, RFC 8725
 */
export function createOidcAttestor({
  issuers,
  clock,
}: {
  readonly issuers: readonly OidcIssuer[];
  readonly clock: Clock;
}): EvidenceAttestor {
  const trusted = new Map(issuers.map((one) => [one.issuer, trust(one, clock)]));

  return {
    async attest(evidence) {
      const token = tokenIn(evidence);
      const issuer = issuerOf(token, trusted);
      const now = secondsOf(clock.now());
      await verify(token, issuer, now);
      const expiresAt = expiryOf(token, now);
      const selectors = selectorsOf(token.claims);
      if (selectors === undefined) throw notAccepted(`more than ${LIMITS.evidenceSelectorsMax} claims`);
      // One ECDSA signature can be written in two ways, so a token is told from another by its signed part alone.
      return issuer.singleUse
        ? { selectors, spends: { sha256: sha256Hex(token.jws.signed), expiresAt } }
        : { selectors };
    },
  };
}

function trust(issuer: OidcIssuer, clock: Clock): TrustedIssuer {
  const discovery = { issuer: issuer.issuer, roots: issuer.roots, clock };
  return { ...issuer, keyFinder: keepIssuerKeys(() => discoverKeys(discovery), clock) };
}

function tokenIn(evidence: Uint8Array): Token {
  if (evidence.length > LIMITS.evidenceTokenBytesMax) {
    throw invalidField("oidc_token", `at most ${LIMITS.evidenceTokenBytesMax} bytes`);
  }
  const compact = Buffer.from(evidence).toString("latin1");
  try {
    const jws = parseJws(compact, (expected) => new VerificationError("TOKEN_MALFORMED", `expected ${expected}`));
    const claims = parseStrictObject(jws.payload);
    if (claims !== undefined) return { compact, jws, claims };
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
  }
  throw invalidField("oidc_token", "a JWT in compact serialization, without repeated members");
}

/** The token itself names the issuer whose keys are to verify it, but can only choose among trusted issuers. */
function issuerOf({ claims }: Token, trusted: ReadonlyMap<unknown, TrustedIssuer>): TrustedIssuer {
  const issuer = trusted.get(claims["iss"]);
  if (issuer !== undefined) return issuer;
  const shown = JSON.stringify(claims["iss"])?.slice(0, ISSUER_LENGTH_SHOWN_MAX) ?? "absent";
  throw new BrokerError("NO_IDENTITY", "the token's issuer is not trusted here", {
    detail: `iss ${shown}: the token's issuer is not trusted here`,
  });
}

async function verify({ compact, jws }: Token, issuer: TrustedIssuer, now: UnixSeconds): Promise<void> {
  const { typ } = jws.header;
  if (!TYPES.includes(typeof typ === "string" ? typ.toLowerCase() : typ))
    throw notAccepted("typ: neither JWT nor at+jwt");
  try {
    await jwtVerify(compact, issuer.keyFinder, {
      algorithms: ALGORITHMS,
      issuer: issuer.issuer,
      audience: issuer.audience,
      requiredClaims: ["exp"],
      clockTolerance: LIMITS.evidenceLeewaySeconds,
      currentDate: new Date(now * 1_000),
    });
  } catch (thrown) {
    if (thrown instanceof BrokerError) throw thrown;
    // Also for a key that the library can't use, or refuses for its size. The error may hold the claims, so it is no
    // cause.
    throw notAccepted(`${issuer.issuer}: ${thrown instanceof Error ? thrown.message : "not an error"}`);
  }
}

/** Until when a verified token could be presented again, exclusive. */
function expiryOf({ claims }: Token, now: UnixSeconds): UnixSeconds {
  const { exp, iat = now } = claims as { readonly exp: number; readonly iat?: unknown };
  if (typeof iat !== "number" || iat > now + LIMITS.evidenceLeewaySeconds) throw notAccepted("iat: not yet");
  if (exp - iat > LIMITS.evidenceTokenSecondsMax) {
    throw notAccepted(`exp: more than ${LIMITS.evidenceTokenSecondsMax} s after iat`);
  }
  return addSeconds(Math.ceil(exp) as UnixSeconds, LIMITS.evidenceLeewaySeconds);
}

function notAccepted(detail: string): BrokerError {
  return new BrokerError("NO_IDENTITY", "the token is not accepted here", { detail });
}
