import "reflect-metadata";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, sign, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { X509Certificate as Oracle } from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import type { Authority } from "../../src/domain/authority.ts";
import { readCertificate } from "../../src/domain/certificate.ts";
import { keyIdentifierOf } from "../../src/domain/public-key.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import {
  authorityCertificate,
  EMPTY_NAME,
  issuerOf,
  leafCertificate,
  signedCertificate,
} from "../../src/domain/x509-profile.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { NOW, P256_SPKI, recordedOf, STEP, TRUST_DOMAIN } from "../samples/credentials.ts";

const serialNumber = Buffer.from("00112233445566778899aabbccddeeff", "hex");
const hex = (encoded: Uint8Array): string => Buffer.from(encoded).toString("hex");

const NAME = [
  "305c 3114 3012 0603 55040a 0c0b 6578616d706c652e6f7267", // O=example.org
  "3111 300f 0603 550403 0c08 5374696e74204341", // CN=Stint CA
  "3131 302f 0603 550405 1328", // serialNumber=<key identifier>, PrintableString
  "62313862383663653133383965343664653837616134613531333163653833633131363066613333",
];
const KEY = [
  "3059 3013 0607 2a8648ce3d0201 0608 2a8648ce3d030107 0342 00 04",
  "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
  "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
];
const KEY_IDENTIFIERS = [
  "301d 0603 551d0e 0416 0414 b18b86ce1389e46de87aa4a5131ce83c1160fa33",
  "301f 0603 551d23 0418 3016 8014 b18b86ce1389e46de87aa4a5131ce83c1160fa33",
];
const VERSION_AND_SERIAL = ["a003 020102", "020f 112233445566778899aabbccddeeff"];
const ECDSA_WITH_SHA256 = "300a 0608 2a8648ce3d040302";

// Literally what peers see. A change here is a change of what every verifier is given.
const AUTHORITY = [
  "3082 01e4",
  ...VERSION_AND_SERIAL,
  ECDSA_WITH_SHA256,
  ...NAME,
  "301e 170d 3236313132323130303030305a 170d 3236313132333039353935395a", // 261122100000Z to 261123095959Z
  ...NAME,
  ...KEY,
  "a38188 308185",
  "300e 0603 551d0f 0101ff 0404 0302 0106", // key usage, critical: keyCertSign, cRLSign
  "3012 0603 551d13 0101ff 0408 3006 0101ff 020100", // basic constraints, critical: CA, pathLen 0
  ...KEY_IDENTIFIERS,
  "301f 0603 551d11 0418 3016 8614 7370696666653a2f2f6578616d706c652e6f7267", // URI spiffe://example.org
];
const LEAF = [
  "3082 01d7",
  ...VERSION_AND_SERIAL,
  ECDSA_WITH_SHA256,
  ...NAME,
  "301e 170d 3236313132323039353935305a 170d 3236313132323130303435395a", // 261122095950Z to 261122100459Z
  "3000", // no subject
  ...KEY,
  "a381d7 3081d4",
  "300e 0603 551d0f 0101ff 0404 0302 0780", // key usage, critical: digitalSignature
  "301d 0603 551d25 0416 3014 0608 2b06010505070301 0608 2b06010505070302", // serverAuth, clientAuth
  "300c 0603 551d13 0101ff 0402 3000", // basic constraints, critical: no CA
  ...KEY_IDENTIFIERS,
  "3055 0603 551d11 0101ff 044b 3049 8647", // critical, one URI:
  hex(Buffer.from("spiffe://example.org/agent/researcher/run/invoice-2026-11/step/search/2")),
];
const pinned = (parts: readonly string[]): string => parts.join("").replace(/ /g, "");

const authorityBytes = authorityCertificate({
  trustDomain: TRUST_DOMAIN,
  serialNumber,
  notBefore: NOW,
  expiresAt: addSeconds(NOW, 86_400),
  publicKey: P256_SPKI,
});

test("the signed part of an authority's certificate is pinned, byte for byte", () => {
  expect(hex(authorityBytes)).toBe(pinned(AUTHORITY));
});

test("the signed part of an X.509-SVID is pinned, byte for byte", () => {
  const issuer = issuerOf(signedCertificate(authorityBytes, Uint8Array.of(0x30, 0)));
  const leaf = leafCertificate(issuer, {
    serialNumber,
    notBefore: addSeconds(NOW, -10),
    expiresAt: addSeconds(NOW, 300),
    spiffeId: STEP.spiffeId,
    publicKey: P256_SPKI,
  });
  expect(hex(leaf)).toBe(pinned(LEAF));
});

test("an organization is cut at what X.520 allows, and the alternative name has the trust domain whole", () => {
  const trustDomain = parseTrustDomain(`${"a".repeat(100)}.example`);
  const facts = { serialNumber, notBefore: NOW, expiresAt: addSeconds(NOW, 60), publicKey: P256_SPKI };
  const certificate = signedCertificate(authorityCertificate({ ...facts, trustDomain }), Uint8Array.of(0x30, 0));
  const parsed = new X509Certificate(certificate);
  expect(parsed.subject).toContain(`O=${"a".repeat(64)}\n`);
  expect(parsed.subjectAltName).toBe(`URI:spiffe://${trustDomain}`);
});

