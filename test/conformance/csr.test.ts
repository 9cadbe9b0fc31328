import "reflect-metadata";
import { execFileSync } from "node:child_process";
import { createPublicKey, generateKeyPairSync, sign, verify, webcrypto } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import type { Authority } from "../../src/domain/authority.ts";
import { parseCsr } from "../../src/domain/csr.ts";
import {
  bitStringOf,
  contextConstructed,
  contextPrimitive,
  derOf,
  integerOf,
  NULL,
  oidOf,
  sequenceOf,
  stringOf,
  TAG,
  TRUE,
} from "../../src/domain/der.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { authorityCertificate, signedCertificate } from "../../src/domain/x509-profile.ts";
import { checkCsr } from "../../src/verify/csr-proof.ts";
import {
  ALGORITHM,
  certificationRequest,
  NO_ATTRIBUTES,
  p256,
  type RequestParts,
} from "../samples/certification-request.ts";
import { NOW, P256_SPKI, STEP, TRUST_DOMAIN } from "../samples/credentials.ts";

const key = p256();
const publicKey = new Uint8Array(key.publicKey.export({ type: "spki", format: "der" }));
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const request = (parts: RequestParts = {}): Uint8Array => certificationRequest(key, parts);

/** The code of the refusal; `accepted` when there is none. Anything but a BrokerError fails the test. */
function answerTo(csr: Uint8Array): string {
  try {
    checkCsr(csr);
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof BrokerError) return thrown.code;
    throw thrown;
  }
}

describe("requests as others make them", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "stint-csr-"));
  });
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true });
  });

  function openssl(newKey: readonly string[], options: readonly string[] = []): Buffer {
    const keyFile = join(directory, "key.pem");
    execFileSync("openssl", ["genpkey", ...newKey, "-out", keyFile], { stdio: "ignore" });
    return execFileSync("openssl", ["req", "-new", "-key", keyFile, "-subj", "/CN=me", "-outform", "DER", ...options]);
  }
  const ec = (curve: string, encoding = "named_curve"): string[] => [
    "-algorithm",
    "EC",
    "-pkeyopt",
    `ec_paramgen_curve:${curve}`,
    "-pkeyopt",
    `ec_param_enc:${encoding}`,
  ];
  const rsaOf = (bits: number): string[] => ["-algorithm", "RSA", "-pkeyopt", `rsa_keygen_bits:${bits}`];

  test.for([
    { what: "P-256", newKey: ec("P-256"), answer: "accepted" },
    { what: "P-256 with SHA-512", newKey: ec("P-256"), options: ["-sha512"], answer: "accepted" },
    { what: "P-384", newKey: ec("P-384"), answer: "accepted" },
    { what: "P-384 with SHA-384", newKey: ec("P-384"), options: ["-sha384"], answer: "accepted" },
    { what: "RSA of 2048 bits", newKey: rsaOf(2_048), answer: "accepted" },
    { what: "RSA of 3072 bits with SHA-512", newKey: rsaOf(3_072), options: ["-sha512"], answer: "accepted" },
    {
      what: "a name and extensions",
      newKey: ec("P-256"),
      options: ["-addext", "subjectAltName=DNS:a.example"],
      answer: "accepted",
    },
    { what: "P-256 with SHA-1", newKey: ec("P-256"), options: ["-sha1"], answer: "CSR_INVALID" },
    { what: "P-256 with SHA-224", newKey: ec("P-256"), options: ["-sha224"], answer: "CSR_INVALID" },
    { what: "RSA with SHA-1", newKey: rsaOf(2_048), options: ["-sha1"], answer: "CSR_INVALID" },
    {
      what: "RSA signed with PSS",
      newKey: rsaOf(2_048),
      options: ["-sigopt", "rsa_padding_mode:pss"],
      answer: "CSR_INVALID",
    },
    { what: "RSA of 1024 bits", newKey: rsaOf(1_024), answer: "KEY_REFUSED" },
    { what: "P-521", newKey: ec("P-521"), answer: "KEY_REFUSED" },
    { what: "P-224", newKey: ec("P-224"), answer: "KEY_REFUSED" },
    { what: "secp256k1", newKey: ec("secp256k1"), answer: "KEY_REFUSED" },
    { what: "brainpoolP256r1", newKey: ec("brainpoolP256r1"), answer: "KEY_REFUSED" },
    { what: "P-256 with explicit parameters", newKey: ec("P-256", "explicit"), answer: "KEY_REFUSED" },
    { what: "Ed25519", newKey: ["-algorithm", "ED25519"], answer: "KEY_REFUSED" },
    { what: "Ed448", newKey: ["-algorithm", "ED448"], answer: "KEY_REFUSED" },
    { what: "RSA-PSS", newKey: ["-algorithm", "RSA-PSS"], answer: "KEY_REFUSED" },
  ])("OpenSSL's of $what: $answer", ({ newKey, options, answer }) => {
    expect(answerTo(openssl(newKey, options))).toBe(answer);
  });

  test("a DSA key is refused", () => {
    const dsa = generateKeyPairSync("dsa", { modulusLength: 2_048, divisorLength: 256 });
    const file = join(directory, "dsa.pem");
    writeFileSync(file, dsa.privateKey.export({ type: "pkcs8", format: "pem" }));
    const csr = execFileSync("openssl", ["req", "-new", "-key", file, "-subj", "/CN=me", "-outform", "DER"]);
    expect(answerTo(csr)).toBe("KEY_REFUSED");
  });

  test("gives the very key that another library put in, whatever names it asked for", async () => {
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const csr = await Pkcs10CertificateRequestGenerator.create({
      name: "CN=spiffe://example.org/stint/server",
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension([{ type: "url", value: "spiffe://example.org/stint/server" }])],
    });
    const expected = new Uint8Array(await webcrypto.subtle.exportKey("spki", keys.publicKey));
    expect(checkCsr(new Uint8Array(csr.rawData)).publicKey).toEqual(expected);
  });
});

