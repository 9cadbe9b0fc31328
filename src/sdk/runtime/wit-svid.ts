import { type KeyObject, randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { sha256Of } from "../../verify/proof-key.ts";
import { withoutQuery } from "../../verify/target-uri.ts";
import { isCompactJws, signJws } from "./jws.ts";
import { StintError } from "./stint-error.ts";

/**
 * A WIT-SVID with the key that was made for it in this process. It says which step this is and grants nothing, and it is
 * worth nothing without a proof of its key, which is made here and nowhere else. Printing, inspecting, logging or
 * serializing the object shows its SPIFFE ID and expiry.
 */
export type WitSvid = {
  readonly issuanceId: string;
  readonly spiffeId: string;
  /** Exclusive. */
  readonly expiresAt: Date;
  /** The token itself, the value of a `Workload-Identity-Token` header. It is never one for `Authorization`. */
  svid(): string;
  /**
   * A Workload Proof Token for one request, the value of its `Workload-Proof-Token` header. Good for half a minute, and no
   * longer than the WIT-SVID.
   *
   * @param request.url - of the request; query and fragment are left out of the proof.
   * @param request.token - that stands in the request's `Authorization`, where one does.
   * @param request.transactionToken - that the request's `Txn-Token` is, where it has one.
   * @see draft-ietf-wimse-wpt, section Workload Proof Token
   */
  proof(request: WitProvenRequest): string;
  /** `WitSvid(<SPIFFE ID>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly expiresAt: string };
};

export type WitProvenRequest = {
  readonly url: string;
  readonly token?: string | undefined;
  readonly transactionToken?: string | undefined;
};

/** Half of what verifiers take unless they are told otherwise: the rest is for clocks that differ. */
const PROOF_SECONDS = 30;

/**
 * @param facts.privateKey - of the P-256 key that the token names.
 * @throws StintError BROKER_FAILED when the text is no JWS compact serialization
 */
export function createWitSvid(facts: {
  readonly issuanceId: string;
  readonly spiffeId: string;
  readonly expiresAt: Date;
  readonly svid: string;
  readonly privateKey: KeyObject;
}): WitSvid {
  const { svid: wit, privateKey, ...shown } = facts;
  if (!isCompactJws(wit)) throw new StintError("BROKER_FAILED", "the broker's answer holds no WIT-SVID");
  const witExpiresAt = Math.floor(shown.expiresAt.getTime() / 1_000);
  const wth = sha256Of(wit);
  const text = `WitSvid(${shown.spiffeId})`;
  const printed = { [inspect.custom]: () => `${text} until ${shown.expiresAt.toISOString()}` };
  return Object.freeze({
    ...shown,
    ...printed,
    svid: () => wit,
    proof({ url, token, transactionToken }: WitProvenRequest): string {
      const claims = {
        aud: withoutQuery(url),
        exp: Math.min(Math.floor(Date.now() / 1_000) + PROOF_SECONDS, witExpiresAt),
        jti: randomUUID(),
        wth,
        ...(token !== undefined && { ath: sha256Of(token) }),
        ...(transactionToken !== undefined && { tth: sha256Of(transactionToken) }),
      };
      return signJws({ typ: "wpt+jwt" }, claims, privateKey);
    },
    toString: () => text,
    toJSON: () => ({ spiffeId: shown.spiffeId, expiresAt: shown.expiresAt.toISOString() }),
  });
}
