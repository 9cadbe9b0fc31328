import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { publicKeyOfJwk } from "../../src/verify/public-jwk.ts";

const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const JWK = publicKey.export({ format: "jwk" });

test.for([{ alg: "ES256" }, {}])("the key of a P-256 JWK is taken, with alg ES256 or none", (more) => {
  const spki = publicKeyOfJwk(JSON.stringify({ ...JWK, ...more }), "jwk");
  expect(createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }).equals(publicKey)).toBe(true);
});

test.for([
  { what: "no JSON", text: "key", code: "INVALID_FIELD" },
  { what: "a list", text: "[]", code: "INVALID_FIELD" },
  { what: "a member twice", text: JSON.stringify(JWK).replace("{", '{"kty":"EC",'), code: "INVALID_FIELD" },
  { what: "a member that says more", text: JSON.stringify({ ...JWK, kid: "x" }), code: "INVALID_FIELD" },
  { what: "a missing coordinate", text: JSON.stringify({ ...JWK, y: undefined }), code: "INVALID_FIELD" },
  { what: "another algorithm", text: JSON.stringify({ ...JWK, alg: "ES384" }), code: "KEY_REFUSED" },
  {
    what: "a key of another curve",
    text: JSON.stringify(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey.export({ format: "jwk" })),
    code: "KEY_REFUSED",
  },
  { what: "a coordinate that is no text", text: JSON.stringify({ ...JWK, x: 7 }), code: "INVALID_FIELD" },
  { what: "an RSA key", text: JSON.stringify({ kty: "RSA" }), code: "KEY_REFUSED" },
  { what: "a point off the curve", text: JSON.stringify({ ...JWK, y: JWK.x }), code: "KEY_REFUSED" },
])("$what is refused", ({ text, code }) => {
  expect(() => publicKeyOfJwk(text, "jwk")).toThrow(expect.objectContaining({ code }));
});

test("a private key is refused with the advice to replace it, and not shown", () => {
  const jwk = privateKey.export({ format: "jwk" });
  const refused = () => publicKeyOfJwk(JSON.stringify(jwk), "jwk");
  expect(refused).toThrow(/to be replaced/);
  expect(refused).not.toThrow(String(jwk.d));
});
