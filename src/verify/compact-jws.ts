import { bytesOfBase64url } from "../domain/base64url.ts";
import { sha256Hex } from "../domain/digest.ts";
import { type JsonObject, parseStrictObject } from "../domain/strict-json.ts";
import { VerificationError } from "./verification-error.ts";

/** A JWS taken apart; nothing of it is believed yet. */
export type Jws = {
  /** As it came. */
  readonly text: string;
  readonly header: JsonObject;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** The bytes that the signature covers. */
  readonly signed: Uint8Array;
};

/** SHA-256, hexadecimal, of what the signature of a token covers: the name by which the ledger knows the token. */
export function signedDigest(token: string): string {
  return sha256Hex(Buffer.from(token.slice(0, token.lastIndexOf(".")), "latin1"));
}

/** Makes the error that says what was expected. */
export type Refuse = (expected: string) => VerificationError;

/**
 * Takes a JWS in compact serialization apart. Base64url is accepted in its one form: no padding, no line breaks, no
 * stray bits at the end.
 *
 * @throws what `refuse` makes
 * @see RFC 7515 section 3.1
 */
export function parseJws(token: string, refuse: Refuse): Jws {
  return { ...partsOf(token, refuse, (part) => headerIn(part, refuse)), text: token };
}

/** @param read - reads the header from its base64url. */
function partsOf<Header>(token: string, refuse: Refuse, read: (part: string) => Header) {
  const parts = token.split(".", 4);
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || headerPart === undefined || payloadPart === undefined || signaturePart === undefined) {
    throw refuse("three base64url parts joined by dots");
  }
  return {
    header: read(headerPart),
    payload: decode(payloadPart, refuse),
    signature: decode(signaturePart, refuse),
    signed: Buffer.from(token.slice(0, headerPart.length + 1 + payloadPart.length), "latin1"),
  };
}

function headerIn(part: string, refuse: Refuse): JsonObject {
  const header = parseStrictObject(decode(part, refuse));
  if (header === undefined) throw refuse("a JSON object without repeated members as its header");
  return header;
}

/** A header parameter that must be there. */
export function headerTextOf(header: JsonObject, name: string, refuse: Refuse): string {
  const value = header[name];
  if (typeof value !== "string" || value === "") throw refuse(`the header parameter ${name} as a string`);
  return value;
}

/**
 * Reads a JWS of an explicit type. Its header may hold parameters that are not looked at here, but no critical ones,
 * since those must not be passed over.
 *
 * @returns its algorithm and claims; neither is believed yet.
 * @see RFC 7515 section 4.1.11, RFC 8725 section 3.11
 */
export function typedClaimsOf(
  { header, payload }: Jws,
  type: string,
  refuse: Refuse,
): { readonly algorithm: string; readonly claims: JsonObject } {
  if (header["typ"] !== type) throw refuse(`typ ${type}`);
  if (Object.hasOwn(header, "crit")) throw refuse("no critical header parameters");
  const algorithm = headerTextOf(header, "alg", refuse);
  const claims = parseStrictObject(payload);
  if (claims === undefined) throw refuse("a JSON object without repeated members as its claims");
  return { algorithm, claims };
}

type SvidHeader = { readonly algorithm: string; readonly keyId: string; readonly type: string | undefined };

/** A JWS with the header of a JWT-SVID. */
export type CompactJws = Omit<Jws, "header"> & SvidHeader;

const HEADER_MEMBERS: readonly string[] = ["alg", "kid", "typ"];

/**
 * Takes a JWS in compact serialization apart, with the header of a JWT-SVID: `alg`, `kid`, `typ` and nothing else, so
 * that no key, URL or critical extension can be brought along by the token itself. `alg` and `kid` are required.
 *
 * @throws VerificationError TOKEN_MALFORMED
 * @see JWT-SVID section 2
 */
export function parseCompactJws(token: string): CompactJws {
  const { header, payload, signature, signed } = partsOf(token, malformed, svidHeaderIn);
  const { algorithm, keyId, type } = header;
  return { text: token, algorithm, keyId, type, payload, signature, signed };
}

/** The header that was read last: tokens that one key signed have the same, so it is read once for all that come one after the other. */
let last: { readonly part: string; readonly header: SvidHeader } | undefined;

function svidHeaderIn(part: string): SvidHeader {
  if (last?.part === part) return last.header;
  const members = headerIn(part, malformed);
  if (!Object.keys(members).every((name) => HEADER_MEMBERS.includes(name))) {
    throw malformed("no header parameters but alg, kid and typ");
  }
  const header: SvidHeader = {
    algorithm: headerTextOf(members, "alg", malformed),
    keyId: headerTextOf(members, "kid", malformed),
    type: members["typ"] === undefined ? undefined : headerTextOf(members, "typ", malformed),
  };
  last = { part, header };
  return header;
}

function decode(part: string, refuse: Refuse): Uint8Array {
  const bytes = bytesOfBase64url(part);
  if (bytes === undefined) throw refuse("base64url without padding or other characters");
  return bytes;
}

export function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a JWT-SVID: expected ${expected}`);
}
