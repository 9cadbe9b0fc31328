import { createPublicKey } from "node:crypto";
import { expect, test } from "vitest";
import { parseSpiffeBundle } from "../../src/domain/bundle.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { parseCompactJws } from "../../src/verify/compact-jws.ts";
import { algorithmsOf, isJwsAlgorithm, type JwsAlgorithm, verifySignature } from "../../src/verify/jws-signature.ts";
import { VerificationError } from "../../src/verify/verification-error.ts";
import { type VerificationKey, verificationKeysOf } from "../../src/verify/verification-keys.ts";
import { type Vector, type VectorGroup, WITHOUT_VECTORS, wycheproof } from "../samples/vectors.ts";

type Jwk = Record<string, unknown>;

/** The group's keys by way of a SPIFFE bundle, the only way by which keys reach a verifier. */
function keysOf(group: VectorGroup): ReadonlyMap<string, VerificationKey> {
  const given = (group["public"] ?? group["private"]) as Jwk & { readonly keys?: readonly Jwk[] };
  const keys = (given.keys ?? [given]).map((jwk) => ({
    ...jwk,
    // What signs elsewhere is the JWT-SVID key of a bundle; what is for anything else stays so.
    use: jwk["use"] === undefined || jwk["use"] === "sig" ? "jwt-svid" : jwk["use"],
  }));
  try {
    return verificationKeysOf(parseSpiffeBundle(JSON.stringify({ keys })).jwtKeys);
  } catch (thrown) {
    if (thrown instanceof BrokerError) return new Map();
    throw thrown;
  }
}

function isAccepted(keys: ReadonlyMap<string, VerificationKey>, { jws: token }: Vector): boolean {
  try {
    const jws = parseCompactJws(token as string);
    const key = keys.get(jws.keyId);
    if (key === undefined || !isJwsAlgorithm(jws.algorithm) || !key.algorithms.includes(jws.algorithm)) return false;
    return verifySignature(jws.algorithm, key.key, jws.signed, jws.signature);
  } catch (thrown) {
    if (thrown instanceof VerificationError) return false;
    throw thrown;
  }
}

// Every case that differs is listed, so that a new failure and a new pass both show.
const HS256_IS_NO_JWT_SVID = [1, 348, 352, 357, 358, 359, 376, 377];
const CHARACTERS_OUTSIDE_BASE64URL_ARE_REFUSED = [372, 373];
/** Their keys say PS256 of a PS384 token, and "ES521" of an ES512 one. */
const KEYS_NAME_ANOTHER_ALGORITHM = [346, 347, 350, 351];
/** `key_ops` is not used in SPIFFE bundles, where `use` says it. */
const KEY_OPS_IS_NOT_READ = [355, 356];
/** A key whose factors can be found by how they were generated is the trust domain's to replace. */
const ROCA_IS_NOT_LOOKED_FOR = 7;

test.for([
  {
    file: "json_web_signature_test.json",
    total: 401,
    refusedThoughValid: [
      ...HS256_IS_NO_JWT_SVID,
      ...CHARACTERS_OUTSIDE_BASE64URL_ARE_REFUSED,
      ...KEYS_NAME_ANOTHER_ALGORITHM,
    ].toSorted((a, b) => a - b),
    acceptedThoughInvalid: KEY_OPS_IS_NOT_READ,
  },
  {
    file: "json_web_key_test.json",
    total: 26,
    refusedThoughValid: [2, 13, 14, 15],
    acceptedThoughInvalid: [ROCA_IS_NOT_LOOKED_FOR],
  },
])(`the JWS vectors of $file get their verdicts (${WITHOUT_VECTORS})`, (expected, { skip }) => {
  const groups = wycheproof(expected.file) ?? skip();
  const refusedThoughValid: number[] = [];
  const acceptedThoughInvalid: number[] = [];
  let total = 0;
  for (const group of groups) {
    const keys = keysOf(group);
    for (const vector of group.tests) {
      total += 1;
      const accepted = isAccepted(keys, vector);
      if (vector.result === "valid" && !accepted) refusedThoughValid.push(vector.tcId);
      if (vector.result !== "valid" && accepted) acceptedThoughInvalid.push(vector.tcId);
    }
  }
  expect({ file: expected.file, total, refusedThoughValid, acceptedThoughInvalid }).toEqual(expected);
});

function bytesOf(hex: unknown): Uint8Array {
  return Buffer.from(hex as string, "hex");
}

test.for([
  { file: "ecdsa_secp256r1_sha256_p1363_test.json", algorithm: "ES256" as JwsAlgorithm },
  { file: "ecdsa_secp384r1_sha384_p1363_test.json", algorithm: "ES384" as JwsAlgorithm },
  { file: "rsa_signature_2048_sha256_test.json", algorithm: "RS256" as JwsAlgorithm },
  { file: "rsa_pss_2048_sha256_mgf1_32_test.json", algorithm: "PS256" as JwsAlgorithm },
])(`$algorithm signatures get the verdicts of $file (${WITHOUT_VECTORS})`, ({ file, algorithm }, { skip }) => {
  const verdicts = { valid: 0, invalid: 0 };
  for (const group of wycheproof(file) ?? skip()) {
    const spki = bytesOf(group["publicKeyDer"]);
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    if (key.asymmetricKeyDetails?.publicExponent === 3n) {
      expect(algorithmsOf(key)).toEqual([]);
      continue;
    }
    expect(algorithmsOf(key)).toContain(algorithm);
    for (const { tcId, comment, result, msg, sig } of group.tests) {
      const accepted = verifySignature(algorithm, key, bytesOf(msg), bytesOf(sig));
      // "acceptable" is what some libraries take and none must, e.g. a missing NULL in the PKCS#1 digest info.
      expect({ tcId, comment, accepted }).toEqual({ tcId, comment, accepted: result === "valid" });
      verdicts[accepted ? "valid" : "invalid"] += 1;
    }
  }
  expect(verdicts.valid).toBeGreaterThan(5);
  expect(verdicts.invalid).toBeGreaterThan(5);
});
