import { describe, expect, test } from "vitest";
import { type Extension, readExtensions } from "../../src/domain/certificate-extensions.ts";
import {
  contextConstructed,
  contextPrimitive,
  derOf,
  integerOf,
  oidOf,
  sequenceOf,
  stringOf,
  TAG,
  TRUE,
} from "../../src/domain/der.ts";
import { DerError } from "../../src/domain/der-reader.ts";

const OID = {
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  authorityKeyIdentifier: "2.5.29.35",
  extKeyUsage: "2.5.29.37",
} as const;

const one = (oid: string, value: Uint8Array, critical = false): ReadonlyMap<string, Extension> =>
  new Map([[oid, { critical, value }]]);
const octets = (...bytes: readonly number[]) => Uint8Array.from(bytes);
const integer = (value: number) => integerOf(octets(value));
const name = (kind: number, text = "a") => stringOf(contextPrimitive(kind), text);
const subtrees = (number: number, ...bases: readonly Uint8Array[]) =>
  derOf(contextConstructed(number), ...bases.map((base) => sequenceOf(base)));

describe("of general names", () => {
  test.for([
    { kind: 1, of: "rfc822Name" },
    { kind: 2, of: "dNSName" },
    { kind: 6, of: "uniformResourceIdentifier" },
    { kind: 7, of: "iPAddress" },
    { kind: 8, of: "registeredID" },
  ])("$of, [$kind], is read, having no members", ({ kind }) => {
    const read = readExtensions(one(OID.subjectAltName, sequenceOf(name(kind)), true));
    expect(read.subjectAltName).toEqual({ critical: true, names: [{ kind, content: octets(0x61) }] });
    const withMembers = sequenceOf(derOf(contextConstructed(kind), oidOf("1.2.3")));
    expect(() => readExtensions(one(OID.subjectAltName, withMembers))).toThrow(DerError);
  });

  test.for([
    { kind: 0, of: "otherName" },
    { kind: 3, of: "x400Address" },
    { kind: 4, of: "directoryName" },
    { kind: 5, of: "ediPartyName" },
  ])("$of, [$kind], is read, having members", ({ kind }) => {
    const content = sequenceOf();
    const read = readExtensions(one(OID.subjectAltName, sequenceOf(derOf(contextConstructed(kind), content))));
    expect(read.subjectAltName?.names).toEqual([{ kind, content }]);
    expect(() => readExtensions(one(OID.subjectAltName, sequenceOf(name(kind))))).toThrow(DerError);
  });

  test.for([1, 2, 6])("a text, [%i], is ASCII and nothing else", (kind) => {
    const text = (...bytes: readonly number[]) => sequenceOf(derOf(contextPrimitive(kind), octets(...bytes)));
    expect(readExtensions(one(OID.subjectAltName, text(0x61, 0x7f))).subjectAltName?.names).toHaveLength(1);
    expect(() => readExtensions(one(OID.subjectAltName, text(0x61, 0x80)))).toThrow(DerError);
  });

  test("an address may have any octets", () => {
    const address = sequenceOf(derOf(contextPrimitive(7), octets(192, 0, 2, 1)));
    expect(readExtensions(one(OID.subjectAltName, address)).subjectAltName?.names).toHaveLength(1);
  });
});

describe("of name constraints", () => {
  test("both lists are read, the permitted before the excluded", () => {
    const value = sequenceOf(subtrees(0, name(2, "a.example"), name(2, "b.example")), subtrees(1, name(6, "evil")));
    expect(readExtensions(one(OID.nameConstraints, value, true)).nameConstraints).toEqual({
      critical: true,
      permitted: [
        { kind: 2, content: Buffer.from("a.example") },
        { kind: 2, content: Buffer.from("b.example") },
      ].map(({ kind, content }) => ({ kind, content: new Uint8Array(content) })),
      excluded: [{ kind: 6, content: new Uint8Array(Buffer.from("evil")) }],
    });
  });
});

test.for([
  {
    what: "basic constraints with something behind the path length",
    oid: OID.basicConstraints,
    value: sequenceOf(TRUE, integer(1), integer(1)),
  },
  { what: "a key usage without any bit", oid: OID.keyUsage, value: derOf(TAG.bitString, octets(0)) },
  { what: "an extended key usage without any purpose", oid: OID.extKeyUsage, value: sequenceOf() },
  { what: "an alternative name without any", oid: OID.subjectAltName, value: sequenceOf() },
  { what: "a name of a ninth kind", oid: OID.subjectAltName, value: sequenceOf(name(9)) },
  { what: "a name that is of no kind", oid: OID.subjectAltName, value: sequenceOf(stringOf(TAG.utf8String, "a")) },
  { what: "name constraints without any", oid: OID.nameConstraints, value: sequenceOf() },
  { what: "name constraints with an empty list", oid: OID.nameConstraints, value: sequenceOf(subtrees(0)) },
  {
    what: "name constraints in the wrong order",
    oid: OID.nameConstraints,
    value: sequenceOf(subtrees(1, name(2)), subtrees(0, name(2))),
  },
  {
    what: "name constraints with a third list",
    oid: OID.nameConstraints,
    value: sequenceOf(subtrees(0, name(2)), subtrees(2, name(2))),
  },
  {
    what: "a subtree without a base",
    oid: OID.nameConstraints,
    value: sequenceOf(derOf(contextConstructed(0), sequenceOf())),
  },
  {
    what: "a subtree with a minimum distance",
    oid: OID.nameConstraints,
    value: sequenceOf(derOf(contextConstructed(0), sequenceOf(name(2), derOf(contextPrimitive(0), octets(1))))),
  },
  {
    what: "an authority key identifier with a fourth member",
    oid: OID.authorityKeyIdentifier,
    value: sequenceOf(derOf(contextPrimitive(3), octets(1))),
  },
  {
    what: "an authority key identifier in the wrong order",
    oid: OID.authorityKeyIdentifier,
    value: sequenceOf(derOf(contextPrimitive(2), octets(1)), derOf(contextConstructed(1), name(2))),
  },
  {
    what: "an authority key identifier with a member twice",
    oid: OID.authorityKeyIdentifier,
    value: sequenceOf(derOf(contextPrimitive(0), octets(1)), derOf(contextPrimitive(0), octets(2))),
  },
])("$what is refused", ({ oid, value }) => {
  expect(() => readExtensions(one(oid, value))).toThrow(DerError);
});

describe("an authority key identifier", () => {
  const issuer = derOf(contextConstructed(1), name(2));
  const serialNumber = derOf(contextPrimitive(2), octets(5));

  test("gives its key identifier, with or without the issuer's name and serial number behind it", () => {
    const key = derOf(contextPrimitive(0), octets(7, 8));
    for (const value of [sequenceOf(key), sequenceOf(key, issuer, serialNumber)]) {
      expect(readExtensions(one(OID.authorityKeyIdentifier, value)).authorityKeyIdentifier).toEqual(octets(7, 8));
    }
  });

  test("that names the issuer alone, or nothing at all, counts as none", () => {
    for (const value of [sequenceOf(issuer, serialNumber), sequenceOf(serialNumber), sequenceOf()]) {
      expect(readExtensions(one(OID.authorityKeyIdentifier, value)).authorityKeyIdentifier).toBeUndefined();
    }
  });
});
