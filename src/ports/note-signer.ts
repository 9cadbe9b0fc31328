import type { Checkpoint } from "../domain/checkpoint.ts";

/**
 * Keeps the key that signs checkpoints of the ledger, and what else the broker states of it: Ed25519, of its own, and good
 * for no credential. A checkpoint is made here from its facts, and no other text that is signed reads as one.
 */
export type NoteSigner = {
  /** Raw, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The signed note; the key's name in it is the checkpoint's origin. */
  checkpoint(checkpoint: Checkpoint): string;
  /**
   * The signed note of another text.
   *
   * @param name - of the key in it.
   * @param text - lines, each with its line feed.
   * @throws BrokerError AUTHORITY_UNAVAILABLE for a text that could be taken for a checkpoint, or that no note may hold
   */
  statement(name: string, text: string): string;
};
