/** Bits of each byte's code. The code is canonical, so its lengths are all there is to it. RFC 7541, appendix B. */
// biome-ignore format: the table of the RFC, 32 bytes a line
const CODE_BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
] as const;
const END_OF_STRING = 256;
const LENGTHS: readonly number[] = [...CODE_BITS, 30];
/** More padding than this is malformed. */
const PADDING_BITS_MAX = 7;

/** The codes of one length: the first of them, and the symbols from that one on. */
type CodesOfLength = { readonly first: number; readonly symbols: readonly number[] };

const CODES: readonly CodesOfLength[] = canonicalCodes();

function canonicalCodes(): CodesOfLength[] {
  const codes: CodesOfLength[] = [];
  let first = 0;
  for (let bits = 0; bits <= 30; bits += 1) {
    const symbols = LENGTHS.flatMap((length, symbol) => (length === bits ? [symbol] : []));
    codes.push({ first, symbols });
    first = (first + symbols.length) * 2;
  }
  return codes;
}

/**
 * Where a Huffman-coded string has a symbol.
 *
 * @param symbol - a byte.
 * @returns for each occurrence the offset in bits of its code; `undefined` for a string that is malformed.
 * @see RFC 7541 section 5.2
 */
export function offsetsInHuffman(string: Uint8Array, symbol: number): readonly number[] | undefined {
  const found: number[] = [];
  let code = 0;
  let bits = 0;
  for (let offset = 0; offset < string.length * 8; offset += 1) {
    const byte = string[offset >> 3] ?? 0;
    code = code * 2 + ((byte >> (7 - (offset & 7))) & 1);
    bits += 1;
    const { first, symbols } = CODES[bits] ?? { first: 0, symbols: [] };
    const decoded = symbols[code - first];
    if (decoded === undefined) continue;
    if (decoded === END_OF_STRING) return undefined;
    if (decoded === symbol) found.push(offset + 1 - bits);
    code = 0;
    bits = 0;
  }
  // What is left must be the beginning of the code of the end, which is all ones.
  return bits <= PADDING_BITS_MAX && code === 2 ** bits - 1 ? found : undefined;
}
