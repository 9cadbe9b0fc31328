import { txnClaims, txnHeader } from "../../domain/txn-claims.ts";
import type { SvidFormat } from "../../ports/svid-format.ts";
import { jwsEs256Format } from "./jws-es256.ts";

/**
 * Transaction tokens with ES256, for one location each.
 *
 * @param issuer - the broker's https issuer URL.
 * @see draft-ietf-oauth-transaction-tokens
 */
export function txnTokenEs256Format(issuer: string): SvidFormat {
  return jwsEs256Format("txn-token", txnHeader, (facts) => {
    const { step, jti, audiences } = facts;
    const [location, ...more] = audiences;
    if (step === undefined || jti === undefined || location === undefined || more.length > 0) {
      throw new TypeError("a transaction token without step or jti, or not for one location");
    }
    // A slow clock at a verifier must not refuse it, hence not the instant of issuing: there is no `nbf` beside `iat`.
    return txnClaims(issuer, { ...facts, step, jti, location, issuedAt: facts.notBefore });
  });
}
