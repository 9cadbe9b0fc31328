import { inspect } from "node:util";
import { isCompactJws } from "./jws.ts";
import { StintError } from "./stint-error.ts";

/**
 * A JWT-SVID for one audience. The token is reached by `svid()` alone: printing, inspecting, logging or serializing
 * the object shows its audience and expiry.
 */
export type JwtSvid = {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly audience: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /**
   * The token itself, in JWS compact serialization. A bearer secret until `expiresAt` or the step's end, unless it is bound
   * to something.
   */
  svid(): string;
  /** The value of an Authorization header: `Bearer <token>`, or `DPoP <token>` for one that is bound to such a key. */
  authorization(): string;
  /** `JwtSvid(<audience>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly audience: string; readonly expiresAt: string };
};

/**
 * @throws StintError BROKER_FAILED when the text is no JWS compact serialization: put into a header it would come back
 * in the text of an error
 */
export function createJwtSvid(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly audience: string;
  readonly expiresAt: Date;
  readonly svid: string;
  /** Absent: Bearer. */
  readonly scheme?: "Bearer" | "DPoP";
}): JwtSvid {
  // Held by closures: an inspector that shows hidden or private members still finds functions only.
  const { svid: token, scheme = "Bearer", ...shown } = facts;
  if (!isCompactJws(token)) throw new StintError("BROKER_FAILED", "the broker's answer holds no JWT-SVID");
  const text = `JwtSvid(${shown.audience})`;
  const printed = { [inspect.custom]: () => `${text} until ${shown.expiresAt.toISOString()}` };
  return Object.freeze({
    ...shown,
    ...printed,
    svid: () => token,
    authorization: () => `${scheme} ${token}`,
    toString: () => text,
    toJSON: () => ({
      spiffeId: shown.spiffeId,
      audience: shown.audience,
      expiresAt: shown.expiresAt.toISOString(),
    }),
  });
}
