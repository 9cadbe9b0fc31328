import { sha256Hex } from "../../domain/digest.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Clock } from "../../ports/clock.ts";
import type { EvidenceAttestor } from "../../ports/evidence-attestor.ts";
import { isLegacyServiceAccountToken, kubernetesSelectorsOf } from "./kubernetes-claims.ts";
import { TokenRefusal } from "./token-refusal.ts";
import { selectorsOf } from "./token-selectors.ts";
import { createTrustedTokens, type OidcIssuer, parseToken } from "./trusted-tokens.ts";

/** An issuer whose tokens are evidence. */
export type EvidenceIssuer = OidcIssuer & {
  /** The cluster whose API server the issuer is: its tokens are those that Kubernetes projects into pods, and no others. */
  readonly kubernetesCluster?: string;
};

/** Attests whoever has a token of a trusted issuer: an ID token, or an access token that is a JWT. */
export function createOidcAttestor({
  issuers,
  clock,
}: {
  readonly issuers: readonly EvidenceIssuer[];
  readonly clock: Clock;
}): EvidenceAttestor {
  const tokens = createTrustedTokens(issuers, clock);

  return {
    async attest(evidence) {
      try {
        const token = parseToken(Buffer.from(evidence).toString("latin1"));
        if (isLegacyServiceAccountToken(token.claims)) {
          const detail = "a service account's token from a Secret, which is for no audience: show a projected one";
          throw new TokenRefusal("issuer", detail);
        }
        const { issuer, expiresAt } = await tokens.verify(token);
        const ofClaims = selectorsOf(token.claims);
        if (ofClaims === undefined) throw new TokenRefusal("other", `more than ${LIMITS.evidenceSelectorsMax} claims`);
        const { kubernetesCluster: cluster } = issuer;
        const ofPod = cluster === undefined ? [] : kubernetesSelectorsOf(token.claims, cluster);
        const selectors = new Set([...ofClaims, ...ofPod]);
        // One ECDSA signature can be written in two ways, so a token is told from another by its signed part alone.
        return issuer.singleUse
          ? { selectors, spends: { sha256: sha256Hex(token.jws.signed), expiresAt } }
          : { selectors };
      } catch (thrown) {
        throw thrown instanceof TokenRefusal ? errorFor(thrown) : thrown;
      }
    },
  };
}

/** A stranger is told what is wrong with the form, and nothing else. */
function errorFor({ fault, message: detail }: TokenRefusal): BrokerError {
  switch (fault) {
    case "form":
      return invalidField("oidc_token", detail);
    case "issuer":
      return new BrokerError("NO_IDENTITY", "the token's issuer is not trusted here", { detail });
    case "keys":
      return new BrokerError("NO_IDENTITY", "the keys of the token's issuer can't be had", { detail });
    case "audience":
    case "times":
    case "other":
      return new BrokerError("NO_IDENTITY", "the token is not accepted here", { detail });
  }
}