describe("a certificate as issued", () => {
  const format = x509DerFormat();
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
  let directory = "";
  let authority: Authority;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "stint-x509-"));
    authority = await signer.create("x509-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  async function issue(publicKey: Uint8Array, expiresAt: UnixSeconds = addSeconds(NOW, 300)): Promise<Uint8Array> {
    const toBeSigned = format.toBeSigned({
      spiffeId: STEP.spiffeId,
      notBefore: addSeconds(NOW, -10),
      expiresAt,
      authority,
      serialNumber: "7f112233445566778899aabbccddeeff",
      publicKey,
      audiences: [],
      grant: [],
      step: STEP,
    });
    return format.assemble(toBeSigned, await signer.signSvid(recordedOf("x509-svid", authority, toBeSigned)));
  }

  const keys = [
    { kind: "P-256", pair: generateKeyPairSync("ec", { namedCurve: "P-256" }) },
    { kind: "P-384", pair: generateKeyPairSync("ec", { namedCurve: "P-384" }) },
    { kind: "RSA", pair: generateKeyPairSync("rsa", { modulusLength: 2_048 }) },
  ];

  test.for(keys)("for a $kind key is read by Node as what it says", async ({ pair }) => {
    const leaf = new X509Certificate(await issue(pair.publicKey.export({ type: "spki", format: "der" })));
    const ca = new X509Certificate(authority.certificate ?? new Uint8Array());
    expect(leaf.subjectAltName).toBe(`URI:${STEP.spiffeId}`);
    // Node gives an empty subject as `undefined`.
    expect(leaf.subject).toBeUndefined();
    expect(leaf.issuer).toBe(ca.subject);
    expect(leaf.serialNumber).toBe("7F112233445566778899AABBCCDDEEFF");
    expect(leaf.ca).toBe(false);
    expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(leaf.validFromDate.getTime()).toBe((NOW - 10) * 1_000);
    expect(leaf.validToDate.getTime()).toBe((NOW + 299) * 1_000);
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(pair.privateKey.export({ type: "pkcs8", format: "pem" })))).toBe(true);
    expect(ca.ca).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
  });

  test("has, to another parser, exactly these extensions with these marks", async () => {
    const leaf = new Oracle(await issue(P256_SPKI));
    expect(leaf.extensions.map(({ type, critical }) => ({ type, critical }))).toEqual([
      { type: "2.5.29.15", critical: true },
      { type: "2.5.29.37", critical: false },
      { type: "2.5.29.19", critical: true },
      { type: "2.5.29.14", critical: false },
      { type: "2.5.29.35", critical: false },
      { type: "2.5.29.17", critical: true },
    ]);
    const ca = new Oracle(authority.certificate ?? new Uint8Array());
    expect(ca.extensions.map(({ type, critical }) => ({ type, critical }))).toEqual([
      { type: "2.5.29.15", critical: true },
      { type: "2.5.29.19", critical: true },
      { type: "2.5.29.14", critical: false },
      { type: "2.5.29.35", critical: false },
      { type: "2.5.29.17", critical: false },
    ]);
    expect(ca.subject).toBe(`O=example.org, CN=Stint CA, 2.5.4.5=${authority.authorityId}`);
  });

  test("is found by the digest of its signed part, which assembling does not change", async () => {
    const certificate = await issue(P256_SPKI);
    const read = readCertificate(certificate);
    expect(read.serialNumber).toBe("7f112233445566778899aabbccddeeff");
    expect(read.publicKey).toEqual(new Uint8Array(P256_SPKI));
    expect(read.issuer).toEqual(readCertificate(authority.certificate ?? new Uint8Array()).subject);
    expect(hex(certificate)).toContain(hex(read.toBeSigned));
  });

  /** What OpenSSL says of a chain at an instant; throws when it refuses. */
  function verify(leaf: Uint8Array, at: number, options: readonly string[] = []): string {
    const ca = pem("ca.pem", authority.certificate ?? new Uint8Array());
    const fixed = ["verify", "-x509_strict", "-attime", String(at), "-CAfile", ca];
    return execFileSync("openssl", [...fixed, ...options, pem("leaf.pem", leaf)], { encoding: "utf8", stdio: "pipe" });
  }

  function pem(name: string, der: Uint8Array): string {
    const path = join(directory, name);
    writeFileSync(path, new X509Certificate(der).toString());
    return path;
  }

  test.for(["sslclient", "sslserver"])(
    "is verified strictly by OpenSSL for the purpose %s, until it ends",
    async (purpose) => {
      const leaf = await issue(P256_SPKI);
      expect(verify(leaf, NOW, ["-purpose", purpose])).toContain("OK");
      expect(verify(leaf, NOW + 298, ["-purpose", purpose])).toContain("OK");
      // In the second in which a JWT-SVID of the same step ends, this one has ended too.
      expect(() => verify(leaf, NOW + 300, ["-purpose", purpose])).toThrow(/expired/);
    },
  );

  test("can't issue: OpenSSL refuses a chain through it", async () => {
    const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const publicKey = pair.publicKey.export({ type: "spki", format: "der" });
    const middle = await issue(publicKey);
    const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 200) };
    const forged = leafCertificate(
      { name: EMPTY_NAME, keyIdentifier: keyIdentifierOf(publicKey) },
      { serialNumber, ...validity, spiffeId: STEP.spiffeId, publicKey: P256_SPKI },
    );
    const leaf = signedCertificate(forged, sign("sha256", forged, pair.privateKey));
    expect(() => verify(leaf, NOW, ["-untrusted", pem("middle.pem", middle)])).toThrow(/invalid CA certificate/);
  });
});
