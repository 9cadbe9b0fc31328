/** What each script can be asked to measure, each time anew. */
export type Asked = {
  readonly load: {
    readonly callers: number;
    readonly seconds: number;
    /** Loaded before it counts: until code is compiled, and every caller waits for an answer. */
    readonly warmUpSeconds: number;
  };
  readonly closing: { readonly closes: number };
  readonly streams: { readonly count: number };
  readonly "bulk-close": { readonly steps: number };
};

/** Who used the machine while a load was measured. What others use is missing, and differs from one moment to the next. */
export type CpuSeconds = { readonly broker: number; readonly generator: number; readonly others: number };

export type Loaded = {
  /** Credentials. */
  readonly count: number;
  readonly wallSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuSeconds: CpuSeconds;
};

export type Closings = {
  readonly closes: number;
  readonly returnedP50Ms: number;
  readonly returnedP99Ms: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
};

export type Streamed = {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of the broker, with the streams open. */
  readonly openMiB: number;
};

export type BulkClosed = {
  readonly steps: number;
  readonly answerMs: number;
  /** Of the event loop of the broker's main thread, from before the revocation until nothing was left to do. */
  readonly loopP50Ms: number;
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
  /** Resident, with the steps open. */
  readonly openMiB: number;
  /** Resident, as the answer came. */
  readonly answeredMiB: number;
  /** The most that was resident from before the revocation until nothing was left to do. */
  readonly peakMiB: number;
};