/** A Name with one attribute. */
const named = (oid: string, value: Uint8Array): Uint8Array => sequenceOf(derOf(TAG.set, sequenceOf(oidOf(oid), value)));
const commonName = (text: string): Uint8Array => named("2.5.4.3", stringOf(TAG.utf8String, text));

/** `[0]` with one attribute: an extensionRequest of these. */
function asking(...extensions: readonly Uint8Array[]): Uint8Array {
  const values = derOf(TAG.set, sequenceOf(...extensions));
  return derOf(contextConstructed(0), sequenceOf(oidOf("1.2.840.113549.1.9.14"), values));
}
const extension = (oid: string, value: Uint8Array): Uint8Array =>
  sequenceOf(oidOf(oid), TRUE, derOf(TAG.octetString, value));
const uris = (...names: readonly string[]): Uint8Array =>
  extension("2.5.29.17", sequenceOf(...names.map((name) => stringOf(contextPrimitive(6), name))));

describe("what a request asks for is ignored", () => {
  const format = x509DerFormat();
  const validity = { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) };
  const ca = authorityCertificate({
    trustDomain: TRUST_DOMAIN,
    serialNumber: Uint8Array.of(1),
    ...validity,
    publicKey: P256_SPKI,
  });
  const authority: Authority = {
    authorityId: "0".repeat(40),
    family: "x509-svid",
    state: "active",
    publicKey: P256_SPKI,
    certificate: signedCertificate(ca, Uint8Array.of(0x30, 0)),
    ...validity,
  };
  const issuedFor = (csr: Uint8Array): Uint8Array =>
    format.toBeSigned({
      spiffeId: STEP.spiffeId,
      notBefore: NOW,
      expiresAt: addSeconds(NOW, 300),
      authority,
      serialNumber: "7f",
      publicKey: checkCsr(csr).publicKey,
      audiences: [],
      grant: [],
    });
  const plain = issuedFor(request());

  test.for([
    { what: "a common name", parts: { subject: commonName("spiffe://example.org/operator/root") } },
    { what: "a NUL in a name", parts: { subject: commonName("good.example\0.evil.example") } },
    {
      what: "a name that is no UTF-8",
      parts: { subject: named("2.5.4.3", derOf(TAG.utf8String, Uint8Array.of(0xff))) },
    },
    { what: "another SPIFFE ID", parts: { attributes: asking(uris("spiffe://example.org/operator/root")) } },
    {
      what: "two SPIFFE IDs",
      parts: { attributes: asking(uris("spiffe://example.org/a", "spiffe://other.example/b")) },
    },
    { what: "a SPIFFE ID with a NUL", parts: { attributes: asking(uris("spiffe://example.org/a\0b")) } },
    {
      what: "to be an authority",
      parts: {
        attributes: asking(
          extension("2.5.29.19", sequenceOf(TRUE)),
          extension("2.5.29.15", derOf(TAG.bitString, Uint8Array.of(1, 6))),
        ),
      },
    },
    { what: "an unknown critical extension", parts: { attributes: asking(extension("1.3.6.1.4.1.1.1", NULL)) } },
    {
      what: "a challenge password",
      parts: {
        attributes: derOf(
          contextConstructed(0),
          sequenceOf(oidOf("1.2.840.113549.1.9.7"), derOf(TAG.set, stringOf(TAG.utf8String, "secret"))),
        ),
      },
    },
    { what: "kilobytes of name", parts: { subject: commonName("x".repeat(12_000)) } },
  ])("with $what the certificate is, byte for byte, the one without", ({ parts }) => {
    expect(Buffer.compare(issuedFor(request(parts)), plain)).toBe(0);
  });
});

