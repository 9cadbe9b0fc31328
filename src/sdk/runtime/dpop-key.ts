import { createHash, randomUUID, sign } from "node:crypto";
import { inspect } from "node:util";
import { base64urlOf } from "../../domain/base64url.ts";
import { thumbprintOf } from "../../verify/proof-key.ts";
import { generateKey } from "./certificate-request.ts";

/**
 * A key whose possession its holder proves with every request. It was made in this process, nobody can get it out of here,
 * and no print of the object shows it.
 */
export type DpopKey = {
  /** RFC 7638 with SHA-256, base64url: what a token is bound to by `cnf.jkt`. */
  readonly thumbprint: string;
  /**
   * A proof for one request, the value of its `DPoP` header.
   *
   * @param request.url - of the request; query and fragment are left out of the proof.
   * @param request.token - that the request presents, in the DPoP scheme.
   * @param request.nonce - that the server gave, where it did.
   * @see RFC 9449 section 4.2
   */
  proof(request: ProvenRequest): string;
  /** `DpopKey(<thumbprint>)` */
  toString(): string;
  toJSON(): { readonly thumbprint: string };
};

export type ProvenRequest = {
  readonly method: string;
  readonly url: string;
  readonly token: string;
  readonly nonce?: string | undefined;
};

/** Makes a P-256 key for DPoP proofs. */
export async function createDpopKey(): Promise<DpopKey> {
  const { privateKey, publicKey } = await generateKey();
  const { kty, crv, x, y } = publicKey.export({ format: "jwk" });
  const header = partOf({ alg: "ES256", typ: "dpop+jwt", jwk: { kty, crv, x, y } });
  const thumbprint = thumbprintOf(publicKey);
  const text = `DpopKey(${thumbprint})`;
  const printed = { [inspect.custom]: () => text };
  return Object.freeze({
    thumbprint,
    ...printed,
    proof({ method, url, token, nonce }: ProvenRequest): string {
      const claims = {
        jti: randomUUID(),
        htm: method,
        htu: url.replace(/[?#].*$/s, ""),
        iat: Math.floor(Date.now() / 1_000),
        ath: createHash("sha256").update(token).digest("base64url"),
        ...(nonce !== undefined && { nonce }),
      };
      const signed = `${header}.${partOf(claims)}`;
      const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
      return `${signed}.${base64urlOf(signature)}`;
    },
    toString: () => text,
    toJSON: () => ({ thumbprint }),
  });
}

function partOf(value: object): string {
  return base64urlOf(Buffer.from(JSON.stringify(value)));
}
