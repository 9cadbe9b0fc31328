import { X509Certificate } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRandomness } from "../../../src/adapters/system/system-randomness.ts";
import { openDiskUpstream } from "../../../src/adapters/upstream-disk/upstream-disk.ts";
import { type Authority, intermediatesOf, x509RootsOf } from "../../../src/domain/authority.ts";
import { parseSpiffeBundle, spiffeBundle } from "../../../src/domain/bundle.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../../src/domain/time.ts";
import type { Signer } from "../../../src/ports/signer.ts";
import { openScene } from "../../authority/authority-scene.ts";
import { present } from "../../contract/ledger-world.ts";
import { memorySigner } from "../../memory/memory-signer.ts";
import { TRUST_DOMAIN } from "../../samples/credentials.ts";
import {
  CA_EXTENSIONS,
  type OpensslAuthority,
  opensslAuthorities,
  P256,
  P384,
  RSA,
} from "../../samples/openssl-authority.ts";

/** A minute from now: what openssl makes while the tests run is valid by then. */
const NOW = (Math.floor(Date.now() / 1_000) + 60) as UnixSeconds;
const randomness = systemRandomness();

let ground: ReturnType<typeof opensslAuthorities>;
let root: OpensslAuthority;
beforeAll(() => {
  ground = opensslAuthorities();
  root = ground.make({ name: "root" });
});
afterAll(() => ground[Symbol.dispose]());

const upstreamOf = (certificates: string, privateKey: string, now = NOW) =>
  openDiskUpstream({ certificates, privateKey, trustDomain: TRUST_DOMAIN, randomness, now });

async function certifiedBy(certificates: string, privateKey: string) {
  const upstream = upstreamOf(certificates, privateKey);
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness });
  const own = await signer.create("x509-svid", {
    notBefore: addSeconds(NOW, -120),
    expiresAt: addSeconds(NOW, 86_400),
  });
  return { own, authority: await upstream.certify(own) };
}
const pemOf = (der: Uint8Array | undefined) => new X509Certificate(present(der)).toString();

describe("an authority that was certified by another CA", () => {
  test.for([
    { name: "a root with a P-256 key", key: P256, algorithm: "ecdsa-with-SHA256", kty: "EC", crv: "P-256" },
    { name: "a root with a P-384 key", key: P384, algorithm: "ecdsa-with-SHA384", kty: "EC", crv: "P-384" },
    { name: "a root with an RSA key", key: RSA, algorithm: "sha256WithRSAEncryption", kty: "RSA", crv: undefined },
  ])("verifies with openssl under $name, which is what verifiers are told", async ({ key, algorithm, kty, crv }) => {
    const ca = ground.make({ name: `root-${algorithm}`, key });
    const { own, authority } = await certifiedBy(ca.certificate, ca.key);
    const path = ground.write(`ours-${algorithm}.pem`, pemOf(authority.certificate));
    expect(ground.openssl("verify", "-x509_strict", "-CAfile", ca.certificatePath, path)).toMatch(/: OK\n$/);
    const text = ground.openssl("x509", "-in", path, "-noout", "-text");
    expect(text).toContain(`Signature Algorithm: ${algorithm}`);
    expect(text).toContain(`Issuer: CN = root-${algorithm}`);
    expect(text).toContain("CA:TRUE, pathlen:0");
    expect(text).toContain("URI:spiffe://example.org");
    // Its key and its own name stay: what it issues, and its CRL, are as they would be without.
    const [before, after] = [own, authority].map((one) => new X509Certificate(present(one.certificate)));
    expect(after?.subject).toBe(before?.subject);
    expect(after?.publicKey.equals(present(before).publicKey)).toBe(true);

    const bundle = spiffeBundle([authority], 1, 300);
    expect(bundle.keys).toEqual([
      expect.objectContaining({ use: "x509-svid", kty, ...(crv === undefined ? {} : { crv }) }),
    ]);
    expect(parseSpiffeBundle(JSON.stringify(bundle)).x509.map(pemOf)).toEqual([
      pemOf(new X509Certificate(ca.certificate).raw),
    ]);
    expect(intermediatesOf(authority).map(pemOf)).toEqual([pemOf(authority.certificate)]);
  });

  test("has everything between it and the root in its chain, and the root alone in the bundle", async () => {
    const middle = ground.make({ name: "middle", issuer: root });
    const issuing = ground.make({ name: "issuing", issuer: middle });
    const pem = issuing.certificate + middle.certificate + root.certificate;
    const { authority } = await certifiedBy(pem, issuing.key);
    const [own, ...above] = intermediatesOf(authority).map(pemOf);
    expect(own).toBe(pemOf(authority.certificate));
    expect(above).toEqual([issuing, middle].map((one) => new X509Certificate(one.certificate).toString()));
    expect(x509RootsOf([authority]).map(pemOf)).toEqual([new X509Certificate(root.certificate).toString()]);
    const path = ground.write("below.pem", present(own));
    const untrusted = ground.write("between.pem", above.join(""));
    expect(
      ground.openssl("verify", "-x509_strict", "-CAfile", root.certificatePath, "-untrusted", untrusted, path),
    ).toMatch(/: OK/);
  });

  test("shares the root with the next one: it is in the bundle once", async () => {
    const [one, other] = [await certifiedBy(root.certificate, root.key), await certifiedBy(root.certificate, root.key)];
    expect(x509RootsOf([one.authority, other.authority])).toHaveLength(1);
  });
});

