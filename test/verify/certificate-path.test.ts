import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { derOf, NULL, oidOf, sequenceOf, stringOf, TAG, timeOf } from "../../src/domain/der.ts";
import { addSeconds, type UnixSeconds } from "../../src/domain/time.ts";
import { verifyCertificatePath } from "../../src/verify/certificate-path.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { x509AuthoritiesOf } from "../../src/verify/x509-svid.ts";
import {
  ALGORITHM,
  altNames,
  authority,
  authorityKey,
  basicConstraints,
  type Changes,
  CLIENT_AUTH,
  dns,
  ecPair,
  extendedKeyUsage,
  extension,
  type Forged,
  keyUsage,
  leafOf,
  NO_NAME,
  nameConstraints,
  nameOf,
  rsaPair,
  SERVER_AUTH,
  subjectKey,
  USAGE,
  uri,
} from "./certificate-forge.ts";
import { NOW, SUBJECT } from "./token-forge.ts";

const root = authority();

/** How many certificates the path has, or the code of the refusal. */
function answerTo(chain: readonly Forged[], anchors: readonly Forged[] = [root], now: UnixSeconds = NOW) {
  try {
    return verifyCertificatePath(
      chain.map(({ der }) => der),
      { anchors: x509AuthoritiesOf(anchors.map(({ der }) => der)), now, keyPurposes: [SERVER_AUTH, CLIENT_AUTH] },
    ).length;
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}

const leafGets = (changes: Changes) => answerTo([leafOf(root, changes)]);
/** Of an authority between root and leaf. */
const middleGets = (changes: Changes) => {
  const middle = authority(changes, root);
  return answerTo([leafOf(middle), middle]);
};
const rootGets = (changes: Changes) => {
  const changed = authority(changes);
  return answerTo([leafOf(changed)], [changed]);
};

test("a leaf by a trusted authority is a path of two, and each authority between adds one", () => {
  expect(leafGets({})).toBe(2);
  expect(middleGets({})).toBe(3);
});

describe("every certificate of a path", () => {
  const critical = extension("1.3.6.1.4.1.55738.1", NULL, true);
  test.for<{ is: string; changes: Changes; gets: string | number }>([
    {
      is: "with an unknown critical extension",
      changes: { extensions: { more: critical } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "with an unknown extension that is not critical",
      changes: { extensions: { more: extension("1.3.6.1.4.1.55738.1", NULL) } },
      gets: "accepted",
    },
    {
      is: "with a critical certificate policy, which nobody here processes",
      changes: { extensions: { more: extension("2.5.29.32", sequenceOf(sequenceOf(oidOf("1.2.3"))), true) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "with policy constraints, critical or not",
      changes: { extensions: { more: extension("2.5.29.36", sequenceOf()) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "with an extension twice",
      changes: { extensions: { more: keyUsage(USAGE.certAndCrlSign) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "with an extension whose value is not DER",
      changes: { extensions: { more: extension("1.3.6.1.4.1.55738.1", Uint8Array.of(0x30, 0x80, 0, 0)) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "with a critical authority key identifier",
      changes: { extensions: { aki: authorityKey(root.keyIdentifier, true) } },
      gets: "CERTIFICATE_INVALID",
    },
    { is: "of a serial number of zero", changes: { serialNumber: Uint8Array.of(0) }, gets: "CERTIFICATE_INVALID" },
    {
      is: "of a serial number of 21 octets",
      changes: { serialNumber: new Uint8Array(21).fill(1) },
      gets: "CERTIFICATE_INVALID",
    },
    { is: "of version 2, which has no extensions", changes: { version: 1 }, gets: "CERTIFICATE_INVALID" },
    { is: "without extensions", changes: { extensions: nothingAt() }, gets: "CERTIFICATE_INVALID" },
    {
      is: "whose algorithm is another inside than outside",
      changes: { outerAlgorithm: ALGORITHM.ecdsaSha384 },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "that is larger than any",
      changes: {
        extensions: { more: extension("1.3.6.1.4.1.55738.1", derOf(TAG.octetString, new Uint8Array(16_384))) },
      },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "that has expired",
      changes: { notAfter: addSeconds(NOW, -1) },
      gets: "EXPIRED",
    },
    { is: "that is in its last second", changes: { notAfter: NOW }, gets: "accepted" },
    { is: "that is in its first second", changes: { notBefore: NOW }, gets: "accepted" },
    { is: "that is not valid yet", changes: { notBefore: addSeconds(NOW, 1) }, gets: "NOT_YET_VALID" },
    {
      is: "whose times are in another form",
      changes: { validity: sequenceOf(timeOf(NOW), derOf(TAG.generalizedTime, Buffer.from("20480101000000Z"))) },
      gets: "CERTIFICATE_INVALID",
    },
    { is: "with a key of P-384", changes: { pair: ecPair("P-384") }, gets: "accepted" },
    { is: "with a key of P-521", changes: { pair: ecPair("P-521") }, gets: "ALGORITHM_REFUSED" },
    { is: "with a key of RSA of 2048 bits", changes: { pair: rsaPair() }, gets: "accepted" },
    { is: "with a key of RSA of 1024 bits", changes: { pair: rsaPair(1_024) }, gets: "ALGORITHM_REFUSED" },
    { is: "with a key of RSA of an odd length", changes: { pair: rsaPair(2_052) }, gets: "ALGORITHM_REFUSED" },
    {
      is: "with a key of RSA and an exponent of 3",
      changes: { pair: generateKeyPairSync("rsa", { modulusLength: 2_048, publicExponent: 3 }) },
      gets: "ALGORITHM_REFUSED",
    },
    { is: "with a key of Ed25519", changes: { pair: generateKeyPairSync("ed25519") }, gets: "ALGORITHM_REFUSED" },
    { is: "with a point off its curve", changes: { publicKey: offCurve() }, gets: "ALGORITHM_REFUSED" },
  ])("$is: $gets", ({ changes, gets }) => {
    const answers = [leafGets(changes), middleGets(changes)];
    expect(answers.map((answer) => (typeof answer === "number" ? "accepted" : answer))).toEqual([gets, gets]);
  });
});

/** Those of an authority and of a leaf. */
function nothingAt() {
  return { ski: undefined, aki: undefined, bc: undefined, ku: undefined, eku: undefined, san: undefined };
}

function offCurve(): Uint8Array {
  const spki = new Uint8Array(ecPair().publicKey.export({ type: "spki", format: "der" }));
  return spki.with(spki.length - 1, (spki[spki.length - 1] ?? 0) ^ 1);
}

describe("a signature", () => {
  const other = authority();
  test.for<{ is: string; changes: Changes; gets: string | number }>([
    { is: "by another key", changes: { signer: other }, gets: "SIGNATURE_INVALID" },
    { is: "with SHA-1", changes: { hash: "sha1", algorithm: ALGORITHM.ecdsaSha1 }, gets: "ALGORITHM_REFUSED" },
    { is: "with SHA-384", changes: { hash: "sha384", algorithm: ALGORITHM.ecdsaSha384 }, gets: 2 },
    { is: "with another digest than it says", changes: { hash: "sha384" }, gets: "SIGNATURE_INVALID" },
    {
      is: "said to be of another family than the key",
      changes: { algorithm: ALGORITHM.rsaSha256 },
      gets: "ALGORITHM_REFUSED",
    },
    {
      is: "whose algorithm has parameters that it must not have",
      changes: { algorithm: sequenceOf(oidOf("1.2.840.10045.4.3.2"), NULL) },
      gets: "ALGORITHM_REFUSED",
    },
  ])("$is: $gets", ({ changes, gets }) => {
    expect(leafGets(changes)).toBe(gets);
  });

  test("by RSA with SHA-256 holds, and with SHA-1 is refused", () => {
    const rsa = authority({ pair: rsaPair() });
    expect(answerTo([leafOf(rsa)], [rsa])).toBe(2);
    const withoutParameters = sequenceOf(oidOf("1.2.840.113549.1.1.11"));
    expect(answerTo([leafOf(rsa, { algorithm: withoutParameters })], [rsa])).toBe(2);
    expect(answerTo([leafOf(rsa, { hash: "sha1", algorithm: ALGORITHM.rsaSha1 })], [rsa])).toBe("ALGORITHM_REFUSED");
  });

  test("of the trusted authority itself is not looked at: it is trusted as it is", () => {
    expect(rootGets({ signer: ecPair() })).toBe(2);
  });
});

describe("an authority", () => {
  test.for<{ is: string; changes: Changes; gets: string | number }>([
    { is: "without basic constraints", changes: { extensions: { bc: undefined } }, gets: "CERTIFICATE_INVALID" },
    { is: "that is none", changes: { extensions: { bc: basicConstraints(false) } }, gets: "CERTIFICATE_INVALID" },
    {
      is: "whose basic constraints are not critical",
      changes: { extensions: { bc: basicConstraints(true, undefined, false) } },
      gets: "CERTIFICATE_INVALID",
    },
    { is: "without key usage", changes: { extensions: { ku: undefined } }, gets: "CERTIFICATE_INVALID" },
    {
      is: "whose key signs no certificates",
      changes: { extensions: { ku: keyUsage(USAGE.digitalSignature) } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "without a subject key identifier",
      changes: { extensions: { ski: undefined } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "for another purpose",
      changes: { extensions: { eku: extendedKeyUsage("1.3.6.1.5.5.7.3.4") } },
      gets: "CERTIFICATE_INVALID",
    },
    {
      is: "for this purpose",
      changes: { extensions: { eku: extendedKeyUsage(SERVER_AUTH, CLIENT_AUTH) } },
      gets: "accepted",
    },
  ])("$is: $gets", ({ changes, gets }) => {
    const answers = [middleGets(changes), rootGets(changes)];
    expect(answers.map((answer) => (typeof answer === "number" ? "accepted" : answer))).toEqual([gets, gets]);
  });

  test("whose CA flag is false in so many words is not DER", () => {
    const inWords = extension("2.5.29.19", sequenceOf(derOf(TAG.boolean, Uint8Array.of(0))), true);
    expect(middleGets({ extensions: { bc: inWords } })).toBe("CERTIFICATE_INVALID");
    expect(leafGets({ extensions: { bc: inWords } })).toBe("CERTIFICATE_INVALID");
  });

  test("that is not there is missed, whoever else is trusted", () => {
    expect(answerTo([leafOf(authority())])).toBe("KEY_UNKNOWN");
    expect(answerTo([leafOf(root)], [])).toBe("KEY_UNKNOWN");
  });

  test("that was sent along, self-signed and not trusted, is no fault of the chain", () => {
    const untrusted = authority({ extensions: { aki: undefined } });
    expect(answerTo([leafOf(untrusted), untrusted])).toBe("KEY_UNKNOWN");
  });

  test("that is faulty does not stand in the way of another path", () => {
    const pair = ecPair();
    const subject = nameOf("cross-signed");
    const expired = authority({ pair, subject, notAfter: addSeconds(NOW, -1) }, root);
    const sound = authority({ pair, subject }, root);
    const leaf = leafOf(sound);
    expect(answerTo([leaf, expired, sound])).toBe(3);
    expect(answerTo([leaf], [expired, sound])).toBe(2);
    expect(answerTo([leaf, expired])).toBe("EXPIRED");
  });

  test("that cannot be read is passed over among those that are trusted and those that are sent along", () => {
    const junk = { ...root, der: Uint8Array.of(0x30, 3, 1, 2, 3) };
    expect(answerTo([leafOf(root), junk], [junk, root])).toBe(2);
    expect(answerTo([leafOf(authority()), junk])).toBe("CERTIFICATE_INVALID");
  });
});

describe("key identifiers", () => {
  test("of another key than the authority's lead elsewhere, although name and signature fit", () => {
    expect(leafGets({ extensions: { aki: authorityKey(Buffer.from("00ff", "hex")) } })).toBe("KEY_UNKNOWN");
    expect(rootGets({ extensions: { ski: subjectKey(Buffer.from("00ff", "hex")) } })).toBe("KEY_UNKNOWN");
  });

  test("of the issuer have to be there in every certificate but a trusted one", () => {
    expect(leafGets({ extensions: { aki: undefined } })).toBe("CERTIFICATE_INVALID");
    expect(middleGets({ extensions: { aki: undefined } })).toBe("CERTIFICATE_INVALID");
    expect(rootGets({ extensions: { aki: undefined } })).toBe(2);
  });

  test("tell two authorities of one name apart", () => {
    const [one, two] = [authority({ subject: nameOf("twins") }), authority({ subject: nameOf("twins") })];
    expect(answerTo([leafOf(two)], [one, two])).toBe(2);
  });
});

describe("names", () => {
  test("of issuer and subject have to be the same bytes", () => {
    const changed = { ...root, name: nameOf("authority 0") };
    expect(answerTo([leafOf(changed)])).toBe("KEY_UNKNOWN");
    expect(answerTo([leafOf(root, { issuer: NO_NAME })])).toBe("CERTIFICATE_INVALID");
  });

  test("of authorities may not be empty", () => {
    expect(rootGets({ subject: NO_NAME })).toBe("CERTIFICATE_INVALID");
  });
});

describe("a path length", () => {
  test.for([
    { root: 0, between: 0, gets: 2 },
    { root: 0, between: 1, gets: "CERTIFICATE_INVALID" },
    { root: 1, between: 1, gets: 3 },
    { root: 1, between: 2, gets: "CERTIFICATE_INVALID" },
  ])("of $root in the root, $between authorities between: $gets", ({ root: pathLength, between, gets }) => {
    const limited = authority({ extensions: { bc: basicConstraints(true, pathLength) } });
    let issuer = limited;
    const middle = Array.from({ length: between }, () => {
      issuer = authority({}, issuer);
      return issuer;
    });
    expect(answerTo([leafOf(issuer), ...middle], [limited])).toBe(gets);
  });

  test("does not grow again below an authority that has less left", () => {
    const limited = authority({ extensions: { bc: basicConstraints(true, 0) } }, root);
    const longer = authority({ extensions: { bc: basicConstraints(true, 5) } }, limited);
    expect(answerTo([leafOf(longer), longer, limited])).toBe("CERTIFICATE_INVALID");
    expect(answerTo([leafOf(limited), limited])).toBe(3);
  });
});

describe("name constraints", () => {
  const bound = (constraints: Parameters<typeof nameConstraints>[0], critical = true) =>
    rootGets({ extensions: { nc: nameConstraints(constraints, critical) } });

  test.for<{ says: string; constraints: Parameters<typeof nameConstraints>[0]; gets: string | number }>([
    { says: "the trust domain is permitted", constraints: { permitted: [uri("example.org")] }, gets: 2 },
    { says: "in any case of letters", constraints: { permitted: [uri("EXAMPLE.org")] }, gets: 2 },
    { says: "one of several is", constraints: { permitted: [uri("other.example"), uri("example.org")] }, gets: 2 },
    { says: "all below its parent are", constraints: { permitted: [uri(".org")] }, gets: 2 },
    { says: "another is permitted", constraints: { permitted: [uri("other.example")] }, gets: "CERTIFICATE_INVALID" },
    {
      says: "only what is below it is",
      constraints: { permitted: [uri(".example.org")] },
      gets: "CERTIFICATE_INVALID",
    },
    { says: "only a part of it is", constraints: { permitted: [uri("ple.org")] }, gets: "CERTIFICATE_INVALID" },
    { says: "it is excluded", constraints: { excluded: [uri("example.org")] }, gets: "CERTIFICATE_INVALID" },
    {
      says: "all below its parent are excluded",
      constraints: { excluded: [uri(".org")] },
      gets: "CERTIFICATE_INVALID",
    },
    { says: "another is excluded", constraints: { excluded: [uri("other.example")] }, gets: 2 },
    {
      says: "permitted and excluded",
      constraints: { permitted: [uri("example.org")], excluded: [uri("example.org")] },
      gets: "CERTIFICATE_INVALID",
    },
    { says: "nothing", constraints: { permitted: [uri("")] }, gets: "CERTIFICATE_INVALID" },
    { says: "a URI where a host belongs", constraints: { permitted: [uri(SUBJECT)] }, gets: "CERTIFICATE_INVALID" },
    {
      says: "names of another kind, which are not evaluated",
      constraints: { permitted: [dns("example.org")] },
      gets: "CERTIFICATE_INVALID",
    },
  ])("$says: $gets", ({ constraints, gets }) => {
    expect(bound(constraints)).toBe(gets);
  });

  test("hold for every certificate below, not for the leaf alone", () => {
    const limited = authority({ extensions: { nc: nameConstraints({ permitted: [uri("example.org")] }) } });
    const stray = authority({ extensions: { san: altNames([uri("spiffe://other.example")]) } }, limited);
    expect(answerTo([leafOf(stray), stray], [limited])).toBe("CERTIFICATE_INVALID");
    const own = authority({ extensions: { san: altNames([uri("spiffe://example.org")]) } }, limited);
    expect(answerTo([leafOf(own), own], [limited])).toBe(3);
    const loosened = authority({ extensions: { nc: nameConstraints({ permitted: [uri("other.example")] }) } }, limited);
    expect(answerTo([leafOf(loosened), loosened], [limited])).toBe("CERTIFICATE_INVALID");
  });

  test("refuse a URI of which they cannot tell the host", () => {
    const limited = authority({ extensions: { nc: nameConstraints({ excluded: [uri("other.example")] }) } });
    for (const odd of ["urn:example", "spiffe://user@example.org/a", "spiffe://example.org:1/a", "spiffe:///a"]) {
      const changes = { extensions: { san: altNames([uri(odd)]) } };
      expect(answerTo([leafOf(limited, changes)], [limited]), odd).toBe("CERTIFICATE_INVALID");
    }
  });

  test("that are not critical, or stand in a leaf, are refused", () => {
    expect(bound({ permitted: [uri("example.org")] }, false)).toBe("CERTIFICATE_INVALID");
    expect(leafGets({ extensions: { nc: nameConstraints({ permitted: [uri("example.org")] }) } })).toBe(
      "CERTIFICATE_INVALID",
    );
  });
});

describe("what is presented", () => {
  test.for<{ is: string; chain: readonly Uint8Array[] }>([
    { is: "nothing", chain: [] },
    { is: "no bytes", chain: [new Uint8Array()] },
    { is: "text", chain: [Buffer.from("-----BEGIN CERTIFICATE-----")] },
    {
      is: "eleven certificates",
      chain: [leafOf(root), ...Array.from({ length: 10 }, () => root)].map(({ der }) => der),
    },
    { is: "a certificate with bytes behind its end", chain: [Uint8Array.of(...leafOf(root).der, 0)] },
    { is: "a name", chain: [stringOf(TAG.utf8String, "leaf")] },
  ])("as $is is refused", ({ chain }) => {
    const options = { anchors: x509AuthoritiesOf([root.der]), now: NOW, keyPurposes: [] };
    expect(() => verifyCertificatePath(chain, options)).toThrow(
      expect.objectContaining({ code: "CERTIFICATE_INVALID" }),
    );
  });

  test("is refused while the clock is no number", () => {
    expect(answerTo([leafOf(root)], [root], Number.NaN as UnixSeconds)).toBe("NOT_YET_VALID");
  });

  test("as authorities that all signed one another is refused before each way through them was tried", () => {
    // Nine of one name and one key have 986,409 ways through them, of several signatures each.
    const pair = ecPair("P-384");
    const subject = nameOf("everybody");
    const first = authority({ pair, subject });
    const all = Array.from({ length: 9 }, (_, index) =>
      authority({ pair, subject, serialNumber: Uint8Array.of(index + 1) }, first),
    );
    expect(
      answerTo([leafOf(first), ...all], [{ ...authority(), der: authority({ pair: ecPair(), subject }).der }]),
    ).toBe("KEY_UNKNOWN");
  });
});
