import { base64urlOf } from "./base64url.ts";
import { invalidField } from "./errors.ts";

/**
 * What a token's presenter has to prove possession of, as the `cnf` claim has it: the X.509-SVID of the presenter's
 * connection, or the key of the presenter's DPoP proofs. SHA-256, base64url.
 *
 * @see RFC 7800 section 3.1, RFC 8705 section 3.1, RFC 9449 section 6.1
 */
export type Confirmation = { readonly "x5t#S256": string } | { readonly jkt: string };

const SHA256_BYTES = 32;

/** @throws BrokerError INVALID_FIELD for a digest that is not 32 bytes long */
export function confirmationOf(method: "x5t#S256" | "jkt", digest: Uint8Array, field: string): Confirmation {
  if (digest.length !== SHA256_BYTES) throw invalidField(field, `a SHA-256 digest, ${SHA256_BYTES} bytes`);
  const text = base64urlOf(digest);
  return method === "jkt" ? { jkt: text } : { "x5t#S256": text };
}
