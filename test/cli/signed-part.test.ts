import "reflect-metadata";
import { createHash, webcrypto } from "node:crypto";
import { BasicConstraintsExtension, type X509Certificate, X509CertificateGenerator } from "@peculiar/x509";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { signedPartSha256 } from "../../src/cli/signed-part.ts";

const token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";
const tokenDigest = createHash("sha256").update("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0").digest("hex");
const hex = (digest: Uint8Array | undefined) => digest && Buffer.from(digest).toString("hex");

async function selfSigned(): Promise<X509Certificate> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const extensions = [new BasicConstraintsExtension(false)];
  return X509CertificateGenerator.createSelfSigned({ name: "CN=t", keys, signingAlgorithm: algorithm, extensions });
}

describe("the signed part", () => {
  test.for([
    { found: "alone", text: token },
    { found: "with a line feed behind it", text: `${token}\n` },
    { found: "as it stood in a header", text: `Bearer ${token}` },
    { found: "in lower-case bearer", text: `  bearer   ${token}\r\n` },
  ])("of a token found $found is its header and payload", ({ text }) => {
    expect(hex(signedPartSha256(Buffer.from(text)))).toBe(tokenDigest);
  });

  test("of a certificate is the same in PEM, in a chain, and in DER", async () => {
    const [leaf, other] = [await selfSigned(), await selfSigned()];
    const digest = hex(signedPartSha256(new Uint8Array(leaf.rawData)));
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(hex(signedPartSha256(Buffer.from(leaf.toString("pem"))))).toBe(digest);
    const chain = `some text\n${leaf.toString("pem")}\n${other.toString("pem")}`;
    expect(hex(signedPartSha256(Buffer.from(chain)))).toBe(digest);
    expect(hex(signedPartSha256(new Uint8Array(other.rawData)))).not.toBe(digest);
  });

  test.for([
    { what: "nothing", text: "" },
    { what: "words", text: "not a credential" },
    { what: "a token without signature", text: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0." },
    { what: "two tokens", text: `${token} ${token}` },
    { what: "PEM of something else", text: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----" },
    { what: "a private key", text: "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----" },
  ])("of $what is none", ({ text }) => {
    expect(signedPartSha256(Buffer.from(text))).toBeUndefined();
  });

  test("of any bytes does not throw", () => {
    const bytes = fc.uint8Array({ maxLength: 300 }).map((tail) => Uint8Array.of(0x30, ...tail));
    fc.assert(fc.property(bytes, (input) => void signedPartSha256(input)));
  });
});
