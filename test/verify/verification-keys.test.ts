import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import type { VerificationJwk } from "../../src/domain/bundle.ts";
import { verificationKeysOf } from "../../src/verify/verification-keys.ts";

const jwkOf = ({ publicKey }: ReturnType<typeof generateKeyPairSync>, alg?: string) =>
  ({ ...publicKey.export({ format: "jwk" }), kid: "k", ...(alg === undefined ? {} : { alg }) }) as VerificationJwk;
const algorithmsFor = (jwk: VerificationJwk) => verificationKeysOf(new Map([["k", jwk]])).get("k")?.algorithms;

const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });

test("a key of a bundle verifies what its kind may, and only the algorithm that its bundle names", () => {
  expect(algorithmsFor(jwkOf(p256))).toEqual(["ES256"]);
  expect(algorithmsFor(jwkOf(p256, "ES256"))).toEqual(["ES256"]);
  expect(algorithmsFor(jwkOf(rsa))).toHaveLength(6);
  expect(algorithmsFor(jwkOf(rsa, "PS256"))).toEqual(["PS256"]);
});

test("a key that can verify nothing is left out, and the others are not", () => {
  const keys = new Map<string, VerificationJwk>([
    ["for another algorithm", jwkOf(p256, "ES384")],
    ["for none of ours", jwkOf(rsa, "RSA-OAEP")],
    ["too weak", jwkOf(generateKeyPairSync("rsa", { modulusLength: 1_024 }))],
    ["malformed", { kid: "k", kty: "EC", crv: "P-256", x: "AA", y: "AA" }],
    ["good", jwkOf(p256)],
  ]);
  expect([...verificationKeysOf(keys).keys()]).toEqual(["good"]);
});
