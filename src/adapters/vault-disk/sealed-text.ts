import { createCipheriv, createDecipheriv } from "node:crypto";

const CIPHER = "aes-256-gcm";
export const SEAL_NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** With what something is sealed. */
export type SealTerms = {
  /** 32 bytes. */
  readonly key: Uint8Array;
  /** Whose it is, authenticated too: what was sealed for one can't be passed off as another's. */
  readonly owner: string;
};

/**
 * Seals a text by AES-256-GCM: nonce, ciphertext and tag.
 *
 * @param nonce - `SEAL_NONCE_BYTES` random bytes.
 */
export function sealText(text: string, { key, owner }: SealTerms, nonce: Uint8Array): Buffer {
  const cipher = createCipheriv(CIPHER, key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(owner));
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** @throws Error when it was changed since, or sealed with another key or for another owner */
export function unsealedText(sealed: Uint8Array, { key, owner }: SealTerms): string {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, SEAL_NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(owner));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(SEAL_NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString();
}