const spki = Buffer.from(publicKey);
const indefinite = (content: Uint8Array): Uint8Array => Uint8Array.of(0x30, 0x80, ...content, 0, 0);
const lastBitFlipped = (csr: Uint8Array): Uint8Array => csr.with(csr.length - 1, (csr[csr.length - 1] ?? 0) ^ 1);
const good = request();
const content = good.subarray(good[1] === 0x81 ? 3 : 4);

describe("a hostile request", () => {
  test.for([
    { what: "nothing", csr: new Uint8Array() },
    { what: "one byte", csr: Uint8Array.of(0x30) },
    { what: "text", csr: Buffer.from("-----BEGIN CERTIFICATE REQUEST-----") },
    { what: "a byte behind the end", csr: Uint8Array.of(...good, 0) },
    { what: "a byte missing at the end", csr: good.subarray(0, -1) },
    { what: "one byte too large", csr: padded(LIMITS.csrBytesMax + 1) },
    { what: "a megabyte", csr: new Uint8Array(1_048_576).fill(0x30) },
    { what: "an indefinite length outside", csr: indefinite(content) },
    { what: "an indefinite length inside", csr: request({ subject: indefinite(new Uint8Array()) }) },
    {
      what: "a length in needless octets",
      csr: Uint8Array.of(0x30, 0x83, 0, content.length >> 8, content.length & 0xff, ...content),
    },
    { what: "a set for a sequence", csr: good.with(0, TAG.set) },
    { what: "a fourth element", csr: sequenceOf(content, NULL) },
    { what: "version 2", csr: request({ version: integerOf(Uint8Array.of(1)) }) },
    { what: "version -1", csr: request({ version: derOf(TAG.integer, Uint8Array.of(0xff)) }) },
    { what: "version 0 in two bytes", csr: request({ version: derOf(TAG.integer, Uint8Array.of(0, 0)) }) },
    { what: "no version", csr: request({ version: new Uint8Array() }) },
    { what: "no attributes", csr: request({ attributes: new Uint8Array() }) },
    { what: "attributes twice", csr: request({ more: NO_ATTRIBUTES }) },
    { what: "something behind the attributes", csr: request({ more: sequenceOf() }) },
    { what: "a subject that is a set", csr: request({ subject: derOf(TAG.set) }) },
    { what: "a string in pieces within the subject", csr: request({ subject: sequenceOf(derOf(0x2c)) }) },
    { what: "a subject 5000 levels deep", csr: request({ subject: nested(5_000) }) },
    {
      what: "a tag of two octets in an attribute",
      csr: request({ attributes: derOf(contextConstructed(0), Uint8Array.of(0x1f, 0x20, 0)) }),
    },
    {
      what: "an end-of-contents mark in an attribute",
      csr: request({ attributes: derOf(contextConstructed(0), Uint8Array.of(0, 0)) }),
    },
    { what: "a key that is a string", csr: request({ publicKey: derOf(TAG.octetString, spki) }) },
    { what: "a key that is empty", csr: request({ publicKey: sequenceOf() }) },
    { what: "a signature algorithm that is empty", csr: request({ algorithm: sequenceOf() }) },
    { what: "an unknown signature algorithm", csr: request({ algorithm: sequenceOf(oidOf("1.2.3.4")) }) },
    { what: "the algorithm of another kind of key", csr: request({ algorithm: ALGORITHM.rsaSha256 }) },
    {
      what: "a good signature under the name of another kind's",
      csr: request({ algorithm: sequenceOf(oidOf("1.2.840.113549.1.1.11")) }),
    },
    { what: "another hash than was signed", csr: request({ hash: "sha384" }) },
    { what: "parameters for ECDSA", csr: request({ algorithm: sequenceOf(oidOf("1.2.840.10045.4.3.2"), NULL) }) },
    {
      what: "an OID with an arc beyond any",
      csr: request({ algorithm: sequenceOf(derOf(TAG.oid, Uint8Array.of(0x2a, ...Array<number>(20).fill(0xff), 1))) }),
    },
    { what: "no signature", csr: request({ signature: bitStringOf(new Uint8Array()) }) },
    { what: "an empty bit string", csr: request({ signature: derOf(TAG.bitString) }) },
    {
      what: "unused bits in the signature",
      csr: request({ signature: derOf(TAG.bitString, Uint8Array.of(1, 0x30, 0)) }),
    },
    { what: "a signature of zeros", csr: request({ signature: bitStringOf(Buffer.from("3006020100020100", "hex")) }) },
    { what: "a signature in the form of JOSE", csr: joseSigned() },
    { what: "a signature of another key", csr: certificationRequest({ ...p256(), publicKey: key.publicKey }) },
    {
      what: "a signature of another request",
      csr: request({ signature: bitStringOf(sign("sha256", Buffer.from("other"), key.privateKey)) }),
    },
    { what: "a signature changed in its last bit", csr: lastBitFlipped(good) },
    { what: "a subject changed after it was signed", csr: changedSubject() },
    {
      what: "an RSA signature of another key",
      csr: certificationRequest({
        publicKey: rsa.publicKey,
        privateKey: generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey,
      }),
    },
  ])("with $what is CSR_INVALID", ({ csr }) => {
    expect(answerTo(csr)).toBe("CSR_INVALID");
  });

  test.for([
    { what: "a point beside its curve", publicKey: spki.with(spki.length - 1, (spki[spki.length - 1] ?? 0) ^ 1) },
    { what: "a point of zeros", publicKey: new Uint8Array(spki).fill(0, 27) },
    { what: "coordinates beyond the field", publicKey: new Uint8Array(spki).fill(0xff, 27) },
    { what: "a compressed point", publicKey: compressed() },
    {
      what: "unused bits",
      publicKey: sequenceOf(spki.subarray(2, 23), derOf(TAG.bitString, Uint8Array.of(7), spki.subarray(26))),
    },
  ])("with $what for a key is KEY_REFUSED", ({ publicKey: hostile }) => {
    expect(answerTo(request({ publicKey: hostile }))).toBe("KEY_REFUSED");
  });

  test("is refused with what was expected, the field, and nothing of its content", () => {
    try {
      checkCsr(request({ subject: commonName("TOP-SECRET"), version: integerOf(Uint8Array.of(1)) }));
      expect.unreachable();
    } catch (thrown) {
      const refusal = thrown as BrokerError;
      expect(refusal.message).toBe("csr: a PKCS#10 request in strict DER");
      expect(refusal.metadata).toEqual({ field: "csr" });
      expect(JSON.stringify([refusal.message, refusal.detail, refusal.metadata])).not.toContain("TOP-SECRET");
    }
  });
});

