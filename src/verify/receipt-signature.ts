import { type KeyObject, verify } from "node:crypto";
import { bytesOfBase64url } from "../domain/base64url.ts";
import { parseReceiptKey, receiptStatement, type SignedReceipt } from "../domain/signed-receipt.ts";
import { ED25519_SIGNATURE_BYTES, ed25519KeyOf } from "./ed25519.ts";

/** Whether the key that a receipt names has signed it; computed off the event loop. False also for a key that is none. */
export function isSignedReceipt(receipt: SignedReceipt): Promise<boolean> {
  const signature = signatureOf(receipt);
  if (signature === undefined) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    verify(null, receiptStatement(receipt), keyOf(receipt), signature, (error, isValid) => {
      if (error === null) resolve(isValid);
      else reject(error);
    });
  });
}

/**
 * The same, at once: for whoever has nothing else to do.
 *
 * @throws BrokerError INVALID_FIELD for a key that is none
 */
export function holdsReceipt(receipt: SignedReceipt): boolean {
  const signature = signatureOf(receipt);
  return signature !== undefined && verify(null, receiptStatement(receipt), keyOf(receipt), signature);
}

function signatureOf({ signature }: SignedReceipt): Uint8Array | undefined {
  const bytes = bytesOfBase64url(signature);
  return bytes?.length === ED25519_SIGNATURE_BYTES ? bytes : undefined;
}

function keyOf({ key }: SignedReceipt): KeyObject {
  return ed25519KeyOf(parseReceiptKey(key, "key"));
}