describe("an upstream is refused", () => {
  /** Each its own files, and what the operator is told. */
  const cases: readonly { readonly name: string; readonly files: () => [string, string]; readonly detail: RegExp }[] = [
    { name: "without a certificate", files: () => ["", root.key], detail: /has none/ },
    {
      name: "with a key of another CA",
      files: () => [root.certificate, ground.make({ name: "other" }).key],
      detail: /not that of the first/,
    },
    {
      name: "with a key that is none",
      files: () => [root.certificate, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----"],
      detail: /can't be read/,
    },
    {
      name: "without its root",
      files: () => {
        const ca = ground.make({ name: "rootless", issuer: root });
        return [ca.certificate, ca.key];
      },
      detail: /certificate 1 is the last and not self-signed/,
    },
    {
      name: "with a chain in another order",
      files: () => {
        const ca = ground.make({ name: "misplaced", issuer: root });
        return [root.certificate + ca.certificate, root.key];
      },
      detail: /certificate 1 is not issued by the next/,
    },
    {
      name: "that allows no CA below it",
      files: () => {
        const ca = ground.make({
          name: "short",
          extensions: ["basicConstraints=critical,CA:TRUE,pathlen:0", CA_EXTENSIONS[1] ?? ""],
        });
        return [ca.certificate, ca.key];
      },
      detail: /certificate 1 allows too few CAs/,
    },
    {
      name: "whose root allows one CA where there would be two",
      files: () => {
        const top = ground.make({
          name: "top",
          extensions: ["basicConstraints=critical,CA:TRUE,pathlen:1", CA_EXTENSIONS[1] ?? ""],
        });
        const ca = ground.make({ name: "second", issuer: top });
        return [ca.certificate + top.certificate, ca.key];
      },
      detail: /certificate 2 allows too few CAs/,
    },
    {
      name: "that is no CA",
      files: () => {
        const leaf = ground.make({ name: "leaf", extensions: ["basicConstraints=critical,CA:FALSE"] });
        return [leaf.certificate, leaf.key];
      },
      detail: /not of a CA that may sign certificates/,
    },
    {
      name: "that may not sign certificates",
      files: () => {
        const ca = ground.make({
          name: "crl-only",
          issuer: root,
          extensions: [CA_EXTENSIONS[0] ?? "", "keyUsage=critical,cRLSign"],
        });
        return [ca.certificate + root.certificate, ca.key];
      },
      detail: /not of a CA that may sign certificates/,
    },
    {
      name: "as plain openssl req -x509 makes it, without key usage",
      files: () => {
        const [key, certificate] = ["plain.key", "plain.crt"];
        ground.openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key);
        ground.openssl("req", "-x509", "-new", "-key", key, "-days", "365", "-subj", "/O=Example", "-out", certificate);
        return [ground.openssl("x509", "-in", certificate), ground.openssl("ec", "-in", key)];
      },
      detail: /^certificate 1 has no key usage, and verifiers ask for keyCertSign \(with openssl: /,
    },
    {
      name: "whose root has no key usage, however good the CA below it",
      files: () => {
        const top = ground.make({ name: "unused", extensions: [CA_EXTENSIONS[0] ?? ""] });
        const ca = ground.make({ name: "below-unused", issuer: top });
        return [ca.certificate + top.certificate, ca.key];
      },
      detail: /^certificate 2 has no key usage/,
    },
    {
      name: "whose constraints may be passed over",
      files: () => {
        const ca = ground.make({ name: "lax", extensions: ["basicConstraints=CA:TRUE", CA_EXTENSIONS[1] ?? ""] });
        return [ca.certificate, ca.key];
      },
      detail: /^certificate 1 would be refused by verifiers: certificates: expected an issuer with critical basic/,
    },
    {
      name: "for servers alone",
      files: () => {
        const ca = ground.make({ name: "servers", extensions: [...CA_EXTENSIONS, "extendedKeyUsage=serverAuth"] });
        return [ca.certificate, ca.key];
      },
      detail: /^certificate 1 would be refused by verifiers: .*extended key usage/,
    },
    {
      name: "with a critical extension that no verifier here processes",
      files: () => {
        const policies = "certificatePolicies=critical,1.2.3.4";
        const ca = ground.make({ name: "policies", extensions: [...CA_EXTENSIONS, policies] });
        return [ca.certificate, ca.key];
      },
      detail: /^certificate 1 would be refused by verifiers: .*2\.5\.29\.32/,
    },
  ];

  test.for(cases)("$name", ({ files, detail }) => {
    const [certificates, key] = files();
    let thrown: unknown;
    try {
      upstreamOf(certificates, key);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({
      code: "AUTHORITY_UNAVAILABLE",
      message: "the upstream authority can't be used",
      detail: expect.stringMatching(detail),
    });
    expect(`${String(thrown)}${JSON.stringify(thrown)}`).not.toContain("c2VjcmV0");
  });

  test("that is over, or not yet begun", () => {
    for (const now of [NOW + 31 * 86_400, NOW - 86_400]) {
      expect(() => upstreamOf(root.certificate, root.key, now as UnixSeconds)).toThrow(
        expect.objectContaining({ detail: expect.stringMatching(/certificate 1 is not valid now/) }),
      );
    }
  });
});

describe("the authorities below an upstream", () => {
  test("end no later than it does, survive a restart, and wait for it to be renewed", async () => {
    const scene = await openScene();
    try {
      const { world } = scene;
      const { clock } = world;
      const own = secondsOf(clock.now());
      const expiresAt = addSeconds(own, 10 * 86_400);
      const real = upstreamOf(root.certificate, root.key);
      const upstream = { ...real, expiresAt };
      const first = await scene.start({ upstream: () => upstream });
      expect(first.active("x509-svid")).toMatchObject({ expiresAt });
      expect(first.active("jwt-svid")?.expiresAt).toBeGreaterThan(expiresAt);
      const recorded = (await world.authorities()).find(({ family }) => family === "x509-svid");
      expect(recorded).toEqual(first.active("x509-svid"));
      expect(recorded?.upstream).toHaveLength(1);
      expect((await scene.start({ upstream: () => upstream })).active("x509-svid")).toEqual(recorded);

      // Half of its life is over, and the next would not live longer.
      await scene.pass(6 * 86_400);
      const second = await scene.start({ upstream: () => upstream });
      expect(second.all().filter(({ family }) => family === "x509-svid")).toHaveLength(1);
      const renewed = { ...real, expiresAt: addSeconds(expiresAt, 30 * 86_400) };
      const third = await scene.start({ upstream: () => renewed });
      expect(
        third
          .all()
          .filter(({ family }) => family === "x509-svid")
          .map(({ state }) => state),
      ).toEqual(["active", "prepared"]);
    } finally {
      await scene.close();
    }
  });

  test("another upstream certifies from then on: its root is published before anything is signed below it, and the one before stays for what is", async () => {
    const scene = await openScene();
    try {
      const other = ground.make({ name: "other-root" });
      let upstream = upstreamOf(root.certificate, root.key);
      const authorities = await scene.start({ upstream: () => upstream });
      const rootsNow = () => x509RootsOf(authorities.all()).map((der) => new X509Certificate(der).subject);
      const signing = () => authorities.active("x509-svid");
      const before = signing();

      upstream = upstreamOf(other.certificate, other.key);
      expect(rootsNow()).toEqual(["CN=root"]);
      const by = { kind: "operator", entryId: "entry_operator", uid: 0 } as const;
      const made = await authorities.prepare("x509-svid", by);
      expect(rootsNow()).toEqual(["CN=root", "CN=other-root"]);
      expect(signing()).toEqual(before);
      expect(made.upstream?.map((der) => new X509Certificate(der).subject)).toEqual(["CN=other-root"]);

      await authorities.activate(made.authorityId, { haste: "at-once", by });
      expect(signing()?.authorityId).toBe(made.authorityId);
      expect(authorities.byId(before?.authorityId ?? "")).toMatchObject({ upstream: before?.upstream, state: "old" });
      // What was signed below the first lives for an hour at most.
      await scene.pass(3_600);
      expect(rootsNow()).toEqual(["CN=root", "CN=other-root"]);
      await scene.pass(3_600);
      expect(rootsNow()).toEqual(["CN=other-root"]);
    } finally {
      await scene.close();
    }
  });

  test("an upstream that comes while a key is made does not certify what ends with the one before", async () => {
    const scene = await openScene();
    try {
      const real = upstreamOf(root.certificate, root.key);
      const certifiedBy: number[] = [];
      const endingAt = (expiresAt: UnixSeconds) => ({
        expiresAt,
        certify(authority: Authority) {
          certifiedBy.push(expiresAt);
          return real.certify(authority);
        },
      });
      const ends = addSeconds(secondsOf(scene.world.clock.now()), 10 * 86_400);
      let upstream = endingAt(ends);
      const signer: Signer = {
        ...scene.signer,
        async create(...wanted) {
          upstream = endingAt(addSeconds(ends, -86_400));
          return scene.signer.create(...wanted);
        },
      };
      const authorities = await scene.start({ signer, upstream: () => upstream });
      expect(certifiedBy).toEqual([ends]);
      expect(authorities.active("x509-svid")?.expiresAt).toBe(ends);
    } finally {
      await scene.close();
    }
  });

  test("an upstream that does not certify leaves no key and no row behind", async () => {
    const scene = await openScene();
    try {
      const certify = () => Promise.reject(new Error("not today"));
      const upstream = { ...upstreamOf(root.certificate, root.key), certify };
      await expect(scene.start({ upstream: () => upstream })).rejects.toThrow("not today");
      expect(scene.signer.held("x509-svid")).toEqual([]);
      expect(await scene.world.authorities()).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});
