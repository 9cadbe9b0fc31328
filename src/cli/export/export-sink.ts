/** How far the rows have come that are on disk: by it an export that broke off goes on. */
export type Settled = {
  /** All rows up to this sequence are there. */
  readonly sequence: number;
  readonly count: number;
  /** Of the one file, or files. The other is 0. */
  readonly bytes: number;
  readonly parts: number;
};

export const NOTHING_SETTLED: Settled = { sequence: 0, count: 0, bytes: 0, parts: 0 };

/** Where rows go. */
export type ExportSink<Row> = {
  /** @param sequence - up to which there are no further rows. */
  write(rows: readonly Row[], sequence: number): Promise<void>;
  /** Resolves once what it tells of is on disk; `undefined` where nothing can go on later. */
  settle(): Promise<Settled | undefined>;
  /** Makes what was written whole, and gives it its name. */
  finish(): Promise<void>;
  /** After a failure: what was written stays as it is. */
  close(): Promise<void>;
};
