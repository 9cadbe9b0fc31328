import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { certificatePem, certificatesInPem, pemOf } from "../../src/domain/pem.ts";

function withLineFeed(lineFeed: string, der: Uint8Array): string {
  return certificatePem(der).replaceAll("\n", lineFeed);
}

test("gives every certificate as it was, in order, whatever stands around them", () => {
  const around = fc.constantFrom(
    "",
    "subject=CN = root\n",
    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
  );
  const lineFeed = fc.constantFrom("\n", "\r\n", "\n ");
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), around, lineFeed)), (all) => {
      const text = all.map(([der, before, feed]) => `${before}${withLineFeed(feed, der)}`).join("");
      expect(certificatesInPem(text)).toEqual(all.map(([der]) => Uint8Array.from(der)));
    }),
  );
});

test.for([
  { what: "a character that is none of base64", body: "AAAA\n!AAA\n" },
  { what: "a header as of encrypted PEM", body: "Proc-Type: 4,ENCRYPTED\n\nAAAA\n" },
  { what: "missing padding", body: "AA\n" },
])("does not leave out a block with $what: it is no certificate to whoever reads it", ({ body }) => {
  const text = `${certificatePem(Uint8Array.of(1))}-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n${certificatePem(Uint8Array.of(2))}`;
  expect(certificatesInPem(text)).toEqual([Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2)]);
});

test("gives nothing of a text without any, or with one that has no end", () => {
  expect(certificatesInPem("")).toEqual([]);
  expect(certificatesInPem("-----BEGIN CERTIFICATE-----\nAAAA\n")).toEqual([]);
});

test("writes what Node.js writes, for keys of every length", () => {
  const keys = [
    ...["P-256", "P-384"].map((namedCurve) => generateKeyPairSync("ec", { namedCurve }).publicKey),
    ...[2_048, 3_072].map((modulusLength) => generateKeyPairSync("rsa", { modulusLength }).publicKey),
  ];
  for (const key of keys) {
    const text = pemOf("PUBLIC KEY", key.export({ type: "spki", format: "der" }));
    expect(text).toBe(key.export({ type: "spki", format: "pem" }));
  }
});
