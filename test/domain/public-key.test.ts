import { createPublicKey, generateKeyPairSync, hash, type KeyObject } from "node:crypto";
import { describe, expect, test } from "vitest";
import { bitStringOf, derOf, integerOf, NULL, oidOf, sequenceOf, TAG } from "../../src/domain/der.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { authorityIdOf, caJwkOf, checkPublicKey, ecJwkOf, keyIdentifierOf } from "../../src/domain/public-key.ts";
import { P256_SPKI } from "../samples/credentials.ts";

const RSA = "1.2.840.113549.1.1.1";
const EC = "1.2.840.10045.2.1";
const P256 = "1.2.840.10045.3.1.7";

function spkiOf(key: { readonly publicKey: KeyObject }): Uint8Array {
  return key.publicKey.export({ type: "spki", format: "der" });
}

/** A modulus of so many bits, odd; whether it is a product of primes is not what is looked at. */
function modulus(bits: number, last = 1): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits / 8)).fill(0xff);
  bytes[0] = 1 << ((bits - 1) % 8);
  bytes[bytes.length - 1] = last;
  return bytes;
}

function rsa(n: Uint8Array, e: number, parameters: readonly Uint8Array[] = [NULL]): Uint8Array {
  const exponent = Buffer.alloc(6);
  exponent.writeUIntBE(e, 0, 6);
  const key = sequenceOf(integerOf(n), integerOf(exponent));
  return sequenceOf(sequenceOf(oidOf(RSA), ...parameters), bitStringOf(key));
}

function ec(point: Uint8Array, parameters: readonly Uint8Array[] = [oidOf(P256)]): Uint8Array {
  return sequenceOf(sequenceOf(oidOf(EC), ...parameters), bitStringOf(point));
}

const point = P256_SPKI.subarray(26);

describe("a key that credentials are issued for", () => {
  test.for([
    { what: "P-256", spki: P256_SPKI, kind: "ec" },
    { what: "P-384", spki: spkiOf(generateKeyPairSync("ec", { namedCurve: "P-384" })), kind: "ec" },
    { what: "RSA as Node makes it", spki: spkiOf(generateKeyPairSync("rsa", { modulusLength: 2_048 })), kind: "rsa" },
    { what: "RSA of 2048 bits", spki: rsa(modulus(2_048), 65_537), kind: "rsa" },
    { what: "RSA of 2049 bits", spki: rsa(modulus(2_049), 65_537), kind: "rsa" },
    { what: "RSA of 8192 bits", spki: rsa(modulus(8_192), 65_537), kind: "rsa" },
    { what: "RSA with the largest exponent", spki: rsa(modulus(2_048), 2 ** 31 - 1), kind: "rsa" },
  ])("is $what", ({ spki, kind }) => {
    expect(checkPublicKey(spki)).toBe(kind);
  });

  test.for([
    { what: "P-521", spki: spkiOf(generateKeyPairSync("ec", { namedCurve: "P-521" })) },
    { what: "secp256k1", spki: spkiOf(generateKeyPairSync("ec", { namedCurve: "secp256k1" })) },
    { what: "P-256 with explicit parameters", spki: explicitP256() },
    { what: "Ed25519", spki: spkiOf(generateKeyPairSync("ed25519")) },
    { what: "Ed448", spki: spkiOf(generateKeyPairSync("ed448")) },
    { what: "X25519", spki: spkiOf(generateKeyPairSync("x25519")) },
    { what: "RSA-PSS", spki: spkiOf(generateKeyPairSync("rsa-pss", { modulusLength: 2_048 })) },
    { what: "RSA of 1024 bits", spki: spkiOf(generateKeyPairSync("rsa", { modulusLength: 1_024 })) },
    { what: "RSA of 2047 bits", spki: rsa(modulus(2_047), 65_537) },
    { what: "RSA of 8193 bits", spki: rsa(modulus(8_193), 65_537) },
    { what: "RSA with an even modulus", spki: rsa(modulus(2_048, 2), 65_537) },
    { what: "RSA with the exponent 3", spki: rsa(modulus(2_048), 3) },
    { what: "RSA with the exponent 1", spki: rsa(modulus(2_048), 1) },
    { what: "RSA with an even exponent", spki: rsa(modulus(2_048), 65_538) },
    { what: "RSA with an exponent of 2^31", spki: rsa(modulus(2_048), 2 ** 31 + 1) },
    { what: "RSA with an exponent of five bytes", spki: rsa(modulus(2_048), 2 ** 32 + 1) },
    { what: "RSA without its NULL", spki: rsa(modulus(2_048), 65_537, []) },
    { what: "RSA with parameters", spki: rsa(modulus(2_048), 65_537, [oidOf(P256)]) },
    {
      what: "RSA with a NULL that has content",
      spki: rsa(modulus(2_048), 65_537, [derOf(TAG.null, Uint8Array.of(0))]),
    },
    { what: "RSA with nothing, but not a NULL", spki: rsa(modulus(2_048), 65_537, [sequenceOf()]) },
    { what: "a compressed point", spki: ec(Uint8Array.of(2, ...point.subarray(1, 33))) },
    { what: "a hybrid point", spki: ec(Uint8Array.of(6, ...point.subarray(1))) },
    { what: "the point at infinity", spki: ec(Uint8Array.of(0)) },
    { what: "a point with a byte too many", spki: ec(Uint8Array.of(...point, 0)) },
    { what: "an EC key without a curve", spki: ec(point, []) },
    { what: "an EC key with NULL for a curve", spki: ec(point, [NULL]) },
    { what: "an EC key with two curves", spki: ec(point, [oidOf(P256), oidOf(P256)]) },
    {
      what: "unused bits",
      spki: sequenceOf(sequenceOf(oidOf(EC), oidOf(P256)), derOf(TAG.bitString, Uint8Array.of(1), point)),
    },
    { what: "bytes behind the end", spki: Uint8Array.of(...P256_SPKI, 0) },
    { what: "nothing", spki: new Uint8Array() },
  ])("is not $what", ({ spki }) => {
    expect(() => checkPublicKey(spki)).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
  });

  test("is said by the refusal, which shows nothing of the key", () => {
    try {
      checkPublicKey(new Uint8Array());
      expect.unreachable();
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(BrokerError);
      expect((thrown as BrokerError).message).toBe(
        "key: P-256 or P-384 with a named curve and an uncompressed point, or RSA of 2048 to 8192 bits",
      );
    }
  });
});

