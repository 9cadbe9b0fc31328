import { BrokerError, invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * What canonical JSON can hold here. Neither `null` nor fractions: an absent member is left out, and a number that two
 * programs could print in two ways has no place in something that is hashed.
 */
export type CanonicalValue =
  | string
  | number
  | boolean
  | readonly CanonicalValue[]
  | { readonly [member: string]: CanonicalValue | undefined };

const encoder = new TextEncoder();

/** Printable ASCII without `"` and `\`: almost every string is of this kind, and needs no escaping. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

/**
 * The one sequence of bytes for a value: UTF-8, no white space, members in the order of their names' UTF-16 code units,
 * members that are `undefined` left out.
 *
 * @throws BrokerError INVALID_FIELD, naming the member, for anything but objects, arrays, well-formed strings, safe
 *   integers and booleans; LIMIT_EXCEEDED beyond `LIMITS.eventBytesMax`
 * @see RFC 8785 section 3.2
 */
export function canonicalJson(value: CanonicalValue): Uint8Array {
  return canonicalBytes(canonicalText(value));
}

/**
 * The bytes of a canonical text, to be recorded.
 *
 * @throws BrokerError LIMIT_EXCEEDED beyond `LIMITS.eventBytesMax`
 */
export function canonicalBytes(text: string): Uint8Array {
  const bytes = encoder.encode(text);
  if (bytes.length > LIMITS.eventBytesMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `more than ${LIMITS.eventBytesMax} bytes to be recorded at once`);
  }
  return bytes;
}

/**
 * The canonical JSON of a value, as text.
 *
 * @throws BrokerError INVALID_FIELD as `canonicalJson`; the length is not looked at
 */
export function canonicalText(value: CanonicalValue): string {
  return encode(value, "value");
}

function encode(value: unknown, name: string): string {
  if (typeof value === "string") return encodeString(value, name);
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) throw invalidField(name, "a whole number between -(2^53 - 1) and 2^53 - 1");
    return String(value);
  }
  if (Array.isArray(value)) return encodeArray(value, name);
  if (isPlainObject(value)) return encodeObject(value);
  throw invalidField(name, "an object, a list, a string, a whole number or a boolean");
}

/** Written element by element: every event has lists of one or two elements, and a list of texts takes twice as long. */
function encodeArray(elements: readonly unknown[], name: string): string {
  let text = "";
  for (const element of elements) text += `${text === "" ? "" : ","}${encode(element, name)}`;
  return `[${text}]`;
}

function encodeObject(object: Readonly<Record<string, unknown>>): string {
  let members = "";
  // The default order of `sort` is that of UTF-16 code units, which is what the RFC asks for.
  for (const name of Object.keys(object).sort()) {
    const value = object[name];
    if (value === undefined) continue;
    members += `${members === "" ? "" : ","}${encodeString(name, name)}:${encode(value, name)}`;
  }
  return `{${members}}`;
}

function encodeString(text: string, name: string): string {
  if (PLAIN.test(text)) return `"${text}"`;
  // JSON.stringify would write a lone surrogate as an escape, which the RFC forbids: other programs can't read it back.
  if (!text.isWellFormed()) throw invalidField(name, "well-formed Unicode");
  return JSON.stringify(text);
}

/** Anything with a prototype of its own (a Date, bytes, a Map) has more to it than its members. */
function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
