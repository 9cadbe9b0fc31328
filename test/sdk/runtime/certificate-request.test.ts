import "reflect-metadata";
import { createPublicKey } from "node:crypto";
import { Pkcs10CertificateRequest } from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { certificateRequestOf, generateKey } from "../../../src/sdk/runtime/certificate-request.ts";
import { checkCsr } from "../../../src/verify/csr-proof.ts";

describe("a certificate request", () => {
  test("holds a P-256 key, the proof of its possession, and neither names nor attributes", async () => {
    const keys = await generateKey();
    const request = new Pkcs10CertificateRequest(certificateRequestOf(keys));
    expect(await request.verify()).toBe(true);
    expect(request.subject).toBe("");
    expect(request.attributes).toEqual([]);
    const key = createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: "der", type: "spki" });
    expect(key.equals(keys.publicKey)).toBe(true);
    expect(key.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  });

  test("is one that the broker accepts", async () => {
    const keys = await generateKey();
    const { publicKey } = checkCsr(certificateRequestOf(keys));
    expect(Buffer.from(publicKey)).toEqual(keys.publicKey.export({ type: "spki", format: "der" }));
  });

  test("is for another key each time", async () => {
    const [one, other] = await Promise.all([generateKey(), generateKey()]);
    expect(one.publicKey.equals(other.publicKey)).toBe(false);
  });
});
