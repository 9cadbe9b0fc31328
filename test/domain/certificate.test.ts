import { expect, test } from "vitest";
import { readCertificate } from "../../src/domain/certificate.ts";
import { derOf, oidOf, sequenceOf, TAG, TRUE } from "../../src/domain/der.ts";
import { DerError } from "../../src/domain/der-reader.ts";
import { authority } from "../verify/certificate-forge.ts";

const VALUE = sequenceOf();
const octetString = derOf(TAG.octetString, VALUE);
const certificateWith = (extension: Uint8Array) => authority({ extensions: { own: extension } }).der;

test("an extension is read by its OID, critical or not", () => {
  for (const critical of [[], [TRUE]]) {
    const der = certificateWith(sequenceOf(oidOf("1.2.3.4"), ...critical, octetString));
    expect(readCertificate(der).extensions.get("1.2.3.4")).toEqual(VALUE);
  }
});

test.for([
  { what: "nothing in it", extension: sequenceOf() },
  { what: "an OID and no value", extension: sequenceOf(oidOf("1.2.3.4")) },
  { what: "a value that is no OCTET STRING", extension: sequenceOf(oidOf("1.2.3.4"), VALUE) },
  { what: "a value and no OID", extension: sequenceOf(octetString) },
])("a certificate whose extension has $what is refused", ({ extension }) => {
  expect(() => readCertificate(certificateWith(extension))).toThrow(DerError);
});
