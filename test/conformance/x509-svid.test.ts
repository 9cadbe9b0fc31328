import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { x509DerFormat } from "../../src/adapters/x509-der/x509-der.ts";
import { parseSpiffeBundle, spiffeBundle } from "../../src/domain/bundle.ts";
import { readCertificate } from "../../src/domain/certificate.ts";
import { contextConstructed, derOf, oidOf, sequenceOf, stringOf, TAG } from "../../src/domain/der.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import {
  type VerifiedX509Svid,
  verifyX509Svid,
  type X509BundleSet,
  x509AuthoritiesOf,
} from "../../src/verify/x509-svid.ts";
import { memorySigner } from "../memory/memory-signer.ts";
import { recordedOf, STEP, TRUST_DOMAIN } from "../samples/credentials.ts";
import {
  altNames,
  authority,
  basicConstraints,
  type Changes,
  CLIENT_AUTH,
  dns,
  ecPair,
  extendedKeyUsage,
  type Forged,
  keyUsage,
  leafOf,
  nameOf,
  SERVER_AUTH,
  USAGE,
  uri,
  x509Bundles,
} from "../verify/certificate-forge.ts";
import { NOW, SUBJECT } from "../verify/token-forge.ts";

const own = authority();
const foreign = authority();
const bundles = x509Bundles({ "example.org": [own], "other.example": [foreign] });

