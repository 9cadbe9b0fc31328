import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { leafTemplate } from "../../../src/adapters/x509-der/leaf-template.ts";
import { x509DerFormat } from "../../../src/adapters/x509-der/x509-der.ts";
import type { Authority } from "../../../src/domain/authority.ts";
import { parseSpiffeId } from "../../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../../src/domain/time.ts";
import {
  authorityCertificate,
  issuerOf,
  leafCertificate,
  signedCertificate,
} from "../../../src/domain/x509-profile.ts";
import { NOW, P256_SPKI, STEP, TRUST_DOMAIN } from "../../samples/credentials.ts";

const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
const certificate = signedCertificate(
  authorityCertificate({
    trustDomain: TRUST_DOMAIN,
    serialNumber: Uint8Array.of(1),
    ...validity,
    publicKey: P256_SPKI,
  }),
  Uint8Array.of(0x30, 0),
);
const authority: Authority = {
  authorityId: "0".repeat(40),
  family: "x509-svid",
  state: "active",
  publicKey: P256_SPKI,
  certificate,
  ...validity,
};

const keys = [
  P256_SPKI,
  generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ type: "spki", format: "der" }),
  generateKeyPairSync("rsa", { modulusLength: 2_048 }).publicKey.export({ type: "spki", format: "der" }),
];

test("the template writes the very bytes that the profile defines, whatever the facts", () => {
  const issuer = issuerOf(certificate);
  const write = leafTemplate(issuer);
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 16 }).filter((bytes) => bytes[0] !== 0),
      // Through every length at which a header grows, up to the longest SPIFFE ID.
      fc.oneof(fc.integer({ min: 1, max: 260 }), fc.integer({ min: 261, max: 2_028 })),
      fc.integer({ min: 0, max: 4_102_444_800 }),
      fc.integer({ min: 10, max: 3_600 }),
      fc.constantFrom(...keys),
      (serialNumber, pathLength, notBefore, seconds, publicKey) => {
        const facts = {
          serialNumber,
          notBefore: notBefore as UnixSeconds,
          expiresAt: (notBefore + seconds) as UnixSeconds,
          spiffeId: parseSpiffeId(`spiffe://example.org/${"a".repeat(pathLength)}`.slice(0, 2_048)),
          publicKey,
        };
        expect(Buffer.compare(write(facts), leafCertificate(issuer, facts))).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
});

test("one issuer's template never serves another", () => {
  const format = x509DerFormat();
  const other: Authority = {
    ...authority,
    certificate: signedCertificate(
      authorityCertificate({
        trustDomain: TRUST_DOMAIN,
        serialNumber: Uint8Array.of(2),
        ...validity,
        publicKey: keys[1] ?? P256_SPKI,
      }),
      Uint8Array.of(0x30, 0),
    ),
  };
  const facts = {
    spiffeId: STEP.spiffeId,
    ...validity,
    serialNumber: "7f",
    publicKey: P256_SPKI,
    audiences: [],
    grant: [],
  };
  const [first, second] = [authority, other].map((one) => Buffer.from(format.toBeSigned({ ...facts, authority: one })));
  const name = Buffer.from(issuerOf(certificate).name);
  expect(first?.includes(name)).toBe(true);
  expect(second?.includes(name)).toBe(false);
});
