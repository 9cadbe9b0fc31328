/** Texts each once, in the order of their UTF-16 code units, so that the same set is always the same list. */
export function sortedSet<Text extends string>(texts: Iterable<Text>): readonly Text[] {
  return [...new Set(texts)].sort();
}
