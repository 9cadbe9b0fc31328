/**
 * The canonical JSON of whatever JSON has, `null` and fractions too: for digests of what others have made. What the ledger
 * itself says is `canonicalJson`, which takes less.
 *
 * @param value - as `JSON.parse` gives it. Numbers and strings are written as `JSON.stringify` does, which is what the RFC
 *   took for its own; so a lone surrogate, which the RFC refuses, is an escape.
 * @throws RangeError for what is nested too deeply
 * @see RFC 8785 section 3.2
 */
export function anyCanonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(anyCanonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  // The default order is that of UTF-16 code units.
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${anyCanonicalJson(member)}`).join(",")}}`;
}
