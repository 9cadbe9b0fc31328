import type { KnownPrincipal, PrincipalName } from "../domain/principal.ts";
import type { EvidenceFacts } from "./evidence-attestor.ts";

/** Of whom a token was verified to be, and the claims that are kept; `spends` as of evidence that counts once. */
export type VerifiedPrincipal = Pick<KnownPrincipal, "iss" | "sub" | "claims"> & Pick<EvidenceFacts, "spends">;

/**
 * Judges the tokens by which runtimes prove whom a step works for. A token is never logged, recorded or repeated, and
 * no error holds a part of a token.
 */
export type PrincipalTokens = {
  /**
   * Of whom a token says it is. Nothing of it is believed: it is only to tell two requests apart.
   *
   * @throws BrokerError INVALID_FIELD `principal_token` for what is no token
   */
  nameIn(token: string): PrincipalName;
  /**
   * @throws BrokerError INVALID_FIELD `principal_token` when the token is not good for this; NOT_ENTITLED when its
   *   issuer is not configured; NOT_SERVING when the issuer's keys can't be had now
   */
  verify(token: string): Promise<VerifiedPrincipal>;
};
