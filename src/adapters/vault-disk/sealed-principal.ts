import type { KnownPrincipal, RecordedPrincipal } from "../../domain/principal.ts";
import { sealText, unsealedText } from "./sealed-text.ts";

/** The key of one principal. Without it, nobody reads what was sealed with it. */
export type PrincipalKey = {
  /** 8 bytes in hexadecimal, of no meaning: a principal who comes back after being erased has another key. */
  readonly keyId: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
};

const KEY_ID_BYTES = 8;
const KEY_BYTES = 32;
/** The key's id and then the key. */
export const PRINCIPAL_KEY_BYTES = KEY_ID_BYTES + KEY_BYTES;

/** A key from the bytes that were kept of it. @throws RangeError */
export function keyFrom(content: Uint8Array): PrincipalKey {
  if (content.length !== PRINCIPAL_KEY_BYTES) throw new RangeError("a principal's key is not as it was written");
  return {
    keyId: Buffer.from(content.subarray(0, KEY_ID_BYTES)).toString("hex"),
    key: content.subarray(KEY_ID_BYTES),
  };
}

/**
 * Seals what is known of a principal: `<key id>.<base64url of nonce, ciphertext and tag>`, AES-256-GCM. What was sealed
 * of one principal can't be passed off as another's: the principal's id is authenticated too.
 *
 * @param nonce - `SEAL_NONCE_BYTES` random bytes.
 */
export function sealPrincipal(
  { principalId, iss, sub, claims }: KnownPrincipal,
  { keyId, key }: PrincipalKey,
  nonce: Uint8Array,
): RecordedPrincipal {
  const sealed = sealText(JSON.stringify({ iss, sub, claims }), { key, owner: principalId }, nonce);
  return { principalId, sealed: `${keyId}.${sealed.toString("base64url")}` };
}

/** The id of the key that something was sealed with. */
export function keyIdOf(sealed: string): string {
  return sealed.slice(0, sealed.indexOf("."));
}

/**
 * What was sealed; `undefined` where the key is another.
 *
 * @throws Error when it was changed since
 */
export function openSealed({ principalId, sealed }: RecordedPrincipal, key: PrincipalKey): KnownPrincipal | undefined {
  if (keyIdOf(sealed) !== key.keyId) return undefined;
  const bytes = Buffer.from(sealed.slice(key.keyId.length + 1), "base64url");
  const text = unsealedText(bytes, { key: key.key, owner: principalId });
  return { principalId, ...(JSON.parse(text) as Omit<KnownPrincipal, "principalId">) };
}
