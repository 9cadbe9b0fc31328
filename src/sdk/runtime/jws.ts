import { type KeyObject, sign } from "node:crypto";
import { base64urlOf } from "../../domain/base64url.ts";

const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Whether a text is what a header can take as a token. RFC 7515 section 7.1. */
export function isCompactJws(text: string): boolean {
  return COMPACT.test(text);
}

/** The members of a public P-256 JWK, and no others. RFC 7518 section 6.2.1. */
export function publicJwkOf(publicKey: KeyObject): {
  readonly [name in "kty" | "crv" | "x" | "y"]: string | undefined;
} {
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  return { kty, crv, x, y };
}

/**
 * Signs claims with a P-256 key.
 *
 * @param header - beside `alg`.
 * @returns JWS compact serialization
 * @see RFC 7515 section 7.1, RFC 7518 section 3.4
 */
export function signJws(header: object, claims: object, privateKey: KeyObject): string {
  const signed = `${partOf({ alg: "ES256", ...header })}.${partOf(claims)}`;
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${base64urlOf(signature)}`;
}

function partOf(value: object): string {
  return base64urlOf(Buffer.from(JSON.stringify(value)));
}
