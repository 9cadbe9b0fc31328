import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createX509popAttestor } from "../../../src/adapters/attestor-x509pop/x509pop-attestor.ts";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { tlsContextOf } from "../../../src/api/http/tls-context.ts";
import { spiffeBundle } from "../../../src/domain/bundle.ts";
import { sha256Hex } from "../../../src/domain/digest.ts";
import { selector } from "../../../src/domain/selector.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import type { EvidenceAttestor } from "../../../src/ports/evidence-attestor.ts";
import { attestRuntime } from "../../../src/sdk/runtime/attest-runtime.ts";
import { presentedEvidence } from "../../../src/sdk/runtime/attestation-evidence.ts";
import type { AttestationOptions, AttestationTrust } from "../../../src/sdk/runtime/attestation-options.ts";
import { serverTrustOf } from "../../../src/sdk/runtime/attestation-trust.ts";
import { attestedRuntimeSvid } from "../../../src/sdk/runtime/attested-svid.ts";
import { certificateRequestOf, generateKey } from "../../../src/sdk/runtime/certificate-request.ts";
import { createStint } from "../../../src/sdk/runtime/index.ts";
import type { TlsIdentity } from "../../../src/wire/channel.ts";
import { type AttestationScene, attestationScene } from "../../api/grpc/attestation-scene.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";
import { opensslAuthorities, P256, P384, RSA } from "../../samples/openssl-authority.ts";
import { manualTime } from "./manual-time.ts";

const SELECTORS = new Set([selector("unix:user", "flow")]);
const RUNTIME = { kind: "runtime", name: "flow", selectors: [...SELECTORS], agents: ["researcher"] } as const;
const NOWHERE = "tcp://127.0.0.1:1";

/** Takes this token and no other. */
const oidc: EvidenceAttestor = {
  attest: async (evidence) => ({
    selectors: Buffer.from(evidence).toString() === "good" ? SELECTORS : new Set(),
  }),
};

async function sceneWithRuntime(): Promise<AttestationScene> {
  const scene = await attestationScene({ evidenceAttestors: { oidc } });
  await scene.entry(RUNTIME);
  return scene;
}

function fileWith(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-attestation-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "file");
  writeFileSync(path, text);
  return path;
}

function optionsFor(scene: AttestationScene, own: Partial<AttestationOptions> = {}): AttestationOptions {
  return {
    address: `127.0.0.1:${scene.endpoint.port}`,
    trust: { trustDomain: "example.org", bundle: scene.roots },
    evidence: { oidc: () => "good" },
    ...own,
  };
}

function follow(scene: AttestationScene, own: Partial<AttestationOptions> = {}) {
  const time = manualTime();
  const svid = attestedRuntimeSvid(optionsFor(scene, own), NOWHERE, time);
  onTestFinished(svid.close);
  return { time, svid };
}

const leafOf = (pem: string) => new X509Certificate(pem);

test.for([
  { form: "PEM", trust: ({ roots }: AttestationScene) => ({ bundle: roots }) },
  { form: "a file of PEM", trust: ({ roots }: AttestationScene) => ({ bundleFile: fileWith(roots) }) },
  {
    form: "a SPIFFE bundle",
    trust: ({ broker }: AttestationScene) => ({
      bundle: JSON.stringify(spiffeBundle(broker.authorities.all(), 1, 60)),
    }),
  },
])("the broker is known by a bundle as $form, and gives a SVID for a key that it has never seen", async ({ trust }) => {
  const scene = await sceneWithRuntime();
  const { svid } = follow(scene, { trust: { trustDomain: "example.org", ...trust(scene) } as AttestationTrust });
  const identity = await svid.current();
  const leaf = leafOf(identity.certificateChain);
  expect(leaf.subjectAltName).toBe("URI:spiffe://example.org/runtime/flow");
  expect(identity.privateKey).toContain("BEGIN PRIVATE KEY");
  expect(identity).toMatchObject({ authorities: scene.roots, serverId: "spiffe://example.org/stint/server" });
});

test("evidence goes to nobody but the broker of the trust domain that was named", async () => {
  const scene = await sceneWithRuntime();
  const other = await sceneWithRuntime();
  const signal = AbortSignal.timeout(20_000);
  for (const trust of [
    { trustDomain: "other.example", bundle: scene.roots },
    { trustDomain: "example.org", bundle: other.roots },
    { serverName: "broker.example.org", roots: scene.roots },
    {},
  ]) {
    const options = optionsFor(scene, { trust, address: `localhost:${scene.endpoint.port}` });
    const attested = attestRuntime(options, await serverTrustOf(trust, undefined), signal);
    await expect(attested).rejects.toMatchObject({ unreachable: true });
  }
  expect(scene.lines).toEqual([]);
});

