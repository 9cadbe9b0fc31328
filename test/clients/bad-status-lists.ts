import { deflateSync } from "node:zlib";
import { bitsOf, LIST_URI, type ListChanges } from "../verify/status-list-forge.ts";
import { base64url, ecSigner, NOW, type Signer } from "../verify/token-forge.ts";

/** What a list may not be: the code of its refusal, and the words of the verifier's status. */
export type BadList = {
  readonly what: string;
  readonly code: string;
  readonly says: string;
  readonly changes: ListChanges;
  /** Absent: who signs lists. */
  readonly by: Signer | undefined;
};

/** @param own - who signs tokens. */
export function badLists(own: Signer): readonly BadList[] {
  const rows: readonly (readonly [string, string, string, ListChanges, Signer?])[] = [
    [
      "by another key of the same name",
      "SIGNATURE_INVALID",
      "the signature of the status list does not hold",
      {},
      ecSigner("events"),
    ],
    [
      "by a key that is not known",
      "KEY_UNKNOWN",
      "the status list is signed with a key that is none of its issuer",
      {},
      ecSigner("more"),
    ],
    ["by the key of tokens", "KEY_UNKNOWN", "the status list is signed with a key that is none of its issuer", {}, own],
    [
      "of another URI",
      "SUBJECT_INVALID",
      "the status list is another one than was asked for",
      { claims: { sub: `${LIST_URI}x` } },
    ],
    [
      "of another issuer",
      "ISSUER_MISMATCH",
      "the status list is of another issuer",
      { claims: { iss: "https://else.example" } },
    ],
    ["that has expired", "EXPIRED", "the status list has expired", { claims: { iat: NOW - 60, exp: NOW } }],
    ["that is a token", "TOKEN_MALFORMED", malformed("typ statuslist+jwt"), { header: { typ: "JWT" } }],
    [
      "with a critical header parameter",
      "TOKEN_MALFORMED",
      malformed("no critical header parameters"),
      { header: { crit: ["b64"] } },
    ],
    [
      "without the name of a key",
      "TOKEN_MALFORMED",
      malformed("the header parameter kid as a string"),
      { header: { kid: undefined } },
    ],
    ["by no algorithm", "ALGORITHM_REFUSED", "the status list is not signed with ES256", { header: { alg: "none" } }],
    [
      "by an algorithm that tokens may have",
      "ALGORITHM_REFUSED",
      "the status list is not signed with ES256",
      { header: { alg: "ES384" } },
    ],
    [
      "without the time of its making",
      "CLAIMS_INVALID",
      invalid("iat and exp as whole seconds since 1970"),
      { claims: { iat: undefined } },
    ],
    [
      "without an end",
      "CLAIMS_INVALID",
      invalid("iat and exp as whole seconds since 1970"),
      { claims: { exp: undefined } },
    ],
    [
      "that was made at a fraction of a second",
      "CLAIMS_INVALID",
      invalid("iat and exp as whole seconds since 1970"),
      { claims: { iat: NOW - 0.5 } },
    ],
    ["whose ttl is a text", "CLAIMS_INVALID", invalid("ttl as seconds"), { claims: { ttl: "5" } }],
    ["whose ttl is nothing", "CLAIMS_INVALID", invalid("ttl as seconds"), { claims: { ttl: 0 } }],
    ["of three bits", "CLAIMS_INVALID", invalid("status_list.bits as one of 1, 2, 4, 8"), { bits: 3 }],
    ["of a bit in words", "CLAIMS_INVALID", invalid("status_list.bits as one of 1, 2, 4, 8"), { bits: "1" }],
    [
      "without statuses",
      "CLAIMS_INVALID",
      invalid("status_list.bits as one of 1, 2, 4, 8"),
      { claims: { status_list: undefined } },
    ],
    [
      "in base64 with padding",
      "CLAIMS_INVALID",
      invalid("status_list.lst as base64url without padding"),
      { lst: "eJxjYGAAAAAEAAE=" },
    ],
    ["in no text", "CLAIMS_INVALID", invalid("status_list.lst as base64url without padding"), { lst: 7 }],
    [
      "that unpacks to more than lists have",
      "CLAIMS_INVALID",
      invalid("status_list.lst as zlib of at most 16384 bytes"),
      { bytes: new Uint8Array(16_385) },
    ],
    [
      "that is a bomb",
      "CLAIMS_INVALID",
      invalid("status_list.lst as zlib of at most 16384 bytes"),
      { bytes: new Uint8Array(8 * 1_024 * 1_024) },
    ],
    [
      "that is no zlib",
      "CLAIMS_INVALID",
      invalid("status_list.lst as zlib of at most 16384 bytes"),
      { lst: base64url("nothing of the kind") },
    ],
    [
      "that breaks off",
      "CLAIMS_INVALID",
      invalid("status_list.lst as zlib of at most 16384 bytes"),
      { lst: base64url(deflateSync(bitsOf([1])).subarray(0, 8)) },
    ],
    [
      "whose checksum does not hold",
      "CLAIMS_INVALID",
      invalid("status_list.lst as zlib of at most 16384 bytes"),
      {
        lst: base64url(
          Uint8Array.from(deflateSync(bitsOf([1]))).map((byte, index, all) =>
            index === all.length - 1 ? byte ^ 1 : byte,
          ),
        ),
      },
    ],
  ];
  return rows.map(([what, code, says, changes, by]) => ({ what, code, says, changes, by }));
}

function malformed(expected: string): string {
  return `not a status list: expected ${expected}`;
}
function invalid(expected: string): string {
  return `claims of the status list: expected ${expected}`;
}
