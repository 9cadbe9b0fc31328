import { createHmac, timingSafeEqual } from "node:crypto";
import type { CursorSeal } from "../../ports/cursor-seal.ts";

const TAG_BYTES = 16;

/** Seals with HMAC-SHA-256, cut to 128 bits, in front of the text. */
export function createCursorSeal(key: Uint8Array): CursorSeal {
  const tagOf = (text: Uint8Array) => createHmac("sha256", key).update(text).digest().subarray(0, TAG_BYTES);
  return {
    seal(text) {
      const bytes = Buffer.from(text);
      return Buffer.concat([tagOf(bytes), bytes]);
    },
    open(cursor) {
      const text = Buffer.from(cursor.subarray(TAG_BYTES));
      const tag = cursor.subarray(0, TAG_BYTES);
      return tag.length === TAG_BYTES && timingSafeEqual(tag, tagOf(text)) ? text.toString() : undefined;
    },
  };
}
