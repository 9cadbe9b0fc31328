import { generateKeyPairSync, sign } from "node:crypto";
import { base64urlOf } from "../../src/domain/base64url.ts";
import { formatReceiptKey, receiptStatement, type SignedReceipt } from "../../src/domain/signed-receipt.ts";

const KEY_BYTES = 32;
const { privateKey, publicKey } = generateKeyPairSync("ed25519");

/** The public part of a key that a verifier made, as its entry names it. */
export const RECEIPT_KEY = formatReceiptKey(publicKey.export({ format: "der", type: "spki" }).subarray(-KEY_BYTES));

/** @param key - as the verifier's entry names it. */
export function signedBy(key: string, said: Omit<SignedReceipt, "key" | "signature">): SignedReceipt {
  return { ...said, key, signature: base64urlOf(sign(null, receiptStatement(said), privateKey)) };
}
