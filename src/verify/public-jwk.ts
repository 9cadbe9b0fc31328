import { createPublicKey } from "node:crypto";
import { invalidField } from "../domain/errors.ts";
import { keyRefused } from "../domain/public-key.ts";
import { parseStrictObject } from "../domain/strict-json.ts";

const MEMBERS: readonly string[] = ["kty", "crv", "x", "y", "alg"];

/**
 * The P-256 key of a public JWK.
 *
 * @param text - JSON, no member twice.
 * @returns SubjectPublicKeyInfo, DER.
 * @throws BrokerError INVALID_FIELD for a text that is no public JWK, KEY_REFUSED for a key of another kind or a point
 *   off its curve
 * @see RFC 7517 section 4, RFC 7518 section 6.2.1
 */
export function publicKeyOfJwk(text: string, field: string): Uint8Array {
  const jwk = parseStrictObject(Buffer.from(text));
  if (jwk === undefined) throw invalidField(field, "a JSON object, no member twice");
  if ("d" in jwk) throw invalidField(field, "a public key; this one is private, and to be replaced");
  if (Object.keys(jwk).some((name) => !MEMBERS.includes(name))) throw invalidField(field, `only ${MEMBERS.join(", ")}`);
  const { kty, crv, x, y, alg = "ES256" } = jwk;
  if (kty !== "EC" || crv !== "P-256" || alg !== "ES256") throw keyRefused("not a P-256 key for ES256");
  if (typeof x !== "string" || typeof y !== "string") throw invalidField(field, "x and y, base64url");
  try {
    const key = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
    return new Uint8Array(key.export({ type: "spki", format: "der" }));
  } catch {
    throw keyRefused("not a point of its curve");
  }
}
