import "reflect-metadata";
import { createHash, sign } from "node:crypto";
import { ExtendedKeyUsageExtension, KeyUsageFlags, KeyUsagesExtension } from "@peculiar/x509";
import { beforeAll, describe, expect, test } from "vitest";
import { derOf, oidOf, sequenceOf, TAG } from "../../../src/domain/der.ts";
import * as forge from "../../verify/certificate-forge.ts";
import {
  AUTHORITY,
  authority,
  CLIENT_AUTH,
  CSR,
  evidenceOf,
  type Issued,
  LEAF,
  leafOf,
  NOW,
  names,
  P256,
  P384,
  proofOf,
  RSA,
  refusal,
  SERVER_AUTH,
  signedBy,
  x509popScene,
  x509popSceneOf,
} from "./x509pop-scene.ts";

let root: Issued;
let leaf: Issued;
beforeAll(async () => {
  root = await authority();
  leaf = await leafOf(root);
});

const caOf = ({ certificate }: Issued) =>
  `x509pop:ca:${createHash("sha256").update(Buffer.from(certificate.rawData)).digest("hex")}`;

describe("whoever holds the key of a certificate of a trusted CA", () => {
  test("has the selectors that the certificate says", async () => {
    const worker = await leafOf(root, {
      subject: "CN=Worker 1, O=Example",
      serialNumber: "00a1b2c3",
      extensions: [
        ...LEAF,
        names(
          { type: "dns", value: "Worker-1.example.org" },
          { type: "dns", value: "*.example.org" },
          { type: "url", value: "spiffe://other.example/worker" },
          { type: "email", value: "worker@example.org" },
          { type: "ip", value: "10.0.0.1" },
        ),
      ],
    });
    const { selectors, spends } = await x509popScene(root).attestHolder(worker);
    expect([...selectors]).toEqual([
      caOf(root),
      "x509pop:serial_number:a1b2c3",
      "x509pop:subject:cn:Worker 1",
      "x509pop:san:dns:worker-1.example.org",
      "x509pop:san:uri:spiffe://other.example/worker",
    ]);
    expect(spends).toBeUndefined();
  });

  test.for([
    { what: "P-256", algorithm: P256 },
    { what: "P-384", algorithm: P384 },
    { what: "RSA", algorithm: RSA },
  ])("is attested with a key of $what, under a CA with one", async ({ algorithm }) => {
    const ca = await authority({ algorithm });
    const { selectors } = await x509popScene(ca).attestHolder(await leafOf(ca, { algorithm }));
    expect(selectors).toContain("x509pop:subject:cn:worker");
  });

  test("is attested through the authorities between, each of which is a selector", async () => {
    const between = await authority({}, root);
    const worker = await leafOf(between);
    const scene = x509popScene(root);
    const { selectors } = await scene.attestHolder(worker, between, root);
    expect([...selectors]).toEqual(expect.arrayContaining([caOf(between), caOf(root)]));
    // The root may be left out, and the one between may not.
    await scene.attestHolder(worker, between);
    await expect(scene.attestHolder(worker, root)).rejects.toEqual(refusal("no trusted authority"));
  });

  test("is attested where any of several CAs is trusted, one of another's among them", async () => {
    const between = await authority({}, await authority());
    const { selectors } = await x509popScene(root, between).attestHolder(await leafOf(between));
    expect(selectors).toContain(caOf(between));
    expect(selectors).not.toContain(caOf(root));
  });

  test("is attested without an extended key usage, which then says nothing", async () => {
    const plain = await leafOf(root, { extensions: [new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true)] });
    await x509popScene(root).attestHolder(plain);
  });

  test.for([
    { what: "several common names", subject: "CN=worker, CN=admin" },
    { what: "none", subject: "O=Example" },
  ])("has no selector of a common name where there are $what", async ({ subject }) => {
    const { selectors } = await x509popScene(root).attestHolder(await leafOf(root, { subject }));
    expect([...selectors].filter((one) => one.startsWith("x509pop:subject:"))).toEqual([]);
  });
});

