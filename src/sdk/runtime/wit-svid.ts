import { type KeyObject, randomBytes } from "node:crypto";
import { sha256Of } from "../../verify/proof-key.ts";
import { withoutQuery } from "../../verify/target-uri.ts";
import { concealedToken } from "./concealed-token.ts";
import { signJws } from "./jws.ts";

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
   * The value of the `Authorization` header of one request: `WPT` and a Workload Proof Token. Good for half a minute, and no
   * longer than the WIT-SVID.
   *
   * @param request.url - of the request; query and fragment are left out of the proof.
   * @param request.txnToken - that the request's `Txn-Token` is, where it has one. What the proof does not name is refused.
   * @see draft-ietf-wimse-wpt, section Workload Proof Token
   */
  authorization(request: WitProvenRequest): string;
  /** `WitSvid(<SPIFFE ID>)` */
  toString(): string;
  toJSON(): { readonly spiffeId: string; readonly expiresAt: string };
};

export type WitProvenRequest = {
  readonly url: string;
  readonly txnToken?: string | undefined;
};

/** Half of what verifiers take unless they are told otherwise: the rest is for clocks that differ. */
const PROOF_SECONDS = 30;
/** So that nobody can guess the id of a proof, and no two proofs have the same. */
const PROOF_ID_BYTES = 16;

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
  const witExpiresAt = Math.floor(shown.expiresAt.getTime() / 1_000);
  const wth = sha256Of(wit);
  function authorization({ url, txnToken }: WitProvenRequest): string {
    const claims = {
      aud: withoutQuery(url),
      exp: Math.min(Math.floor(Date.now() / 1_000) + PROOF_SECONDS, witExpiresAt),
      jti: randomBytes(PROOF_ID_BYTES).toString("base64url"),
      wth,
      ...(txnToken !== undefined && { tth: sha256Of(txnToken) }),
    };
    return `WPT ${signJws({ typ: "wpt+jwt" }, claims, privateKey)}`;
  }
  const { spiffeId } = shown;
  const name = `WitSvid(${spiffeId})`;
  return concealedToken(
    wit,
    { name, what: "WIT-SVID", facts: shown, json: { spiffeId } },
    { svid: () => wit, authorization },
  );
}
