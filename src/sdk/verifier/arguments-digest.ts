import { createHash } from "node:crypto";

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
    .update(canonical(args ?? {}))
    .digest();
}

/** Numbers and strings are written as `JSON.stringify` does, which is what the RFC took for its own. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  // The default order is that of UTF-16 code units.
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}
