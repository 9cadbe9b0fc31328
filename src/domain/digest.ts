import { hash } from "node:crypto";

/** SHA-256 of bytes, or of text as UTF-8, in lower-case hexadecimal. */
export function sha256Hex(data: Uint8Array | string): string {
  return hash("sha256", data, "hex");
}
