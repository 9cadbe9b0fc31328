import { sha256Hex } from "../../domain/digest.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { checkPrincipalName, claimsKept } from "../../domain/principal.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PrincipalTokens } from "../../ports/principal-tokens.ts";
import { TokenRefusal } from "./token-refusal.ts";
import { createTrustedTokens, type OidcIssuer, parseToken } from "./trusted-tokens.ts";

/** An issuer whose tokens say whom a step works for. */
export type PrincipalIssuer = OidcIssuer & {
  /** The claims that are kept. */
  readonly claims: readonly string[];
};

const FIELD = "principal_token";

/** Judges tokens of these issuers: ID tokens, and access tokens that are JWTs. */
export function createOidcPrincipals({
  issuers,
  clock,
}: {
  readonly issuers: readonly PrincipalIssuer[];
  readonly clock: Clock;
}): PrincipalTokens {
  const tokens = createTrustedTokens(issuers, clock);

  return {
    nameIn(compact) {
      const { iss, sub } = refusing(() => parseToken(compact)).claims;
      return checkPrincipalName({ iss, sub }, FIELD);
    },
    async verify(compact) {
      const token = refusing(() => parseToken(compact));
      const { issuer, expiresAt } = await tokens.verify(token).catch((thrown: unknown) => {
        throw thrown instanceof TokenRefusal ? errorFor(thrown) : thrown;
      });
      const { iss, sub } = token.claims;
      const verified = { ...checkPrincipalName({ iss, sub }, FIELD), claims: claimsKept(token.claims, issuer.claims) };
      // As for evidence: a token is told from another by its signed part alone.
      return issuer.singleUse ? { ...verified, spends: { sha256: sha256Hex(token.jws.signed), expiresAt } } : verified;
    },
  };
}

function refusing<Value>(act: () => Value): Value {
  try {
    return act();
  } catch (thrown) {
    throw thrown instanceof TokenRefusal ? errorFor(thrown) : thrown;
  }
}

/** The caller is a runtime with an entry, and may know what is wrong with the token that it was given. */
function errorFor({ fault, message: detail }: TokenRefusal): BrokerError {
  switch (fault) {
    case "form":
      return invalidField(FIELD, detail);
    case "issuer":
      return new BrokerError("NOT_ENTITLED", "the issuer of the principal's token is not configured here", { detail });
    case "keys":
      return new BrokerError("NOT_SERVING", "the keys of the principal's issuer can't be had now: try again", {
        detail,
      });
    case "audience":
      return refused("a token for the audience that is configured for its issuer", detail);
    case "times":
      return refused(`a token that is valid now, and for at most ${LIMITS.evidenceTokenSecondsMax} s`, detail);
    case "other":
      return refused("an ID token, or an access token, that its issuer signed", detail);
  }
}

function refused(expected: string, detail: string): BrokerError {
  return new BrokerError("INVALID_FIELD", `${FIELD}: ${expected}`, { metadata: { field: FIELD }, detail });
}
