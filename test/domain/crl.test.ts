import { expect, test } from "vitest";
import { type CrlEntry, type CrlFacts, certificateList, encodeCrlEntry, signedCrl } from "../../src/domain/crl.ts";
import { REVOCATION_REASONS } from "../../src/domain/revocation.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { authorityCertificate, issuerOf, signedCertificate } from "../../src/domain/x509-profile.ts";
import { NOW, P256_SPKI, TRUST_DOMAIN } from "../samples/credentials.ts";

const hex = (encoded: Uint8Array): string => Buffer.from(encoded).toString("hex");
const pinned = (parts: readonly string[]): string => parts.join("").replace(/ /g, "");

const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
const ca = authorityCertificate({
  trustDomain: TRUST_DOMAIN,
  serialNumber: Uint8Array.of(1),
  publicKey: P256_SPKI,
  ...validity,
});
const issuer = issuerOf(signedCertificate(ca, Uint8Array.of(0x30, 0)));
const facts: CrlFacts = { thisUpdate: NOW, nextUpdate: addSeconds(NOW, 600), crlNumber: 255n, entries: [] };
const listOf = (own: Partial<CrlFacts>): string => hex(certificateList(issuer, { ...facts, ...own }));

const HEAD = ["020101", "300a 0608 2a8648ce3d040302", hex(issuer.name)]; // version 2, ecdsa-with-SHA256, the CA's subject
const TIMES = ["170d 3236313132323130303030305a", "170d 3236313132323130313030305a"]; // 261122100000Z, 261122101000Z
const EXTENSIONS = [
  "a030 302e",
  "301f 0603 551d23 0418 3016 8014 b18b86ce1389e46de87aa4a5131ce83c1160fa33", // authority key identifier
  "300b 0603 551d14 0404 020200ff", // CRL number 255, not critical
];

test("a CRL of nothing is pinned, byte for byte, and has no list of revoked certificates", () => {
  const content = pinned([...HEAD, ...TIMES, ...EXTENSIONS]);
  expect(listOf({})).toBe(`3081${(content.length / 2).toString(16)}${content}`);
});

test("an entry is pinned, byte for byte: serial number, instant and reason", () => {
  const entries = [
    { serialNumber: "f0112233445566778899aabbccddeeff", revokedAt: addSeconds(NOW, -60), reason: "superseded" },
    { serialNumber: "2a", revokedAt: addSeconds(NOW, -30), reason: "unspecified" },
  ] as const satisfies readonly CrlEntry[];
  const list = [
    "3046",
    "3030 0211 00f0112233445566778899aabbccddeeff 170d 3236313132323039353930305a", // 261122095900Z
    "300c 300a 0603 551d15 0403 0a0104", // reason code, not critical: superseded
    "3012 0201 2a 170d 3236313132323039353933305a", // 261122095930Z; a reason that is none is left out
  ];
  expect(listOf({ entries: entries.map(encodeCrlEntry) })).toContain(pinned([...TIMES, ...list, "a030"]));
});

test("each reason has the code that RFC 5280 section 5.3.1 gives it", () => {
  const codes = REVOCATION_REASONS.map((reason) => {
    const list = listOf({ entries: [encodeCrlEntry({ serialNumber: "2a", revokedAt: NOW, reason })] });
    return [reason, /0603551d1504030a01(..)/.exec(list)?.[1]];
  });
  expect(Object.fromEntries(codes)).toEqual({
    unspecified: undefined,
    keyCompromise: "01",
    cACompromise: "02",
    affiliationChanged: "03",
    superseded: "04",
    cessationOfOperation: "05",
    privilegeWithdrawn: "09",
  });
});

test.for([
  { crlNumber: 0n, encoded: "020100" },
  { crlNumber: 128n, encoded: "02020080" },
  { crlNumber: 0x123n, encoded: "02020123" },
  { crlNumber: (1n << 64n) | 7n, encoded: "0209010000000000000007" },
  { crlNumber: 2n ** 159n - 1n, encoded: `02147f${"ff".repeat(19)}` },
])("CRL number $crlNumber is the INTEGER $encoded", ({ crlNumber, encoded }) => {
  expect(listOf({ crlNumber }).endsWith(encoded)).toBe(true);
});

test.for([
  { what: "a number of 21 octets", own: { crlNumber: 2n ** 159n } },
  { what: "a negative number", own: { crlNumber: -1n } },
  { what: "an end before its beginning", own: { nextUpdate: NOW } },
])("$what is a defect and no CRL", ({ own }) => {
  expect(() => listOf(own)).toThrow(TypeError);
});

test("from 2050 on instants are GeneralizedTime", () => {
  const year2050 = 2_524_608_000 as typeof NOW;
  expect(listOf({ thisUpdate: year2050, nextUpdate: addSeconds(year2050, 600) })).toContain(
    `180f${hex(Buffer.from("20500101000000Z"))}180f${hex(Buffer.from("20500101001000Z"))}`,
  );
});

test("the signed part and the signature name one algorithm", () => {
  const list = certificateList(issuer, facts);
  const whole = hex(signedCrl(list, Uint8Array.of(0x30, 0)));
  expect(whole.endsWith(`${hex(list)}300a06082a8648ce3d0403020303003000`)).toBe(true);
});