test("a key's identifier is the first 160 bits of the SHA-256 of its bits, and an authority's id is that in hexadecimal", () => {
  const expected = hash("sha256", point, "hex").slice(0, 40);
  expect(Buffer.from(keyIdentifierOf(P256_SPKI)).toString("hex")).toBe(expected);
  expect(authorityIdOf(P256_SPKI)).toBe(expected);
});

test("the JWK of a P-256 key is the one that Node makes of it, and another key has none", () => {
  const exported = createPublicKey({ key: P256_SPKI, format: "der", type: "spki" }).export({ format: "jwk" });
  expect(ecJwkOf(P256_SPKI)).toEqual(exported);
  const p384 = spkiOf(generateKeyPairSync("ec", { namedCurve: "P-384" }));
  expect(() => ecJwkOf(p384)).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
  const hybrid = Uint8Array.from(P256_SPKI).fill(6, 26, 27);
  for (const spki of [P256_SPKI.subarray(1), P256_SPKI.subarray(0, -1), Uint8Array.of(...P256_SPKI, 0), hybrid]) {
    expect(() => ecJwkOf(spki)).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
  }
});

test.for([
  { what: "P-256", pair: generateKeyPairSync("ec", { namedCurve: "P-256" }) },
  { what: "P-384", pair: generateKeyPairSync("ec", { namedCurve: "P-384" }) },
  { what: "RSA", pair: generateKeyPairSync("rsa", { modulusLength: 2_048 }) },
])("the JWK of a CA's key is the one that Node makes of it: $what", ({ pair }) => {
  expect(caJwkOf(spkiOf(pair))).toEqual(pair.publicKey.export({ format: "jwk" }));
});

test("a CA of a key that is not accepted has no JWK", () => {
  const p521 = spkiOf(generateKeyPairSync("ec", { namedCurve: "P-521" }));
  expect(() => caJwkOf(p521)).toThrow(expect.objectContaining({ code: "KEY_REFUSED" }));
});

function explicitP256(): Uint8Array {
  return spkiOf(generateKeyPairSync("ec", { namedCurve: "P-256", paramEncoding: "explicit" }));
}