function answerTo(chain: readonly Forged[], set: X509BundleSet = bundles): string {
  try {
    return verifyX509Svid(
      chain.map(({ der }) => der),
      { bundles: set, now: NOW },
    ).spiffeId;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

/** What an SVID of `SUBJECT` gets with some of it changed. */
const leafGets = (changes: Changes): string => answerTo([leafOf(own, changes)]);
/** What a good SVID gets when its authority is changed. */
const authorityGets = (changes: Changes): string => {
  const changed = authority(changes);
  return answerTo([leafOf(changed)], x509Bundles({ "example.org": [changed] }));
};
const names = (...list: readonly Uint8Array[]): Changes => ({ extensions: { san: altNames(list) } });

describe("X509-SVID", () => {
  test.for<{ section: string; says: string; changes: Changes; gets: string }>([
    { section: "§2", says: "one URI is the SPIFFE ID", changes: {}, gets: SUBJECT },
    {
      section: "§2",
      says: "other names beside it are allowed, in any number",
      changes: names(dns("a.example"), uri(SUBJECT), dns("b.example")),
      gets: SUBJECT,
    },
    {
      section: "§2",
      says: "a second URI is refused",
      changes: names(uri(SUBJECT), uri(`${SUBJECT}1`)),
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§2",
      says: "a second URI of another scheme is refused",
      changes: names(uri("https://example.org/"), uri(SUBJECT)),
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§2",
      says: "the same URI twice is refused",
      changes: names(uri(SUBJECT), uri(SUBJECT)),
      gets: "SUBJECT_INVALID",
    },
    { section: "§5.2", says: "no URI is refused", changes: names(dns("a.example")), gets: "SUBJECT_INVALID" },
    {
      section: "§5.2",
      says: "no alternative name is refused, whatever the subject says",
      changes: { subject: nameOf(SUBJECT), extensions: { san: undefined } },
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§5.2",
      says: "a scheme other than spiffe is refused",
      changes: names(uri(SUBJECT.replace("spiffe:", "https:"))),
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§3.1",
      says: "an ID without a path is refused",
      changes: names(uri("spiffe://example.org")),
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§3.1",
      says: "the root path is refused",
      changes: names(uri("spiffe://example.org/")),
      gets: "SUBJECT_INVALID",
    },
    {
      section: "§3.1",
      says: "an empty subject without a critical alternative name is refused",
      changes: { extensions: { san: altNames([uri(SUBJECT)], false) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§3.1",
      says: "a subject may be there, and the alternative name uncritical then",
      changes: { subject: nameOf("anybody"), extensions: { san: altNames([uri(SUBJECT)], false) } },
      gets: SUBJECT,
    },
    {
      section: "§4.1, §5.2",
      says: "a leaf with the CA flag is refused",
      changes: { extensions: { bc: basicConstraints(true) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.1",
      says: "basic constraints may be missing in a leaf",
      changes: { extensions: { bc: undefined } },
      gets: SUBJECT,
    },
    {
      section: "§4.3",
      says: "key usage must be there",
      changes: { extensions: { ku: undefined } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3",
      says: "key usage must be critical",
      changes: { extensions: { ku: keyUsage(USAGE.digitalSignature, false) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3",
      says: "digitalSignature must be set",
      changes: { extensions: { ku: keyUsage(USAGE.keyEncipherment) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3",
      says: "keyAgreement may be set beside it",
      changes: { extensions: { ku: keyUsage(USAGE.signatureAndKeyAgreement) } },
      gets: SUBJECT,
    },
    {
      section: "§4.3, §5.2",
      says: "keyCertSign is refused in a leaf",
      changes: { extensions: { ku: keyUsage(USAGE.signatureAndCertSign) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3, §5.2",
      says: "cRLSign is refused in a leaf",
      changes: { extensions: { ku: keyUsage(USAGE.signatureAndCrlSign) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.4",
      says: "extended key usage may be missing",
      changes: { extensions: { eku: undefined } },
      gets: SUBJECT,
    },
    {
      section: "§4.4",
      says: "extended key usage of servers alone is refused",
      changes: { extensions: { eku: extendedKeyUsage(SERVER_AUTH) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.4",
      says: "extended key usage of clients alone is refused",
      changes: { extensions: { eku: extendedKeyUsage(CLIENT_AUTH) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.4",
      says: "other usages may be named beside both",
      changes: { extensions: { eku: extendedKeyUsage(CLIENT_AUTH, "1.3.6.1.5.5.7.3.4", SERVER_AUTH) } },
      gets: SUBJECT,
    },
  ])("$section: $says", ({ changes, gets }) => {
    expect(leafGets(changes)).toBe(gets);
  });

  test.for<{ section: string; says: string; changes: Changes; gets: string }>([
    { section: "§3.2", says: "an authority without a name may sign", changes: {}, gets: SUBJECT },
    {
      section: "§3.2",
      says: "an authority may be named as its trust domain",
      changes: { extensions: { san: altNames([uri("spiffe://example.org")], false) } },
      gets: SUBJECT,
    },
    {
      section: "§3.2",
      says: "an authority whose ID has a path is refused",
      changes: { extensions: { san: altNames([uri("spiffe://example.org/ca")], false) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.1",
      says: "a certificate without the CA flag signs none",
      changes: { extensions: { bc: basicConstraints(false) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3",
      says: "an authority needs keyCertSign",
      changes: { extensions: { ku: keyUsage(USAGE.digitalSignature) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      section: "§4.3",
      says: "an authority needs no cRLSign",
      changes: { extensions: { ku: keyUsage(USAGE.certSign) } },
      gets: SUBJECT,
    },
    {
      section: "§4.1",
      says: "a path length is optional and holds",
      changes: { extensions: { bc: basicConstraints(true, 0) } },
      gets: SUBJECT,
    },
  ])("$section: $says", ({ changes, gets }) => {
    expect(authorityGets(changes)).toBe(gets);
  });

  test("§3.2: a signing certificate is not accepted for authentication, though its own trust domain has it", () => {
    const named = authority({ extensions: { san: altNames([uri("spiffe://example.org")]) } });
    expect(answerTo([named], x509Bundles({ "example.org": [named] }))).toBe("SUBJECT_INVALID");
    const pathed = authority({ extensions: { san: altNames([uri(SUBJECT)]) } });
    expect(answerTo([pathed], x509Bundles({ "example.org": [pathed] }))).toBe("CERTIFICATE_INVALID");
  });

  test("§5: a leaf is held to the bundle of its own trust domain, and to no other", () => {
    const inOther = leafOf(foreign, names(uri("spiffe://other.example/workload")));
    expect(answerTo([inOther])).toBe("spiffe://other.example/workload");
    expect(answerTo([leafOf(foreign)])).toBe("KEY_UNKNOWN");
    expect(answerTo([leafOf(own, names(uri("spiffe://other.example/workload")))])).toBe("KEY_UNKNOWN");
    expect(answerTo([leafOf(own, names(uri("spiffe://third.example/workload")))])).toBe("KEY_UNKNOWN");
    // Neither does it help to send the other's authority along.
    expect(answerTo([leafOf(foreign), foreign])).toBe("KEY_UNKNOWN");
    // Nor to be signed by a namesake with a key identifier of the right one.
    const namesake = { ...foreign, name: own.name, keyIdentifier: own.keyIdentifier };
    expect(answerTo([leafOf(namesake)])).toBe("SIGNATURE_INVALID");
  });

  test("§5.1: intermediate authorities are sent along by whoever is verified, in any order and with a root that is not needed", () => {
    const first = authority({}, own);
    const second = authority({}, first);
    const leaf = leafOf(second);
    expect(answerTo([leaf, second, first])).toBe(SUBJECT);
    expect(answerTo([leaf, own, first, second])).toBe(SUBJECT);
    expect(answerTo([leaf, second])).toBe("KEY_UNKNOWN");
    expect(answerTo([leaf, first])).toBe("KEY_UNKNOWN");
  });

  test("§6.1, §6.2: a bundle's element is one certificate in base64, without kid; without x5c it is passed over", async () => {
    const { keys } = spiffeBundle([await ownAuthority(NOW)], 1, 300);
    expect(keys).toEqual([
      expect.objectContaining({ use: "x509-svid", x5c: [expect.stringMatching(/^[A-Za-z0-9+/]+=*$/)] }),
    ]);
    expect(keys[0]).not.toHaveProperty("kid");
    const several = [own, foreign].map(({ der }) => Buffer.from(der).toString("base64"));
    const document = {
      keys: [
        { ...keys[0], x5c: undefined },
        { ...keys[0], x5c: several },
      ],
    };
    expect(parseSpiffeBundle(JSON.stringify(document)).x509).toEqual([new Uint8Array(own.der)]);
  });

  test("SPIFFE Trust Domain and Bundle §4.1: an empty bundle trusts nobody", () => {
    expect(answerTo([leafOf(own)], x509Bundles({ "example.org": [] }))).toBe("KEY_UNKNOWN");
  });
});

async function ownAuthority(at: UnixSeconds) {
  const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
  return signer.create("x509-svid", { notBefore: at, expiresAt: addSeconds(at, 86_400) });
}

describe("what is read from a verified X.509-SVID", () => {
  test("of a step as this broker issues them: the step, the names by which it is denied, and its time", async () => {
    const signer = memorySigner({ trustDomain: TRUST_DOMAIN, randomness: systemRandomness() });
    const issuer = await signer.create("x509-svid", { notBefore: NOW, expiresAt: addSeconds(NOW, 86_400) });
    const certificate = issuer.certificate ?? new Uint8Array();
    const format = x509DerFormat();
    const toBeSigned = format.toBeSigned({
      spiffeId: STEP.spiffeId,
      notBefore: addSeconds(NOW, -10),
      expiresAt: addSeconds(NOW, 300),
      authority: issuer,
      serialNumber: "7f112233445566778899aabbccddeeff",
      publicKey: ecPair().publicKey.export({ type: "spki", format: "der" }),
      audiences: [],
      grant: [],
      step: STEP,
    });
    const leaf = format.assemble(toBeSigned, await signer.signSvid(recordedOf("x509-svid", issuer, toBeSigned)));
    const set = new Map([[TRUST_DOMAIN, { trustDomain: TRUST_DOMAIN, authorities: x509AuthoritiesOf([certificate]) }]]);
    const verified = verifyX509Svid([leaf], { bundles: set, now: NOW });
    expect(verified).toEqual<VerifiedX509Svid>({
      spiffeId: STEP.spiffeId,
      trustDomain: TRUST_DOMAIN,
      step: expect.objectContaining({ runId: STEP.runId, step: STEP.step, attempt: STEP.attempt }),
      serialNumber: "7f112233445566778899aabbccddeeff",
      issuerName: readCertificate(certificate).subject,
      notBefore: addSeconds(NOW, -10),
      expiresAt: addSeconds(NOW, 300),
      thumbprintSha256: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    expect(() => verifyX509Svid([leaf], { bundles: set, now: addSeconds(NOW, 299) })).not.toThrow();
    expect(() => verifyX509Svid([leaf], { bundles: set, now: addSeconds(NOW, 300) })).toThrow(
      expect.objectContaining({ code: "EXPIRED" }),
    );
  });

  test("of infrastructure: no step", () => {
    const leaf = leafOf(own, names(uri("spiffe://example.org/verifier/library")));
    expect(verifyX509Svid([leaf.der], { bundles, now: NOW })).not.toHaveProperty("step");
  });

  test("a development broker's is refused unless told that this is development", () => {
    const set = x509Bundles({ "example.org": [own] }, { development: true });
    const chain = [leafOf(own).der];
    expect(() => verifyX509Svid(chain, { bundles: set, now: NOW })).toThrow(
      expect.objectContaining({ code: "KEY_UNKNOWN" }),
    );
    expect(verifyX509Svid(chain, { bundles: set, now: NOW, development: true }).spiffeId).toBe(SUBJECT);
  });
});

describe("certificates that OpenSSL made", () => {
  let directory = "";
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "stint-x509-svid-"));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const openssl = (...given: readonly string[]) => execFileSync("openssl", given, { cwd: directory, stdio: "pipe" });
  const derIn = (file: string): Uint8Array => openssl("x509", "-in", file, "-outform", "DER");

  /** Root, intermediate and leaf of one kind of key, with the leaf's subject alternative name. */
  function chain(key: readonly string[], name: string): { readonly leaf: Uint8Array[]; readonly root: Uint8Array } {
    const issue = (who: string, subject: string, issuer: string, lines: readonly string[]) => {
      writeFileSync(join(directory, `${who}.ext`), [...lines, "authorityKeyIdentifier=keyid"].join("\n"));
      openssl("req", "-new", ...key, "-nodes", "-keyout", `${who}.key`, "-subj", subject, "-out", `${who}.csr`);
      const by = ["-CA", `${issuer}.pem`, "-CAkey", `${issuer}.key`, "-CAcreateserial"];
      openssl("x509", "-req", "-in", `${who}.csr`, ...by, "-days", "2", "-extfile", `${who}.ext`, "-out", `${who}.pem`);
    };
    const ca = [
      "basicConstraints=critical,CA:TRUE",
      "keyUsage=critical,keyCertSign,cRLSign",
      "subjectKeyIdentifier=hash",
    ];
    writeFileSync(join(directory, "root.cnf"), ["[req]", "distinguished_name=dn", "[dn]", "[ca]", ...ca].join("\n"));
    const self = ["-x509", ...key, "-nodes", "-keyout", "root.key", "-subj", "/O=example/CN=root", "-days", "2"];
    openssl("req", ...self, "-config", "root.cnf", "-extensions", "ca", "-out", "root.pem");
    issue("middle", "/O=example/CN=middle", "root", ca);
    issue("leaf", "/", "middle", [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=serverAuth,clientAuth",
      `subjectAltName=critical,${name}`,
    ]);
    return { leaf: [derIn("leaf.pem"), derIn("middle.pem")], root: derIn("root.pem") };
  }

  const trustDomain = parseTrustDomain("example.org");
  const verify = ({ leaf, root }: ReturnType<typeof chain>) =>
    verifyX509Svid(leaf, {
      bundles: new Map([[trustDomain, { trustDomain, authorities: x509AuthoritiesOf([root]) }]]),
      now: Math.floor(Date.now() / 1_000) as UnixSeconds,
    });

  test.for([
    { kind: "P-256", key: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] },
    { kind: "P-384 with SHA-384", key: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"] },
    { kind: "RSA of 2048 bits", key: ["-newkey", "rsa:2048"] },
  ])("of $kind, root, intermediate and leaf, are verified", ({ key }) => {
    const svid = chain(key, `URI:${SUBJECT}`);
    const verified = verify(svid);
    expect(verified.spiffeId).toBe(SUBJECT);
    const text = openssl("x509", "-in", "leaf.pem", "-noout", "-serial", "-fingerprint", "-sha256").toString();
    expect(text.toLowerCase()).toContain(`serial=${verified.serialNumber}`);
    const fingerprint = Buffer.from(verified.thumbprintSha256, "base64url").toString("hex");
    expect(text.toLowerCase().replaceAll(":", "")).toContain(`fingerprint=${fingerprint}`);
  });

  test("with keys or digests that are too weak are refused", () => {
    expect(() => verify(chain(["-newkey", "rsa:1024"], `URI:${SUBJECT}`))).toThrow(
      expect.objectContaining({ code: "ALGORITHM_REFUSED" }),
    );
    expect(() => verify(chain(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"], `URI:${SUBJECT}`))).toThrow(
      expect.objectContaining({ code: "ALGORITHM_REFUSED" }),
    );
    expect(() => verify(chain(["-newkey", "ed25519"], `URI:${SUBJECT}`))).toThrow(
      expect.objectContaining({ code: "ALGORITHM_REFUSED" }),
    );
  });

  test("with two URIs, or with the ID in a name of another kind, are refused", () => {
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    for (const name of [`URI:${SUBJECT},URI:${SUBJECT}0`, `DNS:${SUBJECT}`, `otherName:1.2.3.4;UTF8:${SUBJECT}`]) {
      expect(() => verify(chain(key, name)), name).toThrow(expect.objectContaining({ code: "SUBJECT_INVALID" }));
    }
  });
});

test("the name of a step in another place than the URI is no identity", () => {
  const other = derOf(
    contextConstructed(0),
    oidOf("1.2.3.4"),
    derOf(contextConstructed(0), stringOf(TAG.utf8String, SUBJECT)),
  );
  expect(leafGets({ extensions: { san: altNames([other]) } })).toBe("SUBJECT_INVALID");
  const organization = sequenceOf(derOf(TAG.set, sequenceOf(oidOf("2.5.4.10"), stringOf(TAG.utf8String, SUBJECT))));
  const changes = { subject: organization, extensions: { san: altNames([dns("a.example")], false) } };
  expect(leafGets(changes)).toBe("SUBJECT_INVALID");
});
