import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { base64urlOf } from "../domain/base64url.ts";
import { isObject } from "../domain/strict-json.ts";
import type { Refuse } from "./compact-jws.ts";
import { algorithmsOf, isJwsAlgorithm, type JwsAlgorithm } from "./jws-signature.ts";

/** A key whose possession its presenter is to prove. Anybody may have made the key: nothing follows from it alone. */
export type ProofKey = {
  readonly key: KeyObject;
  readonly algorithm: JwsAlgorithm;
  /** The key's thumbprint. RFC 7638 with SHA-256. */
  readonly jkt: string;
};

/** RFC 7518 section 6.2.2, 6.3.2 and 6.4.1. */
const PRIVATE_MEMBERS = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] as const;

/**
 * Reads the public JWK that a proof or a token brings along.
 *
 * @param algorithm - the algorithm that the presenter names; it must be an algorithm of the key.
 * @throws what `refuse` makes
 * @see RFC 9449 section 4.3, RFC 8725 section 3.4
 */
export function proofKeyOf(jwk: unknown, algorithm: unknown, refuse: Refuse): ProofKey {
  if (!isObject(jwk)) throw refuse("a JWK");
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) {
    throw refuse("a public JWK; this one is private, and to be replaced");
  }
  const key = publicKeyOf(jwk);
  const known = typeof algorithm === "string" && isJwsAlgorithm(algorithm) ? algorithm : undefined;
  if (key === undefined || known === undefined || !algorithmsOf(key).includes(known)) {
    throw refuse("a JWK for one of the algorithms of SVIDs");
  }
  return { key, algorithm: known, jkt: thumbprintOf(key) };
}

function publicKeyOf(jwk: Readonly<Record<string, unknown>>): KeyObject | undefined {
  const { kty, crv, x, y, n, e } = jwk;
  if (kty !== "EC" && kty !== "RSA") return undefined;
  try {
    const members = kty === "EC" ? { kty, crv, x, y } : { kty, n, e };
    return createPublicKey({ key: members as JsonWebKey, format: "jwk" });
  } catch {
    return undefined;
  }
}

/**
 * The thumbprint of a public key: over the key's values and not over a JWK's text, so that a key has only one.
 *
 * @returns base64url
 * @see RFC 7638 section 3
 */
export function thumbprintOf(publicKey: KeyObject): string {
  const { kty, crv, x, y, n, e } = publicKey.export({ format: "jwk" });
  // The required members alone, in the order of their names.
  const required = kty === "EC" ? { crv, kty, x, y } : { e, kty, n };
  return sha256Of(JSON.stringify(required));
}

/** How proofs name tokens, and tokens certificates: SHA-256, base64url. RFC 9449 section 4.2, RFC 8705 section 3.1. */
export function sha256Of(data: string | Uint8Array): string {
  return base64urlOf(createHash("sha256").update(data).digest());
}
