import { offsetsInHuffman } from "./huffman-code.ts";

/** A byte of a header block, and the bits of it to flip. */
export type Edit = { readonly offset: number; readonly flip: number };

/** An integer as HPACK writes it, and the offset of what comes after. */
type Integer = { readonly value: number; readonly next: number };

const AUTHORITY_INDEX = 1;
const SLASH = 0x2f;
/** What makes a "." of a "/". */
const SLASH_TO_DOT_PLAIN = 0x01;
/** The same between their Huffman codes, 011000 and 010111. */
const SLASH_TO_DOT_HUFFMAN = 0b001111;
const HUFFMAN_CODE_BITS = 6;
/** A path of a unix socket has at most 107 bytes; a longer authority is none, and is left to be refused. */
const AUTHORITY_BYTES_MAX = 256;
/** Enough for 28 bits. A longer integer is left to be refused. */
const INTEGER_BYTES_MAX = 4;

/**
 * What to flip in a header block so that its `:authority` has dots for slashes. No length changes, so that the tables of both
 * ends stay as they would be, and what the field is later referred to by means the same.
 *
 * @param block - a whole header block, of a HEADERS frame and those that continue it.
 * @returns nothing to flip for an authority that is no path; `undefined` for a block that is malformed.
 * @see RFC 7541 section 6
 */
export function pathInAuthority(block: Uint8Array): readonly Edit[] | undefined {
  const edits: Edit[] = [];
  let offset = 0;
  while (offset < block.length) {
    const representation = representationOf(block[offset] ?? 0);
    const index = integerAt(block, offset, representation.prefixBits);
    if (index === undefined) return undefined;
    offset = index.next;
    if (representation.kind !== "literal") continue;
    if (index.value === 0) {
      const name = stringAt(block, offset);
      if (name === undefined) return undefined;
      offset = name.end;
    }
    const value = stringAt(block, offset);
    if (value === undefined) return undefined;
    if (index.value === AUTHORITY_INDEX) {
      const found = editsOf(block.subarray(value.begin, value.end), value.isHuffman);
      if (found === undefined) return undefined;
      for (const { offset: within, flip } of found) edits.push({ offset: value.begin + within, flip });
    }
    offset = value.end;
  }
  return edits;
}

/** Which of the representations a byte begins, and how many of its bits belong to the index. */
function representationOf(byte: number): { readonly kind: "literal" | "other"; readonly prefixBits: number } {
  if (byte >= 0x80) return { kind: "other", prefixBits: 7 };
  if (byte >= 0x40) return { kind: "literal", prefixBits: 6 };
  // An update of the table's size.
  if (byte >= 0x20) return { kind: "other", prefixBits: 5 };
  return { kind: "literal", prefixBits: 4 };
}

function integerAt(block: Uint8Array, offset: number, prefixBits: number): Integer | undefined {
  const first = block[offset];
  if (first === undefined) return undefined;
  const prefix = 2 ** prefixBits - 1;
  let value = first & prefix;
  if (value < prefix) return { value, next: offset + 1 };
  for (let count = 0; count < INTEGER_BYTES_MAX; count += 1) {
    const byte = block[offset + 1 + count];
    if (byte === undefined) return undefined;
    value += (byte & 0x7f) * 2 ** (7 * count);
    if (byte < 0x80) return { value, next: offset + 2 + count };
  }
  return undefined;
}

function stringAt(block: Uint8Array, offset: number) {
  const length = integerAt(block, offset, 7);
  if (length === undefined || length.next + length.value > block.length) return undefined;
  const isHuffman = ((block[offset] ?? 0) & 0x80) !== 0;
  return { isHuffman, begin: length.next, end: length.next + length.value };
}

function editsOf(value: Uint8Array, isHuffman: boolean): readonly Edit[] | undefined {
  if (value.length > AUTHORITY_BYTES_MAX) return [];
  if (isHuffman) return offsetsInHuffman(value, SLASH)?.flatMap(editsAtBit);
  return [...value].flatMap((byte, offset) => (byte === SLASH ? [{ offset, flip: SLASH_TO_DOT_PLAIN }] : []));
}

/** A code of six bits lies in one byte or in two. */
function editsAtBit(bit: number): readonly Edit[] {
  const flip = SLASH_TO_DOT_HUFFMAN << (16 - HUFFMAN_CODE_BITS - (bit & 7));
  const both = [
    { offset: bit >> 3, flip: flip >> 8 },
    { offset: (bit >> 3) + 1, flip: flip & 0xff },
  ];
  return both.filter((edit) => edit.flip !== 0);
}
