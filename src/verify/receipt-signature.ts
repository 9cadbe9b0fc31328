import { createPublicKey, verify } from "node:crypto";
import { base64urlOf, bytesOfBase64url } from "../domain/base64url.ts";
import { parseReceiptKey, receiptStatement, type SignedReceipt } from "../domain/signed-receipt.ts";

const SIGNATURE_BYTES = 64;

/** Whether the key that a receipt names has signed it; computed off the event loop. False also for a key that is none. */
export function isSignedReceipt(receipt: SignedReceipt): Promise<boolean> {
  const signature = bytesOfBase64url(receipt.signature);
  if (signature?.length !== SIGNATURE_BYTES) return Promise.resolve(false);
  const x = base64urlOf(parseReceiptKey(receipt.key, "key"));
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return new Promise((resolve, reject) => {
    verify(null, receiptStatement(receipt), key, signature, (error, isValid) => {
      if (error === null) resolve(isValid);
      else reject(error);
    });
  });
}
