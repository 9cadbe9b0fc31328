import { TAG } from "./der.ts";
import type { UnixSeconds } from "./time.ts";

/** One element of DER: its identifier octet, its content, and the whole as it stood in the input. */
export type DerElement = { readonly tag: number; readonly content: Uint8Array; readonly encoded: Uint8Array };

/** The only error that the reader throws, whatever bytes it is given. */
export class DerError extends Error {
  override readonly name = "DerError";
}

/** Nothing read here is larger: a CSR is checked to be smaller, a CA certificate is about 500 bytes. */
export const DER_BYTES_MAX = 64 * 1024;

/** A name within an extension within a request is 12 deep; recursion has to end somewhere. */
export const DER_DEPTH_MAX = 24;

/** The longest object identifier in use is 11 bytes; one with a UUID arc would be 20. */
const OID_BYTES_MAX = 32;
/** The largest arc that Go's parser takes. */
const OID_ARC_MAX = 2 ** 31 - 1;

const CLASS_BITS = 0xc0;
const CONSTRUCTED_BIT = 0x20;
const NUMBER_BITS = 0x1f;
const SEQUENCE_NUMBER = TAG.sequence & NUMBER_BITS;
const SET_NUMBER = TAG.set & NUMBER_BITS;

/**
 * Reads one element of this tag that fills the input to the last byte.
 *
 * Strict: definite lengths in their shortest form, one-octet tags, nothing behind the end. Looks at the element's own
 * header only; `checkNested` looks at everything inside the element.
 *
 * @throws DerError
 * @see X.690 section 10
 */
export function parseDer(bytes: Uint8Array, tag: number): DerElement {
  if (bytes.length > DER_BYTES_MAX) throw new DerError(`more than ${DER_BYTES_MAX} bytes`);
  const element = readElement(bytes);
  if (element.tag !== tag) throw new DerError("another type than expected");
  if (element.encoded.length !== bytes.length) throw new DerError("bytes behind the end");
  return element;
}

/**
 * The elements inside a constructed element, in order.
 *
 * @throws DerError
 */
export function elementsOf(element: DerElement): readonly DerElement[] {
  if ((element.tag & CONSTRUCTED_BIT) === 0) throw new DerError("not a constructed element");
  const elements: DerElement[] = [];
  let rest = element.content;
  while (rest.length > 0) {
    const inner = readElement(rest);
    elements.push(inner);
    rest = rest.subarray(inner.encoded.length);
  }
  return elements;
}

/**
 * The elements inside a constructed element, which must be exactly of these tags, in this order.
 *
 * @throws DerError when there is an element more, an element less or another tag
 */
export function membersOf<const Tags extends readonly number[]>(
  element: DerElement,
  ...tags: Tags
): { readonly [Index in keyof Tags]: DerElement } {
  const elements = elementsOf(element);
  const asExpected = elements.length === tags.length && elements.every((inner, index) => inner.tag === tags[index]);
  if (!asExpected) throw new DerError("other elements than expected");
  return elements as unknown as { readonly [Index in keyof Tags]: DerElement };
}

/**
 * Checks that everything inside is DER as well, down to the primitives: a part that nobody reads here must not hide
 * something that another parser would read differently.
 *
 * @throws DerError
 */
export function checkNested(element: DerElement, depthLeft = DER_DEPTH_MAX): void {
  if ((element.tag & CONSTRUCTED_BIT) === 0) return;
  if (depthLeft === 0) throw new DerError(`more than ${DER_DEPTH_MAX} levels`);
  for (const inner of elementsOf(element)) checkNested(inner, depthLeft - 1);
}

function readElement(bytes: Uint8Array): DerElement {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) throw new DerError("ends within a header");
  checkTag(tag);
  let start = 2;
  let length = first;
  if (first >= 0x80) {
    const octets = first & 0x7f;
    // 0x80 alone is the indefinite form, which is BER.
    if (octets === 0 || octets > 3) throw new DerError("a length that is indefinite or too large");
    start += octets;
    if (start > bytes.length) throw new DerError("ends within a header");
    length = bytes.subarray(2, start).reduce((sum, octet) => sum * 0x100 + octet, 0);
    if (length < 0x80 || length < 0x100 ** (octets - 1)) throw new DerError("a length not in its shortest form");
  }
  const end = start + length;
  if (end > bytes.length) throw new DerError("ends within its content");
  return { tag, content: bytes.subarray(start, end), encoded: bytes.subarray(0, end) };
}

function checkTag(tag: number): void {
  const number = tag & NUMBER_BITS;
  if (number === NUMBER_BITS) throw new DerError("a tag of more than one octet");
  if ((tag & CLASS_BITS) !== 0) return;
  if (number === 0) throw new DerError("an end-of-contents mark");
  // Of the universal types only SEQUENCE and SET are constructed, and they always are; a string in pieces is BER.
  const isCollection = number === SEQUENCE_NUMBER || number === SET_NUMBER;
  if (((tag & CONSTRUCTED_BIT) !== 0) !== isCollection) throw new DerError("a universal type in the wrong form");
}

/**
 * The content of a BIT STRING of whole bytes.
 *
 * @throws DerError
 */
export function bitsOf(element: DerElement): Uint8Array {
  if (element.tag !== TAG.bitString || element.content[0] !== 0) throw new DerError("not a bit string of whole bytes");
  return element.content.subarray(1);
}

/**
 * The big-endian bytes of a positive INTEGER, without leading zero bytes.
 *
 * @throws DerError for zero, a negative number, or a number that is not in its shortest form
 */
