import { createHash } from "node:crypto";
import { anyCanonicalJson } from "../../domain/any-canonical-json.ts";

/**
 * What stands for the arguments of a call where the arguments themselves are nobody's business: SHA-256, 32 bytes, of
 * their canonical JSON, so that the same arguments have the same digest whoever wrote them down.
 *
 * @param args - as JSON has them; `undefined`, no arguments, is the same as an empty object.
 * @throws RangeError where they are nested too deeply
 * @see RFC 8785
 */
export function argumentsSha256(args: unknown): Uint8Array {
  return createHash("sha256")
    .update(anyCanonicalJson(args ?? {}))
    .digest();
}
