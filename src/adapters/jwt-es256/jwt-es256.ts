import { delegationClaims } from "../../domain/delegation-claims.ts";
import { jwtClaims, jwtHeader } from "../../domain/jwt-claims.ts";
import type { SvidFormat } from "../../ports/svid-format.ts";
import { jwsEs256Format } from "./jws-es256.ts";

/**
 * JWT-SVIDs with ES256, delegation tokens among them.
 *
 * @param issuer - the broker's https issuer URL.
 * @see JWT-SVID, contracts section 2
 */
export function jwtEs256Format(issuer: string): SvidFormat {
  return jwsEs256Format("jwt-svid", jwtHeader, (facts) => {
    const { step, jti, delegation } = facts;
    // Infrastructure is issued X.509-SVIDs only.
    if (step === undefined || jti === undefined) throw new TypeError("a JWT-SVID without step or jti");
    if (delegation !== undefined) return delegationClaims(issuer, { ...facts, step, jti, delegation });
    return jwtClaims(issuer, { ...facts, step, jti });
  });
}
