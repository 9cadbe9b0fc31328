import { hash } from "node:crypto";

/** SHA-256 of bytes, or of text as UTF-8, in lower-case hexadecimal. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash("sha256", data, "hex");
}

/**
 * The digest by which an event names things without listing them: SHA-256, hexadecimal, of the sorted ids, each
 * followed by a line feed.
 */
export function digestOfIds(ids: readonly string[]): string {
  const lines = ids.map((id) => `${id}\n`).sort();
  return sha256Hex(lines.join(""));
}
