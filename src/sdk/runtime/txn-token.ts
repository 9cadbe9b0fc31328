import { concealedToken } from "./concealed-token.ts";

/**
 * A transaction token: what the step may do at one location. It is worth nothing by itself, only in a request that proves a
 * WIT-SVID of the step and names the token in its proof. The token is reached by `token()` alone: printing, inspecting,
 * logging or serializing the object shows its location and expiry.
 */
export type TxnToken = {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly location: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /** The token itself, the value of a `Txn-Token` header. It is never one for `Authorization`. */
  token(): string;
  /** `TxnToken(<location>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly location: string; readonly expiresAt: string };
};

/** @throws StintError BROKER_FAILED when the text is no JWS compact serialization */
export function createTxnToken(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly location: string;
  readonly expiresAt: Date;
  readonly token: string;
}): TxnToken {
  const { token, ...shown } = facts;
  const { spiffeId, location } = shown;
  const name = `TxnToken(${location})`;
  const json = { spiffeId, location };
  return concealedToken(token, { name, what: "transaction token", facts: shown, json }, { token: () => token });
}
