import { generateKeyPairSync, sign } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import {
  formatReceiptKey,
  parseReceiptKey,
  receiptStatement,
  type SignedReceipt,
} from "../../src/domain/signed-receipt.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { isSignedReceipt } from "../../src/verify/receipt-signature.ts";

const own = keyPair();
const other = keyPair();
const SAID = {
  verifier: "spiffe://example.org/verifier/mcp-1",
  epoch: "epoch_1",
  sequence: 42,
  at: 1_800_000_000_000_001 as UnixMicros,
};

function keyPair() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const spki = publicKey.export({ format: "der", type: "spki" });
  return { key: formatReceiptKey(spki.subarray(-32)), privateKey };
}

function signedBy({ key, privateKey }: ReturnType<typeof keyPair>, said: typeof SAID): SignedReceipt {
  return { ...said, key, signature: sign(null, receiptStatement(said), privateKey).toString("base64url") };
}

test("the bytes that are signed", () => {
  expect(Buffer.from(receiptStatement(SAID)).toString()).toBe(
    "stint-receipt/v1\nspiffe://example.org/verifier/mcp-1\nepoch_1\n42\n1800000000000001\n",
  );
});

test("what the key has signed holds, and nothing else of it", async () => {
  const receipt = signedBy(own, SAID);
  expect(await isSignedReceipt(receipt)).toBe(true);
  const changed: readonly Partial<SignedReceipt>[] = [
    { verifier: "spiffe://example.org/verifier/mcp-2" },
    { epoch: "epoch_2" },
    { sequence: 43 },
    { at: 1_800_000_000_000_002 as UnixMicros },
    { key: other.key },
    { signature: signedBy(other, SAID).signature },
    { signature: "" },
    { signature: "not base64url!" },
  ];
  for (const change of changed) expect(await isSignedReceipt({ ...receipt, ...change })).toBe(false);
});

test("no two statements are the same bytes", () => {
  const part = fc.stringMatching(/^[\x21-\x7e]{1,20}$/);
  const said = fc.record({ verifier: part, epoch: part, sequence: fc.nat(), at: fc.nat() });
  fc.assert(
    fc.property(said, said, (one, another) => {
      const bytes = (each: typeof one) =>
        Buffer.from(receiptStatement({ ...each, at: each.at as UnixMicros })).toString("hex");
      expect(bytes(one) === bytes(another)).toBe(JSON.stringify(one) === JSON.stringify(another));
    }),
  );
});

test.for(["", "ed25519:", "ed25519:AAAA", own.key.slice("ed25519:".length), `${own.key}=`])(
  "%j is no key that an entry may name",
  (text) => {
    expect(() => parseReceiptKey(text, "receipt_key")).toThrow(BrokerError);
  },
);
