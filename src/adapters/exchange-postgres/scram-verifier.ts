import { createHash, createHmac, pbkdf2Sync } from "node:crypto";

/** What PostgreSQL takes by default. RFC 7677 section 4. */
const ITERATIONS = 4_096;
const KEY_BYTES = 32;
export const SALT_BYTES = 16;

/**
 * What PostgreSQL keeps of a password, so that the password itself is in no statement, and in no log of statements.
 *
 * @param password - ASCII: nothing of it has to be prepared (RFC 4013).
 * @param salt - `SALT_BYTES` random bytes.
 * @returns `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`
 * @see RFC 5802 section 3
 */
export function scramVerifier(password: string, salt: Uint8Array): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, KEY_BYTES, "sha256");
  const stored = createHash("sha256").update(hmac(salted, "Client Key")).digest("base64");
  const server = hmac(salted, "Server Key").toString("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${Buffer.from(salt).toString("base64")}$${stored}:${server}`;
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}
