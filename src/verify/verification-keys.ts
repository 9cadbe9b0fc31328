import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import type { VerificationJwk } from "../domain/bundle.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import { algorithmsOf, type JwsAlgorithm } from "./jws-signature.ts";

/** A key for one kind of token, ready to verify with. */
export type VerificationKey = { readonly key: KeyObject; readonly algorithms: readonly JwsAlgorithm[] };

/** What verifies the tokens of one trust domain. */
export type JwtBundle = {
  readonly trustDomain: TrustDomain;
  /** By `kid`. Empty: nothing of this trust domain is to be believed. */
  readonly keys: ReadonlyMap<string, VerificationKey>;
  /** Keys of WIT-SVIDs, by `kid`. Absent: the trust domain has none. */
  readonly witKeys?: ReadonlyMap<string, VerificationKey>;
  /** Keys of transaction tokens, by `kid`. Absent: the trust domain has none. */
  readonly txnTokenKeys?: ReadonlyMap<string, VerificationKey>;
  /** What `iss` must be; `undefined` where the trust domain has no single issuer. */
  readonly issuer?: string;
  /** The trust domain of a throw-away broker, whose keys anybody may have made. */
  readonly development?: boolean;
};

/** Bundles by their trust domain; a key is looked up in its own trust domain's bundle and in no other. */
export type BundleSet = ReadonlyMap<TrustDomain, JwtBundle>;

/**
 * Makes the keys of a bundle ready, those of JWT-SVIDs or of WIT-SVIDs, once for all the tokens that they will verify.
 * A key that is malformed, too weak or for an algorithm that SVIDs may not have is left out: only tokens that name this
 * key are then refused.
 *
 * Never throws.
 */
export function verificationKeysOf(jwks: ReadonlyMap<string, VerificationJwk>): ReadonlyMap<string, VerificationKey> {
  const keys = new Map<string, VerificationKey>();
  for (const [kid, jwk] of jwks) {
    const key = verificationKeyOf(jwk);
    if (key !== undefined) keys.set(kid, key);
  }
  return keys;
}

function verificationKeyOf(jwk: VerificationJwk): VerificationKey | undefined {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: jwk as JsonWebKey, format: "jwk" });
  } catch {
    return undefined;
  }
  // The algorithms follow from the key; the bundle's `alg` can only narrow them.
  const algorithms = algorithmsOf(key).filter((name) => jwk.alg === undefined || jwk.alg === name);
  return algorithms.length === 0 ? undefined : { key, algorithms };
}
