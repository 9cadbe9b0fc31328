import { expect, test } from "vitest";
import { contextConstructed, derOf, NULL, oidOf, sequenceOf, TAG, TRUE, timeOf } from "../../src/domain/der.ts";
import { DerError } from "../../src/domain/der-reader.ts";
import { readSignedCertificate } from "../../src/domain/signed-certificate.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { NOW } from "../samples/credentials.ts";
import { authority, type Changes } from "../verify/certificate-forge.ts";

const read = (changes: Changes) => readSignedCertificate(authority(changes).der);
const [oid, value] = [oidOf("1.2.3.4"), derOf(TAG.octetString, NULL)];
const FALSE = derOf(TAG.boolean, Uint8Array.of(0));
const [begin, end] = [timeOf(NOW), timeOf(addSeconds(NOW, 60))];
/** A primitive element that says it goes on beyond its end, in a part of a name that nobody looks into. */
const broken = derOf(TAG.set, Uint8Array.of(0x30, 5, 1));

test("a serial number may take 20 octets, and an extension may be critical or not", () => {
  const longest = new Uint8Array(20).fill(1);
  expect(read({ serialNumber: longest }).serialNumber).toBe("01".repeat(20));
  expect(read({ extensions: { own: sequenceOf(oid, value) } }).extensions.unprocessed).toEqual([]);
  expect(read({ extensions: { own: sequenceOf(oid, TRUE, value) } }).extensions.unprocessed).toEqual(["1.2.3.4"]);
});

test.for<{ what: string; changes: Changes }>([
  { what: "a serial number of 21 octets", changes: { serialNumber: new Uint8Array(21).fill(1) } },
  { what: "no times", changes: { validity: sequenceOf() } },
  { what: "one time", changes: { validity: sequenceOf(begin) } },
  { what: "three times", changes: { validity: sequenceOf(begin, end, end) } },
  { what: "an extension of nothing", changes: { extensions: { own: sequenceOf() } } },
  { what: "an extension without a value", changes: { extensions: { own: sequenceOf(oid) } } },
  { what: "an extension that is critical, of no value", changes: { extensions: { own: sequenceOf(oid, TRUE) } } },
  { what: "an extension without a name", changes: { extensions: { own: sequenceOf(value) } } },
  { what: "an extension of a value that is no OCTET STRING", changes: { extensions: { own: sequenceOf(oid, NULL) } } },
  { what: "an extension with something more", changes: { extensions: { own: sequenceOf(oid, TRUE, NULL, value) } } },
  {
    what: "an extension that says it is not critical",
    changes: { extensions: { own: sequenceOf(oid, FALSE, value) } },
  },
  { what: "a name that is not DER within", changes: { subject: sequenceOf(broken) } },
])("a certificate with $what is refused", ({ changes }) => {
  expect(() => read(changes)).toThrow(DerError);
});

test("a certificate with an empty list of extensions is refused", () => {
  const none = { ski: undefined, aki: undefined, bc: undefined, ku: undefined };
  // The forge leaves the list out when it is empty; here it is there, and has nothing in it.
  const emptyList = derOf(contextConstructed(3), sequenceOf());
  const publicKey = Buffer.from(authority().publicKey.export({ type: "spki", format: "der" }));
  const changes = { extensions: none, publicKey: Buffer.concat([publicKey, emptyList]) };
  expect(() => read(changes)).toThrow(DerError);
});
