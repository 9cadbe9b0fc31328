import { createHmac, timingSafeEqual } from "node:crypto";
import type { CursorSeal } from "../../ports/cursor-seal.ts";

const TAG_BYTES = 16;

/** Seals with HMAC-SHA-256, cut to 128 bits, in front of the text. */
export function createCursorSeal(key: Uint8Array): CursorSeal {
  /** Kept because a hundred watchers may be given the same cursor, and give it back, at the same time. */
  let newest: { readonly text: string; readonly tag: Uint8Array } = { text: "", tag: tag("") };

  function tag(text: string): Uint8Array {
    return createHmac("sha256", key).update(text).digest().subarray(0, TAG_BYTES);
  }

  return {
    seal(text) {
      if (newest.text !== text) newest = { text, tag: tag(text) };
      return Buffer.concat([newest.tag, Buffer.from(text)]);
    },
    open(cursor) {
      const given = cursor.subarray(0, TAG_BYTES);
      const bytes = Buffer.from(cursor.subarray(TAG_BYTES));
      const text = bytes.toString();
      const own = newest.text === text ? newest.tag : tag(text);
      // Two byte strings that are no UTF-8 may decode to the same text.
      const isWhole = Buffer.from(text).equals(bytes);
      return isWhole && given.length === TAG_BYTES && timingSafeEqual(given, own) ? text : undefined;
    },
  };
}
