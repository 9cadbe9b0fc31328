import { createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { algorithmsOf, verifySignature } from "../../src/verify/jws-signature.ts";

/** An RSA key of so many bits, as far as anyone looks: nobody asks whether the modulus is a product of primes. */
function rsaKey(modulusBits: number, exponent = 65_537) {
  const modulus = Buffer.alloc(Math.ceil(modulusBits / 8), 0xff);
  modulus[0] = 0xff >> (8 * modulus.length - modulusBits);
  const e = Buffer.from(exponent.toString(16).padStart(8, "0"), "hex").subarray(exponent < 0x10000 ? 2 : 1);
  const key = { kty: "RSA", n: modulus.toString("base64url"), e: e.toString("base64url") };
  return createPublicKey({ format: "jwk", key });
}

const OF_RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

describe("a key verifies", () => {
  test.for([
    { curve: "P-256", algorithms: ["ES256"] },
    { curve: "P-384", algorithms: ["ES384"] },
    { curve: "P-521", algorithms: ["ES512"] },
    { curve: "secp256k1", algorithms: [] },
  ])("of $curve: $algorithms", ({ curve, algorithms }) => {
    expect(algorithmsOf(generateKeyPairSync("ec", { namedCurve: curve }).publicKey)).toEqual(algorithms);
  });

  test.for([
    { bits: 2_047, algorithms: [] },
    { bits: 2_048, algorithms: OF_RSA },
    { bits: 8_192, algorithms: OF_RSA },
    { bits: 8_193, algorithms: [] },
  ])("of RSA with $bits bits: $algorithms", ({ bits, algorithms }) => {
    expect([...algorithmsOf(rsaKey(bits))].sort()).toEqual([...algorithms].sort());
  });

  test("of RSA with a small exponent nothing, and of another kind nothing", () => {
    expect(algorithmsOf(rsaKey(2_048, 3))).toEqual([]);
    expect(algorithmsOf(generateKeyPairSync("ed25519").publicKey)).toEqual([]);
    expect(algorithmsOf(generateKeyPairSync("rsa-pss", { modulusLength: 2_048 }).publicKey)).toEqual([]);
  });
});

test("a signature is r and s at their full length: the same numbers with a zero before, between or behind are none", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signed = Buffer.from("signed");
  const good = sign("sha256", signed, { key: privateKey, dsaEncoding: "ieee-p1363" });
  const zero = Uint8Array.of(0);
  const [r, s] = [good.subarray(0, 32), good.subarray(32)];
  const holds = (...parts: readonly Uint8Array[]) => verifySignature("ES256", publicKey, signed, Buffer.concat(parts));
  expect(holds(r, s)).toBe(true);
  expect([holds(zero, r, s), holds(r, zero, s), holds(r, s, zero), holds(r), holds()]).toEqual(Array(5).fill(false));
});
