import { createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { describe, expect, test } from "vitest";
import { DerError } from "../../src/domain/der-reader.ts";
import { derFromP1363, P1363_BYTES, p1363FromDer } from "../../src/domain/ecdsa-signature.ts";
import { vectors } from "../samples/vectors.ts";

const bytes = (hex: string): Uint8Array => Buffer.from(hex, "hex");

test("every signature of Node is the same one in both forms", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  // Enough for r or s to be a byte short now and then, which is where the padding has to be right.
  for (let round = 0; round < 600; round += 1) {
    const data = Buffer.from(`message ${round}`);
    const signature = sign("sha256", data, privateKey);
    const converted = p1363FromDer(signature);
    expect(converted).toHaveLength(P1363_BYTES);
    expect(Buffer.from(derFromP1363(converted)).equals(signature)).toBe(true);
    expect(verify("sha256", data, { key: publicKey, dsaEncoding: "ieee-p1363" }, converted)).toBe(true);
  }
});

test("short numbers are padded on the left, and a byte for the sign is dropped", () => {
  const zeros = "00".repeat(31);
  expect(Buffer.from(p1363FromDer(bytes("3006020101020102"))).toString("hex")).toBe(`${zeros}01${zeros}02`);
  const high = "ff".repeat(32);
  expect(Buffer.from(p1363FromDer(bytes(`3046022100${high}022100${high}`))).toString("hex")).toBe(high + high);
});

test.for([
  { what: "nothing", der: "" },
  { what: "a number of 33 bytes", der: `3026022101${"00".repeat(32)}020101` },
  { what: "a second number of 33 bytes", der: `3026020101022101${"00".repeat(32)}` },
  { what: "zero", der: "3006020100020101" },
  { what: "a negative number", der: "3006020181020101" },
  { what: "a third number", der: "3009020101020101020101" },
  { what: "one number", der: "3003020101" },
  { what: "bytes behind the end", der: "300602010102010100" },
])("$what is not a signature", ({ der }) => {
  expect(() => p1363FromDer(bytes(der))).toThrow(DerError);
});

test.for([0, 63, 65, 71])("%i bytes are no signature of two numbers", (length) => {
  expect(() => derFromP1363(new Uint8Array(length))).toThrow(DerError);
});

type Group = {
  readonly publicKeyDer: string;
  readonly tests: readonly {
    readonly tcId: number;
    readonly msg: string;
    readonly sig: string;
    readonly result: string;
  }[];
};
const wycheproof = vectors("wycheproof/ecdsa_secp256r1_sha256_test.json") as
  | { readonly testGroups: Group[] }
  | undefined;

describe.skipIf(wycheproof === undefined)("Wycheproof, P-256 signatures in DER", () => {
  test("a valid one is valid when converted, and an invalid one is refused or still invalid", () => {
    let valid = 0;
    let invalid = 0;
    for (const { publicKeyDer, tests } of wycheproof?.testGroups ?? []) {
      const key = createPublicKey({ key: Buffer.from(publicKeyDer, "hex"), format: "der", type: "spki" });
      for (const { tcId, msg, sig, result } of tests) {
        const isValid = isValidConverted(key, bytes(msg), bytes(sig));
        expect({ tcId, isValid }).toEqual({ tcId, isValid: result === "valid" });
        if (isValid) valid += 1;
        else invalid += 1;
      }
    }
    expect(valid).toBeGreaterThan(100);
    expect(invalid).toBeGreaterThan(100);
  });
});

function isValidConverted(key: ReturnType<typeof createPublicKey>, data: Uint8Array, der: Uint8Array): boolean {
  try {
    return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, p1363FromDer(der));
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(DerError);
    return false;
  }
}