export function positiveOf(element: DerElement): Uint8Array {
  const [first, second] = element.content;
  if (element.tag !== TAG.integer || first === undefined) throw new DerError("not an integer");
  if (first >= 0x80 || (first === 0 && second === undefined)) throw new DerError("not a positive integer");
  if (first !== 0) return element.content;
  if (second === undefined || second < 0x80) throw new DerError("an integer not in its shortest form");
  return element.content.subarray(1);
}

/**
 * The dotted text of an OBJECT IDENTIFIER.
 *
 * @throws DerError also for an identifier that is longer than any in use
 */
export function dottedOf(element: DerElement): string {
  const { tag, content } = element;
  const isComplete = content.length > 0 && (content[content.length - 1] ?? 0x80) < 0x80;
  if (tag !== TAG.oid || !isComplete || content.length > OID_BYTES_MAX) throw new DerError("not an object identifier");
  const arcs: number[] = [];
  let arc = 0;
  let isFirstOctet = true;
  for (const octet of content) {
    if (isFirstOctet && octet === 0x80) throw new DerError("an arc not in its shortest form");
    arc = arc * 0x80 + (octet & 0x7f);
    if (arc > OID_ARC_MAX) throw new DerError("an arc larger than any in use");
    isFirstOctet = octet < 0x80;
    if (!isFirstOctet) continue;
    arcs.push(arc);
    arc = 0;
  }
  const [joined = 0, ...rest] = arcs;
  const root = Math.min(Math.floor(joined / 40), 2);
  return [root, joined - root * 40, ...rest].join(".");
}

/**
 * An INTEGER that is zero or positive, as a count.
 *
 * @throws DerError also for a number that is larger than any count here
 */
export function countOf(element: DerElement): number {
  const isZero = element.tag === TAG.integer && element.content.length === 1 && element.content[0] === 0;
  if (isZero) return 0;
  const magnitude = positiveOf(element);
  if (magnitude.length > COUNT_BYTES_MAX) throw new DerError("a count larger than any in use");
  return magnitude.reduce((sum, octet) => sum * 0x100 + octet, 0);
}

/** Far above every path length there is. */
const COUNT_BYTES_MAX = 4;

/**
 * Accepts a BOOLEAN only if it is TRUE: every BOOLEAN read here is FALSE by default, and DER leaves defaults out.
 *
 * @throws DerError
 * @see X.690 section 11.1 and 11.5
 */
export function checkTrue(element: DerElement): void {
  const isTrue = element.tag === TAG.boolean && element.content.length === 1 && element.content[0] === 0xff;
  if (!isTrue) throw new DerError("a boolean that is not TRUE");
}

/**
 * The numbers of the bits that are set in a BIT STRING of named bits, the most significant being bit 0.
 *
 * @throws DerError for a BIT STRING with zero bits at its end, which DER drops
 * @see X.690 section 11.2.2
 */
export function namedBitsOf(element: DerElement): ReadonlySet<number> {
  const [unused, ...octets] = element.content;
  if (element.tag !== TAG.bitString || unused === undefined || unused > 7) throw new DerError("not a bit string");
  const last = octets[octets.length - 1] ?? 0;
  const isShortest = octets.length === 0 ? unused === 0 : (last & (2 ** (unused + 1) - 1)) === 2 ** unused;
  if (!isShortest) throw new DerError("named bits not in their shortest form");
  return new Set(
    octets.flatMap((octet, index) =>
      [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (octet & (0x80 >> bit)) !== 0).map((bit) => 8 * index + bit),
    ),
  );
}

/** From 2050 on a year is written with four digits, and before 2050 always with two. */
const FIRST_YEAR_OF_FOUR_DIGITS = 2_050;

/**
 * The instant of a certificate's Time: UTCTime through 2049 and GeneralizedTime from then on, whole seconds and `Z`.
 *
 * @throws DerError also for a day or an hour that does not exist
 * @see RFC 5280 section 4.1.2.5
 */
export function instantOf(element: DerElement): UnixSeconds {
  const text = Buffer.from(element.content).toString("latin1");
  const isShort = element.tag === TAG.utcTime;
  if (!isShort && element.tag !== TAG.generalizedTime) throw new DerError("not a time");
  const digits = (isShort ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text) ? text : undefined;
  if (digits === undefined) throw new DerError("a time in another form than whole seconds and Z");
  const year = isShort ? ofTwoDigits(Number(digits.slice(0, 2))) : Number(digits.slice(0, 4));
  if (!isShort && year < FIRST_YEAR_OF_FOUR_DIGITS) throw new DerError("a year of four digits before 2050");
  const [month = 0, ...rest] = (digits.slice(isShort ? 2 : 4).match(/\d\d/g) ?? []).map(Number);
  const at = new Date(0);
  at.setUTCFullYear(year, month - 1, rest[0]);
  at.setUTCHours(rest[1] ?? 0, rest[2], rest[3]);
  // A time that does not exist is counted on into the next minute, day or month, and so comes out as another text.
  const printed = at
    .toISOString()
    .replace(/[-:T]/g, "")
    .slice(isShort ? 2 : 0, 14);
  if (`${printed}Z` !== digits) throw new DerError("a time that does not exist");
  return (at.getTime() / 1_000) as UnixSeconds;
}

function ofTwoDigits(year: number): number {
  return year >= 50 ? 1_900 + year : 2_000 + year;
}