test.for([
  { what: "in an encoding that nobody reads alike", tag: 0x14, content: Buffer.from("worker") },
  { what: "that is not the UTF-8 it should be", tag: TAG.utf8String, content: Buffer.from("work\xe9r", "latin1") },
])("a common name $what is none", async ({ tag, content }) => {
  const ca = forge.authority();
  const commonName = sequenceOf(oidOf("2.5.4.3"), derOf(tag, content));
  const worker = forge.leafOf(ca, { subject: sequenceOf(derOf(TAG.set, commonName)) });
  const scene = x509popSceneOf(forge.pemOf("CERTIFICATE", ca.der));
  const { selectors } = await scene.attest(worker.der, (challenge) =>
    sign("sha256", proofOf(challenge, CSR), worker.privateKey),
  );
  expect([...selectors].filter((one) => one.startsWith("x509pop:subject:"))).toEqual([]);
});

describe("a certificate is refused", () => {
  test.for([
    { what: "that has expired", wanted: { notAfter: NOW - 1 }, says: "expired" },
    { what: "that is not valid yet", wanted: { notBefore: NOW + 1 }, says: "not valid yet" },
    {
      what: "that is not for clients",
      wanted: { extensions: [new ExtendedKeyUsageExtension([SERVER_AUTH])] },
      says: "extended key usage",
    },
    { what: "of an authority", wanted: { extensions: AUTHORITY }, says: "no authority" },
    {
      what: "whose key is not for signatures",
      wanted: { extensions: [new KeyUsagesExtension(KeyUsageFlags.keyAgreement, true)] },
      says: "for signatures",
    },
  ])("$what", async ({ wanted, says }) => {
    await expect(x509popScene(root).attestHolder(await leafOf(root, wanted))).rejects.toEqual(refusal(says));
  });

  test("of a CA that is not trusted, also when it sends its root along", async () => {
    const foreign = await authority();
    const scene = x509popScene(root);
    const worker = await leafOf(foreign);
    await expect(scene.attestHolder(worker)).rejects.toEqual(refusal("no trusted authority"));
    await expect(scene.attestHolder(worker, foreign, root)).rejects.toEqual(refusal("no trusted authority"));
  });

  test("of a CA with the name of a trusted one", async () => {
    const subject = root.certificate.subject;
    const impostor = await authority({ subject });
    await expect(x509popScene(root).attestHolder(await leafOf(impostor))).rejects.toEqual(
      refusal("no trusted authority"),
    );
  });

  test("that another leaf issued", async () => {
    const below = await leafOf(leaf);
    await expect(x509popScene(root).attestHolder(below, leaf)).rejects.toEqual(refusal("authority"));
  });

  test("under an authority whose purposes are others", async () => {
    const between = await authority({ extensions: [...AUTHORITY, new ExtendedKeyUsageExtension([SERVER_AUTH])] }, root);
    await expect(x509popScene(root).attestHolder(await leafOf(between), between)).rejects.toEqual(
      refusal("extended key usage"),
    );
  });

  test("that expires while its holder takes his time to answer", async () => {
    const scene = x509popScene(root);
    const worker = await leafOf(root, { notAfter: NOW + 4 });
    const attested = scene.attest(evidenceOf(worker), (challenge) => {
      scene.clock.advance(5_000);
      return signedBy(worker, proofOf(challenge, CSR));
    });
    await expect(attested).rejects.toEqual(refusal("expired"));
  });

  test("once its CA has expired", async () => {
    const ca = await authority({ notAfter: NOW + 60 });
    const scene = x509popScene(ca);
    const worker = await leafOf(ca);
    await scene.attestHolder(worker);
    scene.clock.advance(61_000);
    await expect(scene.attestHolder(worker)).rejects.toEqual(refusal("expired"));
  });
});

