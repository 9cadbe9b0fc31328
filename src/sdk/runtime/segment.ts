import { createHash } from "node:crypto";
import { LIMITS } from "../../domain/limits.ts";

const SEGMENT = /^[A-Za-z0-9._-]+$/;
/** Stands between what people read and what keeps apart; rare enough in real ids that few plain ones need a hash. */
const MARK = "--";
/** 26 base32 characters carry 130 bits: ids may be chosen by strangers, so a collision must not be findable. */
const HASH_CHARACTERS = 26;
const MADE_HERE = new RegExp(`${MARK}[a-z2-7]{${HASH_CHARACTERS}}$`);
const READABLE_CHARACTERS_MAX = LIMITS.segmentBytesMax - MARK.length - HASH_CHARACTERS;
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * A single SPIFFE path segment for a framework's own id, such as a thread id or a node's title: what `run_id`, `step`
 * and `agent` must be.
 *
 * Text that is a segment stays itself. Anything else becomes its readable part and a hash of all of it, and so does a
 * segment that looks like such a result: two different texts never give the same segment. Hence apply it once, to the
 * original id; applied to its own result it gives another one.
 *
 * @param text - any string, also empty, also with unpaired surrogates.
 * @returns 1 to 128 characters of `A-Z a-z 0-9 . _ -`. Never throws.
 * @see SPIFFE-ID section 2.2, contracts section 1
 */
export function segment(text: string): string {
  if (isPlain(text)) return text;
  const readable = text
    .replaceAll(/[^A-Za-z0-9._-]+/g, "-")
    .slice(0, READABLE_CHARACTERS_MAX)
    .replaceAll(/^-+|-+$/g, "");
  return `${readable}${MARK}${hashOf(text)}`;
}

function isPlain(text: string): boolean {
  const fits = text.length <= LIMITS.segmentBytesMax && SEGMENT.test(text);
  return fits && text !== "." && text !== ".." && !MADE_HERE.test(text);
}

/** Over UTF-16 code units, since UTF-8 would make all unpaired surrogates one. */
function hashOf(text: string): string {
  const digest = createHash("sha256").update(Buffer.from(text, "utf16le")).digest();
  let bits = "";
  for (const byte of digest) bits += byte.toString(2).padStart(8, "0");
  let hash = "";
  for (let at = 0; hash.length < HASH_CHARACTERS; at += 5) {
    hash += BASE32.charAt(Number.parseInt(bits.slice(at, at + 5), 2));
  }
  return hash;
}
