/**
 * Keeps the last head that was acknowledged to anyone, outside the database, so that a database put back in time is
 * noticed. Written after every commit's group at most once in a while, and on close; never goes back by itself.
 */
export type CheckpointStore = {
  load(): Promise<{ readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array } | undefined>;
  save(head: { readonly epoch: string; readonly sequence: number; readonly rootHash: Uint8Array }): Promise<void>;
};
