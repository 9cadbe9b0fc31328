import { hashes, verify as verifyEd25519 } from "@noble/ed25519";
import { sha256, sha512 } from "@noble/hashes/sha2.js";

/*
 * What `domain` and `verify` use of `node:crypto` to check what a ledger gives out, for the browser: SHA-256, and Ed25519 by keys in the form
 * of a JWK. The browser's own cryptography answers later, and these checks are made at once.
 */

hashes.sha512 = sha512;

/** @throws RangeError for anything but SHA-256 */
export function hash(
  algorithm: string,
  data: Uint8Array | string,
  output: "hex" | "buffer" = "hex",
): string | Uint8Array {
  if (algorithm !== "sha256") throw new RangeError(`no hash ${algorithm} in the browser`);
  const digest = Buffer.from(sha256(typeof data === "string" ? new TextEncoder().encode(data) : Uint8Array.from(data)));
  return output === "buffer" ? digest : digest.toString("hex");
}

/** A public key of Ed25519. */
type BrowserKey = { readonly publicKey: Uint8Array };

/** @throws RangeError for anything but an Ed25519 key as a JWK */
export function createPublicKey({
  key,
  format,
}: {
  readonly key: { readonly crv?: string; readonly x?: string };
  readonly format: string;
}): BrowserKey {
  if (format !== "jwk" || key.crv !== "Ed25519" || key.x === undefined)
    throw new RangeError("expected an Ed25519 key as a JWK");
  return { publicKey: Uint8Array.from(Buffer.from(key.x, "base64url")) };
}

/** Whether a signature of Ed25519 holds. RFC 8032 section 5.1.7 */
export function verify(_algorithm: null, data: Uint8Array, { publicKey }: BrowserKey, signature: Uint8Array): boolean {
  // The rules of Node.js: cofactorless, and no points that are not written in the one way.
  return verifyEd25519(Uint8Array.from(signature), Uint8Array.from(data), publicKey, { zip215: false });
}

// Imported by modules of which the browser runs other functions.
export const constants = {};
export const createHash = unavailable;
export const createHmac = unavailable;
export const timingSafeEqual = unavailable;

function unavailable(): never {
  throw new RangeError("not in the browser");
}
