import { deflateSync } from "node:zlib";
import { base64url, forge, ISSUER, type Json, NOW, type Signer, signature } from "./token-forge.ts";

// Makes status lists as a broker would, and as nobody should. Independent of the code that makes and reads them.

export const LIST = "b1yQxW0mVd4k";
export const LIST_URI = `${ISSUER}/status/${LIST}`;

/** The `status` of a token at an index of a list. */
export function inList(idx: number, uri = LIST_URI): Json {
  return { status: { status_list: { idx, uri } } };
}

/** A list of 1,024 tokens of one bit, of which these are invalid. */
export function bitsOf(invalid: readonly number[], bytes = 128): Uint8Array {
  const list = new Uint8Array(bytes);
  for (const index of invalid) list[index >> 3] = (list[index >> 3] ?? 0) | (1 << (index & 7));
  return list;
}

export type ListChanges = {
  readonly claims?: Json;
  readonly header?: Json;
  readonly algorithm?: string;
  readonly bits?: unknown;
  /** Uncompressed. */
  readonly bytes?: Uint8Array;
  /** In the place of `bytes`, as it is. */
  readonly lst?: unknown;
};

/** A status list token at `NOW`, with members of header and claims changed. */
export function statusList(signer: Signer, changes: ListChanges = {}): string {
  const { claims, header, algorithm = "ES256", bits = 1, bytes = bitsOf([]) } = changes;
  const lst = Object.hasOwn(changes, "lst") ? changes.lst : base64url(deflateSync(bytes));
  const said = { iss: ISSUER, sub: LIST_URI, iat: NOW, exp: NOW + 60, ttl: 5, status_list: { bits, lst }, ...claims };
  const head = { alg: algorithm, kid: signer.kid, typ: "statuslist+jwt", ...header };
  return forge(JSON.stringify(head), JSON.stringify(said), signature(signer, algorithm));
}
