import "reflect-metadata";
import { constants, createHash, KeyObject, randomBytes, sign, type webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { expect } from "vitest";
import { createX509popAttestor } from "../../../src/adapters/attestor-x509pop/x509pop-attestor.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import type { EvidenceFacts } from "../../../src/ports/evidence-attestor.ts";
import { type VirtualClock, virtualClock } from "../../memory/virtual-clock.ts";

// Chains as another implementation makes them, and answers as the contract has them: by nothing that the broker uses itself.

export const NOW = 1_800_000_000 as UnixSeconds;
export const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
export const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";

export const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
export const P384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" } as const;
export const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: Uint8Array.of(1, 0, 1),
  modulusLength: 2_048,
} as const;
type Algorithm = typeof P256 | typeof P384 | typeof RSA;

export type Issued = {
  readonly certificate: X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
  readonly algorithm: Algorithm;
};

type Wanted = {
  readonly algorithm?: Algorithm;
  readonly subject?: string;
  readonly serialNumber?: string;
  readonly notBefore?: number;
  readonly notAfter?: number;
  /** Instead of those that a leaf or an authority ordinarily has, beside the identifiers of the keys. */
  readonly extensions?: readonly Extension[];
};

export const AUTHORITY = [
  new BasicConstraintsExtension(true, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
];
export const LEAF = [
  new BasicConstraintsExtension(false),
  new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
  new ExtendedKeyUsageExtension([CLIENT_AUTH]),
];
type Name = { readonly type: "dns" | "url" | "email" | "ip"; readonly value: string };
export const names = (...list: readonly Name[]) => new SubjectAlternativeNameExtension([...list]);

let authorities = 0;

export function authority(wanted: Wanted = {}, issuer?: Issued): Promise<Issued> {
  authorities += 1;
  return issue({ subject: `CN=authority ${authorities}`, extensions: AUTHORITY, ...wanted }, issuer);
}

export function leafOf(issuer: Issued, wanted: Wanted = {}): Promise<Issued> {
  return issue({ subject: "CN=worker", extensions: LEAF, ...wanted }, issuer);
}

async function issue(wanted: Wanted, issuer: Issued | undefined): Promise<Issued> {
  const { algorithm = P256, subject = "", notBefore = NOW - 60, notAfter = NOW + 3_600, extensions = [] } = wanted;
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const signer = issuer ?? { keys, algorithm };
  const certificate = await X509CertificateGenerator.create({
    serialNumber: wanted.serialNumber ?? `7f${randomBytes(15).toString("hex")}`,
    subject,
    issuer: issuer?.certificate.subject ?? subject,
    notBefore: new Date(notBefore * 1_000),
    notAfter: new Date(notAfter * 1_000),
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: signer.algorithm,
    extensions: [
      ...extensions,
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(signer.keys.publicKey),
    ],
  });
  return { certificate, keys, algorithm };
}

function pemOf(...list: readonly Issued[]): string {
  return list.map(({ certificate }) => certificate.toString("pem")).join("\n");
}

/** Certificates as they are sent. */
export function evidenceOf(...chain: readonly Issued[]): Uint8Array {
  return Buffer.concat(chain.map(({ certificate }) => Buffer.from(certificate.rawData)));
}

/** What runtimes sign; pinned by being written out here. */
export function proofOf(challenge: Uint8Array, csr: Uint8Array): Uint8Array {
  const digest = createHash("sha256").update(csr).digest();
  return Buffer.concat([Buffer.from("stint.v1 x509pop\0"), challenge, digest]);
}

/** How each kind of key signs it. */
export function signedBy(holder: Issued, proof: Uint8Array): Uint8Array {
  const key = KeyObject.from(holder.keys.privateKey);
  if (holder.algorithm.name === "ECDSA") return sign(holder.algorithm.hash, proof, key);
  return sign("sha256", proof, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 });
}

export const CSR = Buffer.from("the request of whoever is attested");

export type Answer = (challenge: Uint8Array) => Uint8Array | Promise<Uint8Array>;

export type Scene = {
  readonly clock: VirtualClock;
  /** Challenges that were sent. */
  readonly challenges: Uint8Array[];
  attest(evidence: Uint8Array, answer: Answer): Promise<EvidenceFacts>;
  /** With an answer as it should be. */
  attestHolder(...chain: readonly [Issued, ...Issued[]]): Promise<EvidenceFacts>;
};

export function x509popScene(...trusted: readonly Issued[]): Scene {
  return x509popSceneOf(pemOf(...trusted));
}

/** @param authorities - PEM. */
export function x509popSceneOf(authorities: string): Scene {
  const clock = virtualClock(NOW);
  const attestor = createX509popAttestor({ authorities, clock, randomness: systemRandomness() });
  const challenges: Uint8Array[] = [];
  function attest(evidence: Uint8Array, answer: Answer): Promise<EvidenceFacts> {
    const challenger = {
      async challenge(challenge: Uint8Array) {
        challenges.push(challenge);
        return answer(challenge);
      },
    };
    return attestor.attest(evidence, challenger, CSR);
  }
  return {
    clock,
    challenges,
    attest,
    attestHolder: (...chain) =>
      attest(evidenceOf(...chain), (challenge) => signedBy(chain[0], proofOf(challenge, CSR))),
  };
}

/** The refusal that says this in its detail, and nothing of it in its message. */
export const refusal = (detail: string) =>
  expect.objectContaining({
    code: "NO_IDENTITY",
    message: "the certificate is not accepted here",
    detail: expect.stringContaining(detail),
  });