test("a broker that shows a certificate of the web is known by its name", async () => {
  using openssl = opensslAuthorities();
  const issuer = openssl.make({ name: "root" });
  const extensions = ["subjectAltName=DNS:broker.example.org", "extendedKeyUsage=serverAuth"];
  const { certificatePath: certificate, keyPath: privateKey } = openssl.make({ name: "web", issuer, extensions });
  const context = await tlsContextOf({ certificate, privateKey }, undefined);
  const scene = await attestationScene({ evidenceAttestors: { oidc }, endpoint: { context } });
  await scene.entry(RUNTIME);
  const roots = issuer.certificate;
  const { serverId } = await follow(scene, { trust: { serverName: "broker.example.org", roots } }).svid.current();
  expect(serverId).toBe("spiffe://example.org/stint/server");

  const wrong = optionsFor(scene, { trust: { serverName: "other.example.org", roots } });
  const attested = attestRuntime(wrong, await serverTrustOf(wrong.trust, undefined), AbortSignal.timeout(20_000));
  await expect(attested).rejects.toMatchObject({ unreachable: true });
});

const CLIENT = ["keyUsage=critical,digitalSignature", "extendedKeyUsage=clientAuth"];

test.for([
  { kind: "P-256", key: P256 },
  { kind: "P-384", key: P384 },
  { kind: "RSA", key: RSA },
])("a certificate whose key is $kind is evidence, by its proof for this request alone", async ({ key }) => {
  using openssl = opensslAuthorities();
  const root = openssl.make({ name: "devices" });
  const issuer = openssl.make({ name: "site", issuer: root });
  const device = openssl.make({ name: "device-7", key, issuer, extensions: CLIENT });
  const x509pop = createX509popAttestor({
    authorities: root.certificate,
    clock: virtualClock(Math.floor(Date.now() / 1_000) as UnixSeconds),
    randomness: systemRandomness(),
  });
  const scene = await attestationScene({ evidenceAttestors: { x509pop } });
  const ca = sha256Hex(new X509Certificate(root.certificate).raw);
  await scene.entry({ ...RUNTIME, selectors: [`x509pop:ca:${ca}`, "x509pop:subject:cn:device-7"] });
  const certificateChain = device.certificate + issuer.certificate;
  const evidence = { x509pop: { certificateChain, privateKey: device.key } };
  const { svid } = follow(scene, { evidence });
  expect(leafOf((await svid.current()).certificateChain).subjectAltName).toContain("/runtime/flow");

  const presented = await presentedEvidence(evidence);
  const otherRequest = certificateRequestOf(await generateKey());
  const inBetween = scene.attest(presented, (challenge) => presented.answer?.(challenge, otherRequest) ?? challenge);
  await expect(inBetween).rejects.toMatchObject({ reason: "NO_IDENTITY", message: "the evidence is not accepted" });
});

test("no certificate in PEM, or no key of one, is no evidence", async () => {
  const scene = await sceneWithRuntime();
  using openssl = opensslAuthorities();
  const { certificate, key } = openssl.make({ name: "device" });
  for (const x509pop of [
    { certificateChain: "", privateKey: key },
    { certificateChain: certificate, privateKey: certificate },
  ]) {
    await expect(follow(scene, { evidence: { x509pop } }).svid.current()).rejects.toMatchObject({
      reason: "NO_EVIDENCE",
    });
  }
  expect(scene.lines).toEqual([]);
});

test.for([
  { what: "an empty bundle", trust: { trustDomain: "example.org", bundle: "" }, field: "trust.bundle" },
  { what: "JSON without CAs", trust: { trustDomain: "example.org", bundle: '{"keys":[]}' }, field: "trust.bundle" },
  {
    what: "a file that is not there",
    trust: { trustDomain: "example.org", bundleFile: "/nowhere/bundle.pem" },
    field: "trust.bundleFile",
  },
  { what: "no trust domain", trust: { trustDomain: "spiffe://x", bundle: "" }, field: "trust.trustDomain" },
])("$what is refused before anything is sent", async ({ trust, field }) => {
  const scene = await sceneWithRuntime();
  await expect(follow(scene, { trust }).svid.current()).rejects.toMatchObject({
    reason: "INVALID_FIELD",
    metadata: { field },
  });
});

test("a leaf is no bundle to know the broker by", async () => {
  const scene = await sceneWithRuntime();
  const { svid } = follow(scene);
  const { certificateChain } = await svid.current();
  const trust = { trustDomain: "example.org", bundle: certificateChain };
  await expect(follow(scene, { trust }).svid.current()).rejects.toMatchObject({ reason: "INVALID_FIELD" });
});

