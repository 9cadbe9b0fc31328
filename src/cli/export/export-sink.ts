/** How much was written, by which an export that broke off is cut back to the last state that was kept. */
export type Written = { readonly bytes: number; readonly parts: number };

/** Where rows go. */
export type ExportSink<Row> = {
  write(rows: readonly Row[]): Promise<void>;
  /** Resolves once what was written is on disk; `undefined` where nothing can go on later. */
  settle(): Promise<Written | undefined>;
  /** Makes what was written whole, and gives it its name. */
  finish(): Promise<void>;
  /** After a failure: what was written stays as it is. */
  close(): Promise<void>;
};
