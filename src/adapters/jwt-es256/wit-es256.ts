import { witClaims, witHeader } from "../../domain/wit-claims.ts";
import type { SvidFormat } from "../../ports/svid-format.ts";
import { jwsEs256Format } from "./jws-es256.ts";

/**
 * WIT-SVIDs with ES256, bound to a P-256 key.
 *
 * @see WIT-SVID, contracts section 2
 */
export function witEs256Format(): SvidFormat {
  return jwsEs256Format("wit-svid", witHeader, (facts) => {
    const { step, jti, publicKey } = facts;
    if (step === undefined || jti === undefined || publicKey === undefined) {
      throw new TypeError("a WIT-SVID without step, jti or key");
    }
    return witClaims({ ...facts, step, jti, publicKey });
  });
}
