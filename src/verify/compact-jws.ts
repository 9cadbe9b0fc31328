import { bytesOfBase64url } from "../domain/base64url.ts";
import { type JsonObject, parseStrictObject } from "./strict-json.ts";
import { VerificationError } from "./verification-error.ts";

/** A JWS taken apart; nothing of it is believed yet. */
export type CompactJws = {
  readonly algorithm: string;
  readonly keyId: string;
  readonly type: string | undefined;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** What the signature is over. */
  readonly signed: Uint8Array;
};

const HEADER_MEMBERS: readonly string[] = ["alg", "kid", "typ"];

/**
 * Takes a JWS in compact serialization apart, with the header of a JWT-SVID: `alg`, `kid`, `typ` and nothing else, so
 * that no key, URL or critical extension can be brought along by the token itself. `alg` and `kid` are required.
 *
 * Base64url is accepted in its one form: no padding, no line breaks, no stray bits at the end.
 *
 * @throws VerificationError TOKEN_MALFORMED
 * @see RFC 7515 section 3.1, JWT-SVID section 2
 */
export function parseCompactJws(token: string): CompactJws {
  const parts = token.split(".", 4);
  const [headerPart, payloadPart, signaturePart] = parts;
  if (parts.length !== 3 || headerPart === undefined || payloadPart === undefined || signaturePart === undefined) {
    throw malformed("three base64url parts joined by dots");
  }
  const header = parseStrictObject(decode(headerPart));
  if (header === undefined) throw malformed("a JSON object without repeated members as its header");
  if (!Object.keys(header).every((name) => HEADER_MEMBERS.includes(name))) {
    throw malformed("no header parameters but alg, kid and typ");
  }
  return {
    algorithm: textOf(header, "alg"),
    keyId: textOf(header, "kid"),
    type: header["typ"] === undefined ? undefined : textOf(header, "typ"),
    payload: decode(payloadPart),
    signature: decode(signaturePart),
    signed: Buffer.from(token.slice(0, headerPart.length + 1 + payloadPart.length), "latin1"),
  };
}

function textOf(header: JsonObject, name: string): string {
  const value = header[name];
  if (typeof value !== "string" || value === "") throw malformed(`the header parameter ${name} as a string`);
  return value;
}

function decode(part: string): Uint8Array {
  const bytes = bytesOfBase64url(part);
  if (bytes === undefined) throw malformed("base64url without padding or other characters");
  return bytes;
}

export function malformed(expected: string): VerificationError {
  return new VerificationError("TOKEN_MALFORMED", `not a JWT-SVID: expected ${expected}`);
}
