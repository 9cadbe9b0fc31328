import { createPrivateKey } from "node:crypto";
import { isObject } from "../../domain/strict-json.ts";

/** What gives a credential away by its shape: every token of Stint's is a JWS, and so are most of others'. */
export type CredentialKind = "jwt" | "private-key";

/** From where a run of its characters begins, so that a long one is read once. */
const JWS = /(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{8,})\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,}/g;
/** The Base64url of `{` begins so. */
const OBJECT = /e[w-z0-9_-]/g;
/** A header names its algorithm, its key and little else. */
const HEADER_CHARACTERS_MAX = 4_096;
const PRIVATE_PEM_BEGIN = /-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY-----/g;
const PEM_END = "-----END ";
const PEM_DASHES = "-----";
/** The members of a JWK that only a private or a symmetric key has. */
const PRIVATE_MEMBER = /"(?:d|k)"\s*:\s*"[A-Za-z0-9_-]{16,}"/;
const KEY_TYPE = /"kty"\s*:\s*"/;

/** Where in a text a credential stands. */
export type Found = { readonly kind: CredentialKind; readonly from: number; readonly to: number };

/** Each credential in a text, in no order. Takes time as the text is long. */
export function credentialsIn(text: string): readonly Found[] {
  const isJwk = KEY_TYPE.test(text) && PRIVATE_MEMBER.test(text);
  const jwks: readonly Found[] = isJwk ? [{ kind: "private-key", from: 0, to: text.length }] : [];
  return [...tokensIn(text), ...pemKeysIn(text), ...jwks];
}

function pemKeysIn(text: string): readonly Found[] {
  const found: Found[] = [];
  let end = 0;
  for (const { 0: line, index } of text.matchAll(PRIVATE_PEM_BEGIN)) {
    const body = index + line.length;
    // Looked for once where there is none any more.
    if (end >= 0 && end < body) end = text.indexOf(PEM_END, body);
    const closing = end < 0 ? -1 : text.indexOf(PEM_DASHES, end + PEM_END.length);
    found.push({ kind: "private-key", from: index, to: closing < 0 ? text.length : closing + PEM_DASHES.length });
  }
  return found;
}

function tokensIn(text: string): readonly Found[] {
  const found: Found[] = [];
  JWS.lastIndex = 0;
  for (let match = JWS.exec(text); match !== null; match = JWS.exec(text)) {
    const [token, first = ""] = match;
    const before = headerIn(first);
    const to = match.index + token.length;
    if (before !== undefined) found.push({ kind: "jwt", from: match.index + before, to });
    // Something before a token may look as if it began there.
    else JWS.lastIndex = match.index + first.length + 1;
  }
  return found;
}

/** Where in a run a header begins that ends it: something may stand right before. */
function headerIn(run: string): number | undefined {
  const begin = Math.max(0, run.length - HEADER_CHARACTERS_MAX);
  for (const { index } of run.slice(begin).matchAll(OBJECT)) {
    if (isHeader(run.slice(begin + index))) return begin + index;
  }
  return undefined;
}

function isHeader(text: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(text, "base64url").toString());
    return isObject(header) && typeof header["alg"] === "string";
  } catch {
    return false;
  }
}

/** Whether bytes are a private key in DER: PKCS #8, or as OpenSSL wrote elliptic and RSA keys before. */
export function isPrivateKeyDer(bytes: Uint8Array): boolean {
  const SEQUENCE = 0x30;
  if (bytes[0] !== SEQUENCE) return false;
  return (["pkcs8", "sec1", "pkcs1"] as const).some((type) => {
    try {
      createPrivateKey({ key: Buffer.from(bytes), format: "der", type });
      return true;
    } catch {
      return false;
    }
  });
}
