/** Base64url without padding, as JOSE has it. */
export function base64urlOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64url");
}

/** How long the base64url of so many bytes is. */
export function base64urlLength(bytes: number): number {
  return Math.ceil((bytes * 4) / 3);
}

/**
 * Decodes base64url in its one canonical form: no padding, no other characters, no bits left over. Two texts never
 * decode to the same bytes, so that a text that was compared or hashed cannot be written another way.
 *
 * @returns `undefined` for anything else.
 * @see RFC 7515 section 2, RFC 4648 section 3.5
 */
export function bytesOfBase64url(text: string): Uint8Array | undefined {
  return decoded(text, "base64url");
}

/** Decodes base64 with its padding, as in `x5c`, in its one canonical form; `undefined` for anything else. */
export function bytesOfBase64(text: string): Uint8Array | undefined {
  return decoded(text, "base64");
}

function decoded(text: string, encoding: "base64" | "base64url"): Uint8Array | undefined {
  const bytes = Buffer.from(text, encoding);
  // The decoder skips characters that it does not know. The bytes encode to the same text only if it skipped nothing.
  return bytes.toString(encoding) === text ? new Uint8Array(bytes) : undefined;
}
