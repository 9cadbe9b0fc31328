/**
 * Keeps the last head that was acknowledged to anyone, outside the database, so that a database put back in time is
 * noticed. The ledger saves its head on close, and once in a while after commits. The store never goes back to an older
 * head by itself.
 */
export type CheckpointStore = {
  /**
   * Every head that is kept; the ledger has to continue each.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE for one that can't be believed, NOT_SERVING where it can't even be looked for
   */
  load(): Promise<readonly KeptHead[]>;
  save(head: KeptHead): Promise<void>;
};

export type KeptHead = { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array };

/** A text in a place of its own, replaced whole. */
export type CheckpointFile = {
  /**
   * `undefined` where nothing was saved yet.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE for what can't be read; NOT_SERVING where its place is missing
   */
  load(): Promise<string | undefined>;
  save(text: string): Promise<void>;
};

/** The newest checkpoint that was signed, for whoever is to be shown it. */
export type SignedCheckpoint = {
  /** The signed note. */
  readonly note: string;
  /** Leaves of its tree. */
  readonly size: number;
};
