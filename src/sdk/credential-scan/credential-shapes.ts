import { createPrivateKey } from "node:crypto";
import { isObject } from "../../domain/strict-json.ts";

/** What gives a credential away by its shape: every token of Stint's is a JWS, and so are most of others'. */
export type CredentialKind = "jwt" | "private-key";

/** The Base64url of `{` begins so. Bounded, since a long text of Base64 would be read again from each such place. */
const JWS = /e[w-z0-9_-][A-Za-z0-9_-]{6,4096}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]{8,}/g;
const PRIVATE_PEM = /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----(?:[\s\S]*?-----END (?:[A-Z0-9]+ )*PRIVATE KEY-----)?/g;
/** The members of a JWK that only a private or a symmetric key has. */
const PRIVATE_MEMBER = /"(?:d|k)"\s*:\s*"[A-Za-z0-9_-]{16,}"/;
const KEY_TYPE = /"kty"\s*:\s*"/;

/** Each credential in a text, and where it stands. */
export function credentialsIn(
  text: string,
): readonly { readonly kind: CredentialKind; readonly from: number; readonly to: number }[] {
  const keys = [...text.matchAll(PRIVATE_PEM)].map(({ 0: pem, index }) => ({
    kind: "private-key" as const,
    from: index,
    to: index + pem.length,
  }));
  if (KEY_TYPE.test(text) && PRIVATE_MEMBER.test(text)) {
    keys.push({ kind: "private-key", from: 0, to: text.length });
  }
  return [...tokensIn(text), ...keys];
}

function tokensIn(text: string): readonly { readonly kind: "jwt"; readonly from: number; readonly to: number }[] {
  const found = [];
  JWS.lastIndex = 0;
  for (let match = JWS.exec(text); match !== null; match = JWS.exec(text)) {
    const [token] = match;
    if (hasHeader(token)) found.push({ kind: "jwt" as const, from: match.index, to: match.index + token.length });
    // Something before a token may look as if it began there.
    else JWS.lastIndex = match.index + 1;
  }
  return found;
}

function hasHeader(token: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.slice(0, token.indexOf(".")), "base64url").toString());
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
