/** Makes cursors that nobody can forge, since a cursor ahead of the ledger is taken as evidence of a rollback. */
export type CursorSeal = {
  seal(text: string): Uint8Array;
  /** The text that was sealed; `undefined` for anything not sealed by this broker. */
  open(cursor: Uint8Array): string | undefined;
};
