import type { UnixSeconds } from "./time.ts";

/** The identifier octets in use here; every tag number fits one octet. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CONTEXT = 0x80;
const CONSTRUCTED = 0x20;

/** `[number] EXPLICIT`, or IMPLICIT of something constructed. */
export function contextConstructed(number: number): number {
  return CONTEXT | CONSTRUCTED | number;
}

/** `[number] IMPLICIT` of a primitive. */
export function contextPrimitive(number: number): number {
  return CONTEXT | number;
}

/** How many octets encode a length: one below 128, else one more than the length has bytes. */
export function lengthOctets(length: number): number {
  if (length < 0x80) return 1;
  if (length < 0x100) return 2;
  return length < 0x10000 ? 3 : 4;
}

/**
 * Writes identifier and length of an element.
 *
 * @returns the offset behind them, where the content begins.
 */
export function writeHeader(into: Uint8Array, offset: number, tag: number, length: number): number {
  const octets = lengthOctets(length);
  into[offset] = tag;
  if (octets === 1) {
    into[offset + 1] = length;
  } else {
    into[offset + 1] = 0x80 | (octets - 1);
    for (let index = octets - 1; index > 0; index -= 1) {
      into[offset + 1 + index] = length >>> (8 * (octets - 1 - index));
    }
  }
  return offset + 1 + octets;
}

/**
 * One element: a tag and its content, given in parts.
 *
 * @see X.690 sections 8.1 and 10.1
 */
export function derOf(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const encoded = new Uint8Array(1 + lengthOctets(length) + length);
  let offset = writeHeader(encoded, 0, tag, length);
  for (const part of parts) {
    encoded.set(part, offset);
    offset += part.length;
  }
  return encoded;
}

export function sequenceOf(...parts: readonly Uint8Array[]): Uint8Array {
  return derOf(TAG.sequence, ...parts);
}

/** A non-negative INTEGER of its big-endian bytes; leading zero bytes are not needed and not kept. */
export function integerOf(magnitude: Uint8Array): Uint8Array {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const first = magnitude[start] ?? 0;
  const sign = Uint8Array.of(0).subarray(0, first >= 0x80 || magnitude.length === 0 ? 1 : 0);
  return derOf(TAG.integer, sign, magnitude.subarray(start));
}

/** A BIT STRING of whole bytes. */
export function bitStringOf(bytes: Uint8Array): Uint8Array {
  return derOf(TAG.bitString, Uint8Array.of(0), bytes);
}

/** An OBJECT IDENTIFIER of its dotted text; arcs below 2^31, the most that every verifier takes. */
export function oidOf(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return derOf(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(arc: number): number[] {
  const octets = [arc & 0x7f];
  for (let left = arc >>> 7; left > 0; left >>>= 7) octets.unshift(0x80 | (left & 0x7f));
  return octets;
}

/** A character string of ASCII or UTF-8 content, whichever its tag asks for. */
export function stringOf(tag: number, text: string): Uint8Array {
  return derOf(tag, Buffer.from(text));
}

/**
 * A certificate's Time: UTCTime through 2049, GeneralizedTime from 2050 on, always whole seconds and `Z`.
 *
 * @see RFC 5280 section 4.1.2.5
 */
export function timeOf(instant: UnixSeconds): Uint8Array {
  const at = new Date(instant * 1_000);
  const year = at.getUTCFullYear();
  const [tag, century] = instant < YEAR_2050 ? [TAG.utcTime, []] : [TAG.generalizedTime, [Math.floor(year / 100)]];
  const day = [year % 100, at.getUTCMonth() + 1, at.getUTCDate()];
  const pairs = [...century, ...day, at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()];

  // Written digit by digit: printing and cutting a text takes five times as long, and every leaf has two times in it.
  const length = 2 * pairs.length + 1;
  const encoded = new Uint8Array(2 + length);
  let offset = writeHeader(encoded, 0, tag, length);
  for (const pair of pairs) {
    encoded[offset] = DIGIT_0 + Math.floor(pair / 10);
    encoded[offset + 1] = DIGIT_0 + (pair % 10);
    offset += 2;
  }
  encoded[offset] = LETTER_Z;
  return encoded;
}

const DIGIT_0 = 0x30;
const LETTER_Z = 0x5a;

/** 2050-01-01T00:00:00Z, where two digits stop being enough for a year. */
const YEAR_2050 = 2_524_608_000;

/** A BOOLEAN that is true; FALSE is nearly always a DEFAULT, which DER leaves out. */
export const TRUE = derOf(TAG.boolean, Uint8Array.of(0xff));

export const NULL = derOf(TAG.null);
