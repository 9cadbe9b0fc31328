import { randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { sha256Of, thumbprintOf } from "../../verify/proof-key.ts";
import { withoutQuery } from "../../verify/target-uri.ts";
import { generateKey } from "./certificate-request.ts";
import { publicJwkOf, signJws } from "./jws.ts";

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
  const header = { typ: "dpop+jwt", jwk: publicJwkOf(publicKey) };
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
        htu: withoutQuery(url),
        iat: Math.floor(Date.now() / 1_000),
        ath: sha256Of(token),
        ...(nonce !== undefined && { nonce }),
      };
      return signJws(header, claims, privateKey);
    },
    toString: () => text,
    toJSON: () => ({ thumbprint }),
  });
}
