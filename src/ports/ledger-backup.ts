/** A verified copy of the ledger, in a file of the broker's. */
export type LedgerCopy = {
  /** Of the copy, as `Head` of the ledger. */
  readonly head: { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array };
  readonly bytes: number;
  /** Of the whole file, hexadecimal. */
  readonly sha256: string;
  /** The file, in parts of at most a few hundred KiB. */
  read(): AsyncIterable<Uint8Array>;
  /** To be called when it was read, or is not wanted any more. */
  remove(): Promise<void>;
};

/**
 * Copies of a ledger that goes on. A copy is consistent, is verified after it was written (its pages, every event against
 * the tree, its head against the head that was acknowledged before), and is marked: a ledger that is put back from it is one
 * that went back in time. It holds no key.
 */
export type LedgerBackups = {
  /**
   * @param progress - told how much of it is written, 0 to 1.
   * @throws BrokerError LIMIT_EXCEEDED while another copy is made; LEDGER_UNAVAILABLE when the disk has no room for a copy,
   *   or the copy is not what was acknowledged
   */
  copy(progress: (share: number) => void): Promise<LedgerCopy>;
};
