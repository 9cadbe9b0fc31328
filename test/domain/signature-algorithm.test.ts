import { describe, expect, test } from "vitest";
import { derOf, NULL, oidOf, sequenceOf, TAG } from "../../src/domain/der.ts";
import { DerError, parseDer } from "../../src/domain/der-reader.ts";
import { signatureAlgorithmOf } from "../../src/domain/signature-algorithm.ts";

const read = (...members: readonly Uint8Array[]) =>
  signatureAlgorithmOf(parseDer(sequenceOf(...members), TAG.sequence));

describe.for([
  { oid: "1.2.840.10045.4.3.2", key: "ec", hash: "sha256" },
  { oid: "1.2.840.10045.4.3.3", key: "ec", hash: "sha384" },
  { oid: "1.2.840.10045.4.3.4", key: "ec", hash: "sha512" },
  { oid: "1.2.840.113549.1.1.11", key: "rsa", hash: "sha256" },
  { oid: "1.2.840.113549.1.1.12", key: "rsa", hash: "sha384" },
  { oid: "1.2.840.113549.1.1.13", key: "rsa", hash: "sha512" },
] as const)("$oid", ({ oid, key, hash }) => {
  const isEc = key === "ec";

  test(`is ${key} with ${hash}, ${isEc ? "without parameters" : "with NULL for parameters or without"}`, () => {
    for (const parameters of isEc ? [[]] : [[], [NULL]]) expect(read(oidOf(oid), ...parameters)).toEqual({ key, hash });
  });

  test("with any other parameters is nothing", () => {
    const nullWithContent = derOf(TAG.null, Uint8Array.of(0));
    const others = [...(isEc ? [[NULL]] : []), [sequenceOf()], [nullWithContent], [NULL, NULL]];
    for (const parameters of others) expect(read(oidOf(oid), ...parameters)).toBeUndefined();
  });
});

test.for([
  { what: "ECDSA with SHA-1", oid: "1.2.840.10045.4.1" },
  { what: "RSA with SHA-1", oid: "1.2.840.113549.1.1.5" },
  { what: "RSA-PSS", oid: "1.2.840.113549.1.1.10" },
  { what: "Ed25519", oid: "1.3.101.112" },
])("$what is none that is taken", ({ oid }) => {
  for (const parameters of [[], [NULL]]) expect(read(oidOf(oid), ...parameters)).toBeUndefined();
});

test("an identifier of nothing is no identifier", () => {
  expect(() => read()).toThrow(DerError);
});
