import type { NoteKey } from "../domain/signed-note.ts";

/** Somebody elsewhere who signs that a ledger's checkpoints continue each other. */
export type Witness = {
  readonly key: NoteKey;
  /**
   * Asks for a signature.
   *
   * @param text - an add-checkpoint: size that was signed last, proof of consistency, checkpoint.
   * @returns the lines of signatures, unchecked; or the size that the witness signed last, where that is another.
   * @throws BrokerError NOT_SERVING for any other answer, and for none
   */
  addCheckpoint(text: string): Promise<{ readonly signatures: string } | { readonly signedSize: number }>;
};
