import fc from "fast-check";
import { expect, test } from "vitest";
import { certificatesInPem } from "../../src/domain/pem.ts";

function pemOf(der: Uint8Array, lineFeed = "\n"): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join(lineFeed);
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
      const text = all.map(([der, before, feed]) => `${before}${pemOf(der, feed)}`).join("");
      expect(certificatesInPem(text)).toEqual(all.map(([der]) => Uint8Array.from(der)));
    }),
  );
});

test.for([
  { what: "a character that is none of base64", body: "AAAA\n!AAA\n" },
  { what: "a header as of encrypted PEM", body: "Proc-Type: 4,ENCRYPTED\n\nAAAA\n" },
  { what: "missing padding", body: "AA\n" },
])("does not leave out a block with $what: it is no certificate to whoever reads it", ({ body }) => {
  const text = `${pemOf(Uint8Array.of(1))}-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n${pemOf(Uint8Array.of(2))}`;
  expect(certificatesInPem(text)).toEqual([Uint8Array.of(1), new Uint8Array(), Uint8Array.of(2)]);
});

test("gives nothing of a text without any, or with one that has no end", () => {
  expect(certificatesInPem("")).toEqual([]);
  expect(certificatesInPem("-----BEGIN CERTIFICATE-----\nAAAA\n")).toEqual([]);
});
