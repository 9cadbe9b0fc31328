/**
 * Keeps the last head that was acknowledged to anyone, outside the database, so that a database put back in time is
 * noticed. The ledger saves its head on close, and once in a while after commits. The store never goes back to an older
 * head by itself.
 */
export type CheckpointStore = {
  load(): Promise<{ readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array } | undefined>;
  save(head: { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array }): Promise<void>;
};
