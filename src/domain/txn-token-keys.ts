import type { Authority } from "./authority.ts";
import { type KeysByKid, parseBundleJson, tokenKeysIn } from "./bundle.ts";
import { type EcJwk, ecJwkOf } from "./public-key.ts";

/** What the keys of transaction tokens are for; a value that SPIFFE does not know, and no JWT library takes for `sig`. */
const USE = "txn-token";

/** The keys of transaction tokens, as verifiers are told them on the feed and nowhere else. */
export type TxnTokenKeySet = {
  readonly keys: readonly (EcJwk & { readonly use: typeof USE; readonly kid: string })[];
};

export function txnTokenKeySet(authorities: readonly Authority[]): TxnTokenKeySet {
  return {
    keys: authorities
      .filter(({ family }) => family === "txn-token")
      .map(({ authorityId, publicKey }) => ({ use: USE, kid: authorityId, ...ecJwkOf(publicKey) })),
  };
}

/**
 * Reads such keys. Elements for another use are passed over.
 *
 * @param text - JSON; the caller bounds its size.
 * @throws BrokerError INVALID_FIELD
 */
export function parseTxnTokenKeySet(text: string, field = "txn_token_jwks"): KeysByKid {
  return tokenKeysIn(parseBundleJson(text, field), USE, field);
}
