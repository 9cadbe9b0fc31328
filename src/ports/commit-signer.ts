import type { RecordedDraft } from "../domain/stages.ts";

/**
 * Signs in the thread that commits, what that thread has just committed. A key is there before the first draft that names
 * its authority, and no longer once it is destroyed.
 *
 * What is signed is a `RecordedDraft`, which only `signCommitted` makes there, from the answers of a transaction that was
 * committed.
 */
export type CommitSigner = {
  /**
   * Signs with the key of `recorded.record.authorityId`.
   *
   * @returns ECDSA P-256 with SHA-256, DER.
   * @throws BrokerError AUTHORITY_UNAVAILABLE when it definitely made no signature
   */
  sign(recorded: RecordedDraft): Uint8Array;
};