describe("an answer is refused", () => {
  const NOT_SIGNED = refusal("not signed by the leaf's key");

  test("by another key, that of a certificate of the same CA among them", async () => {
    const other = await leafOf(root);
    const attested = x509popScene(root).attest(evidenceOf(leaf, other), (challenge) =>
      signedBy(other, proofOf(challenge, CSR)),
    );
    await expect(attested).rejects.toEqual(NOT_SIGNED);
  });

  test("to another challenge, of which each is a new one", async () => {
    const scene = x509popScene(root);
    let kept = new Uint8Array();
    await scene.attest(evidenceOf(leaf), (challenge) => {
      kept = Uint8Array.from(signedBy(leaf, proofOf(challenge, CSR)));
      return kept;
    });
    await expect(scene.attest(evidenceOf(leaf), () => kept)).rejects.toEqual(NOT_SIGNED);
    const [first, second] = scene.challenges;
    expect([first?.length, second?.length]).toEqual([32, 32]);
    expect(first).not.toEqual(second);
  });

  test("for another request: one in the middle gets no certificate for a key of its own", async () => {
    const own = Buffer.from("the request of somebody in the middle");
    const attested = x509popScene(root).attest(evidenceOf(leaf), (challenge) =>
      signedBy(leaf, proofOf(challenge, own)),
    );
    await expect(attested).rejects.toEqual(NOT_SIGNED);
  });

  test.for<{ what: string; text: (proof: Uint8Array) => Uint8Array }>([
    { what: "the challenge alone", text: (proof) => proof.subarray(17, 49) },
    { what: "what has no purpose", text: (proof) => proof.subarray(17) },
    { what: "what has another purpose", text: (proof) => Buffer.from(proof).fill("v2", 6, 8) },
    { what: "what leaves the request out", text: (proof) => proof.subarray(0, 49) },
  ])("over $what", async ({ text }) => {
    const attested = x509popScene(root).attest(evidenceOf(leaf), (challenge) =>
      signedBy(leaf, text(proofOf(challenge, CSR))),
    );
    await expect(attested).rejects.toEqual(NOT_SIGNED);
  });

  test.for([
    { what: "nothing", answer: new Uint8Array() },
    { what: "no signature", answer: Uint8Array.of(1, 2, 3) },
    { what: "a signature of nought and nought", answer: Uint8Array.of(0x30, 6, 2, 1, 0, 2, 1, 0) },
  ])("that is $what", async ({ answer }) => {
    await expect(x509popScene(root).attest(evidenceOf(leaf), () => answer)).rejects.toEqual(NOT_SIGNED);
  });

  test("by an RSA key with the older padding", async () => {
    const worker = await leafOf(root, { algorithm: RSA });
    const attested = x509popScene(root).attest(evidenceOf(worker), async (challenge) => {
      const proof = Uint8Array.from(proofOf(challenge, CSR));
      return new Uint8Array(await crypto.subtle.sign(RSA.name, worker.keys.privateKey, proof));
    });
    await expect(attested).rejects.toEqual(NOT_SIGNED);
  });

  test("by whoever goes instead, who is told nothing else", async () => {
    const gone = new Error("gone");
    await expect(x509popScene(root).attest(evidenceOf(leaf), () => Promise.reject(gone))).rejects.toBe(gone);
  });
});

describe("what is no chain of certificates is said to be none, and not challenged", () => {
  test.for<{ what: string; evidence: () => Uint8Array }>([
    { what: "nothing", evidence: () => new Uint8Array() },
    { what: "a text", evidence: () => Buffer.from("-----BEGIN CERTIFICATE-----") },
    { what: "half a certificate", evidence: () => evidenceOf(leaf).subarray(0, 200) },
    { what: "a certificate with a byte behind it", evidence: () => Buffer.concat([evidenceOf(leaf), Buffer.of(0)]) },
    { what: "a list of certificates", evidence: () => derOf(0x30, evidenceOf(leaf)) },
    { what: "eleven certificates", evidence: () => evidenceOf(...Array.from({ length: 11 }, () => leaf)) },
    { what: "more than 64 KiB", evidence: () => Buffer.concat([evidenceOf(leaf), derOf(0x04, Buffer.alloc(65_536))]) },
  ])("$what", async ({ evidence }) => {
    const scene = x509popScene(root);
    await expect(scene.attest(evidence(), () => new Uint8Array())).rejects.toEqual(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "x509pop" } }),
    );
    expect(scene.challenges).toEqual([]);
  });
});

describe("the file of CA certificates is refused at the start", () => {
  test.for<{ what: string; file: () => Promise<readonly Issued[]>; says: string }>([
    { what: "with nothing in it", file: async () => [], says: "the file has no certificate" },
    { what: "with a leaf in it", file: async () => [root, leaf], says: "certificate 2:" },
    {
      what: "with an authority that is for servers alone",
      file: async () => [await authority({ extensions: [...AUTHORITY, new ExtendedKeyUsageExtension([SERVER_AUTH])] })],
      says: "certificate 1:",
    },
  ])("$what", async ({ file, says }) => {
    const trusted = await file();
    expect(() => x509popScene(...trusted)).toThrow(
      expect.objectContaining({ code: "NOT_SERVING", detail: expect.stringContaining(says) }),
    );
  });

  test("and taken with one that is for clients", async () => {
    const clients = await authority({ extensions: [...AUTHORITY, new ExtendedKeyUsageExtension([CLIENT_AUTH])] });
    await x509popScene(clients).attestHolder(await leafOf(clients));
  });
});
