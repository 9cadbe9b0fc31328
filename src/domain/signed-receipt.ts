import { bytesOfBase64url } from "./base64url.ts";
import { invalidField } from "./errors.ts";
import type { UnixMicros } from "./time.ts";

/** A verifier's word that it has applied the feed, signed by a key that it made itself and that its entry names. */
export type SignedReceipt = {
  /** SPIFFE ID of the verifier. */
  readonly verifier: string;
  readonly epoch: string;
  /** It refuses whatever was denied up to here. */
  readonly sequence: number;
  /** By the verifier's clock. */
  readonly at: UnixMicros;
  /** As `parseReceiptKey` takes it. */
  readonly key: string;
  /** Ed25519 over `receiptStatement`, base64url. */
  readonly signature: string;
};

/** What all processes of a verifier's entry have applied; with the signature of the one that is behind all others, if each signed. */
export type TakenReceipt = { readonly entryId: string; readonly sequence: number; readonly signed?: SignedReceipt };

const KEY_PREFIX = "ed25519:";
const KEY_BYTES = 32;

/**
 * What a verifier signs. The first line keeps it apart from everything else that the key, or another, may ever sign; no line
 * has a line break within it.
 */
export function receiptStatement({
  verifier,
  epoch,
  sequence,
  at,
}: Omit<SignedReceipt, "key" | "signature">): Uint8Array {
  return new TextEncoder().encode(`stint-receipt/v1\n${verifier}\n${epoch}\n${sequence}\n${at}\n`);
}

/** The text of an Ed25519 public key of 32 bytes, as entries name it. */
export function formatReceiptKey(bytes: Uint8Array): string {
  return `${KEY_PREFIX}${Buffer.from(bytes).toString("base64url")}`;
}

/**
 * The 32 bytes of an Ed25519 public key.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function parseReceiptKey(text: string, field: string): Uint8Array {
  const bytes = text.startsWith(KEY_PREFIX) ? bytesOfBase64url(text.slice(KEY_PREFIX.length)) : undefined;
  if (bytes?.length !== KEY_BYTES) {
    throw invalidField(field, `${KEY_PREFIX} and the 32 bytes of an Ed25519 public key in base64url`);
  }
  return bytes;
}