test("the key given out is a copy that does not change with the request's buffer", () => {
  const csr = Uint8Array.from(good);
  const given = checkCsr(csr).publicKey;
  csr.fill(0);
  expect(given).toEqual(publicKey);
});

test("the largest request allowed is read", () => {
  expect(answerTo(padded(LIMITS.csrBytesMax))).toBe("accepted");
});

/** A good request of so many bytes. */
function padded(bytes: number): Uint8Array {
  // Signatures differ in length by a byte or two: try until one fits.
  for (let round = 0; round < 10_000; round += 1) {
    const csr = request({ subject: commonName("x".repeat(bytes - 260 + (round % 100))) });
    if (csr.length === bytes) return csr;
  }
  throw new Error("no request of this length");
}

function nested(depth: number): Uint8Array {
  const headers: Uint8Array[] = [];
  let length = 0;
  for (let level = 0; level < depth; level += 1) {
    const header = derOf(TAG.sequence, new Uint8Array(length)).subarray(0, -length || undefined);
    headers.unshift(header);
    length += header.length;
  }
  return Buffer.concat(headers);
}

function joseSigned(): Uint8Array {
  const signature = sign("sha256", parseCsr(good).signedPart, { key: key.privateKey, dsaEncoding: "ieee-p1363" });
  return request({ signature: bitStringOf(signature) });
}

/** The subject says "evil" where "good" was signed, and the whole is DER still. */
function changedSubject(): Uint8Array {
  const csr = Buffer.from(request({ subject: commonName("good") }));
  csr.write("evil", csr.indexOf("good"));
  return csr;
}

function compressed(): Uint8Array {
  const x = spki.subarray(27, 59);
  const sequence = spki.subarray(2, 23);
  const encoded = sequenceOf(sequence, bitStringOf(Uint8Array.of(2 + ((spki[90] ?? 0) & 1), ...x)));
  // It is a good key to OpenSSL: refused because of its form alone.
  const same = createPublicKey({ key: Buffer.from(encoded), format: "der", type: "spki" });
  expect(verify("sha256", good, same, sign("sha256", good, key.privateKey))).toBe(true);
  return encoded;
}