test("the SVID is replaced at about half of its life, by evidence that is asked for anew, and the new one is told of", async () => {
  const scene = await sceneWithRuntime();
  let asked = 0;
  const evidence = {
    oidc() {
      asked += 1;
      return "good";
    },
  };
  const { svid, time } = follow(scene, { evidence });
  const first = await svid.current();
  expect(await svid.current()).toBe(first);
  const changed = new Promise((resolve) => svid.onChange(resolve));
  const pause = await time.paused();
  const shares = pause.ms / (leafOf(first.certificateChain).validToDate.getTime() - time.now());
  expect(shares).toBeGreaterThan(0.44);
  expect(shares).toBeLessThan(0.56);
  expect(asked).toBe(1);
  pause.end();
  const next = await changed;
  expect(asked).toBe(2);
  expect(await svid.current()).toBe(next);
  expect(next).not.toEqual(first);
});

test("while an SVID is good the bundle that came with it says who the broker is, and no older one", async () => {
  const scene = await sceneWithRuntime();
  const bundleFile = fileWith(scene.roots);
  const { svid, time } = follow(scene, { trust: { trustDomain: "example.org", bundleFile } });
  await svid.current();
  writeFileSync(bundleFile, "");
  const changed = new Promise<TlsIdentity>((resolve) => svid.onChange(resolve));
  (await time.paused()).end();
  const { certificateChain } = await changed;
  await time.paused();
  time.nowMs = leafOf(certificateChain).validToDate.getTime() + 1_000;
  await expect(svid.current()).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field: "trust.bundle" } });
});

test("whoever is refused is told so at once, and asks again by the next call", async () => {
  const scene = await sceneWithRuntime();
  const path = fileWith("bad\n");
  const { svid } = follow(scene, { evidence: { oidcTokenFile: path } });
  const refused = { name: "StintError", reason: "NO_IDENTITY", message: "the evidence is not accepted" };
  await expect(svid.current()).rejects.toMatchObject(refused);
  await expect(svid.current()).rejects.toMatchObject(refused);
  expect(scene.lines).toHaveLength(2);
  writeFileSync(path, "good\n");
  expect(leafOf((await svid.current()).certificateChain).subjectAltName).toContain("/runtime/flow");
});

test("evidence that can't be had is said to be so, without a word of why in the message", async () => {
  const scene = await sceneWithRuntime();
  const evidence = { oidc: () => Promise.reject(new Error("token: secret")) };
  const failure = await follow(scene, { evidence })
    .svid.current()
    .catch((thrown: unknown) => thrown);
  expect(failure).toMatchObject({ name: "StintError", reason: "NO_EVIDENCE", retryable: false });
  expect((failure as Error).message).not.toContain("secret");
  const { svid } = follow(scene, { evidence: { joinTokenFile: "/nowhere/token" } });
  await expect(svid.current()).rejects.toMatchObject({ reason: "NO_EVIDENCE" });
});

test("a refusal while the SVID is good leaves it in use, and the broker is asked again before its end", async () => {
  const scene = await sceneWithRuntime();
  const answers = ["good", "bad", "good"];
  const { svid, time } = follow(scene, { evidence: { oidc: () => answers.shift() ?? "" } });
  const first = await svid.current();
  const end = leafOf(first.certificateChain).validToDate.getTime();
  const half = await time.paused();
  time.nowMs += half.ms;
  half.end();
  const after = await time.paused();
  expect(await svid.current()).toBe(first);
  expect(time.now() + after.ms).toBeLessThan(end);
  const changed = new Promise((resolve) => svid.onChange(resolve));
  after.end();
  expect(await changed).not.toBe(first);
});

test("an SVID that ended while the machine slept is not used, but replaced at once", async () => {
  const scene = await sceneWithRuntime();
  const { svid, time } = follow(scene);
  const first = await svid.current();
  await time.paused();
  time.nowMs = leafOf(first.certificateChain).validToDate.getTime() + 1_000;
  const next = svid.current();
  // The machine's clock is right again.
  time.nowMs = Date.now();
  expect(await next).not.toBe(first);
});

test("a broker that does not answer is tried again until it does", async () => {
  const scene = await sceneWithRuntime();
  scene.broker.suspensions.suspend("clock", "the clock jumped");
  const { svid, time } = follow(scene);
  const current = svid.current();
  const pauses = [await time.paused()];
  pauses[0]?.end();
  pauses.push(await time.paused());
  scene.broker.suspensions.lift("clock");
  pauses[1]?.end();
  expect(leafOf((await current).certificateChain).subjectAltName).toContain("/runtime/flow");
  expect(scene.lines.map(({ outcome }) => outcome)).toEqual(["NOT_SERVING", "NOT_SERVING", "OK"]);
});

test("attestation without a broker endpoint is refused when the client is made", () => {
  const attestation = { address: "127.0.0.1:1", trust: {}, evidence: { joinToken: "" } };
  expect(() => createStint({ attestation })).toThrow(expect.objectContaining({ reason: "NO_ENDPOINT" }));
});
