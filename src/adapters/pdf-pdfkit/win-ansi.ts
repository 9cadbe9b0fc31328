/** What the standard fonts of PDF have beside ASCII and Latin-1: the characters of 0x80 to 0x9F in WinAnsiEncoding. */
const BEYOND_LATIN_1 = new Set("€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ");

/**
 * Text that the standard fonts of PDF can show. Every other character is told by its number, and not left out: two names that differ in
 * one must not look alike.
 *
 * @see ISO 32000-1, annex D
 */
export function winAnsiText(text: string): string {
  return [...text].map((character) => (isShown(character) ? character : numberOf(character))).join("");
}

function isShown(character: string): boolean {
  return /^[\n\x20-\x7e\xa0-\xac\xae-\xff]$/.test(character) || BEYOND_LATIN_1.has(character);
}

function numberOf(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
