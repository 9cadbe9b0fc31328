import { concealedToken } from "./concealed-token.ts";

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

/** @throws StintError BROKER_FAILED when the text is no JWS compact serialization */
export function createJwtSvid(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly audience: string;
  readonly expiresAt: Date;
  readonly svid: string;
  /** Absent: Bearer. */
  readonly scheme?: "Bearer" | "DPoP";
}): JwtSvid {
  const { svid: token, scheme = "Bearer", ...shown } = facts;
  const { spiffeId, audience } = shown;
  const name = `JwtSvid(${audience})`;
  return concealedToken(
    token,
    { name, what: "JWT-SVID", facts: shown, json: { spiffeId, audience } },
    { svid: () => token, authorization: () => `${scheme} ${token}` },
  );
}
