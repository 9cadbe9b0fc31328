/** A part of the log, with the tree that it gives. */
export type LogPage = {
  /** The bytes that were hashed, in order. */
  readonly events: readonly Uint8Array[];
  /** As `Head` of the ledger with the last of these events; without events at the sequence that was asked for, or at its end. */
  readonly head: { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array };
  /** Of the newest event that is recorded. */
  readonly newest: number;
  /** Number of the newest migration of the tables. */
  readonly schema: number;
  /** The last event is that of a snapshot, whose parts are to be read before it is taken over. */
  readonly snapshotThrough?: number;
};

/**
 * The log for whoever keeps a copy up with it, on a thread where reading may take long.
 * All throw BrokerError LEDGER_UNAVAILABLE when the ledger can't be read.
 */
export type LogReads = {
  /**
   * What follows a sequence, about a MiB of it at most; a snapshot's event is the last of its page.
   *
   * @param limit - 0: the tree at that sequence alone.
   * @throws BrokerError PRUNED where the content of an event is deleted, or the parts of a snapshot are
   */
  logPage(after: number, limit: number): Promise<LogPage>;
  /** The parts of a snapshot in order, some at a time; none when there are no more. */
  snapshotChunks(through: number, from: number): Promise<readonly Uint8Array[]>;
};
