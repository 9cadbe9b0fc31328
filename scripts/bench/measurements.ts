/** What each script can be asked to measure, each time anew. */
export type Asked = {
  readonly load: {
    readonly callers: number;
    readonly seconds: number;
    /** Loaded before it counts: until code is compiled, and every caller waits for an answer. */
    readonly warmUpSeconds: number;
  };
  readonly closing: { readonly closes: number };
  /** Either so many verifiers that connect in one moment, or so many closes that these are told of. */
  readonly watchers: { readonly join?: number; readonly closes?: number };
  readonly streams: { readonly count: number };
  readonly "bulk-close": { readonly steps: number };
  /** Steps with so many credentials and children, closed one after the other. */
  readonly "tree-close": { readonly trees: number; readonly issued: number; readonly children: number };
  readonly decisions: { readonly sitePolicies: number; readonly isNew: boolean; readonly times: number };
  readonly rejudge: { readonly steps: number };
  readonly verifying: { readonly calls: number };
};

/** Who used the machine while a load was measured. What others use is missing, and differs from one moment to the next. */
export type CpuSeconds = {
  /** All its processes. */
  readonly broker: number;
  /** Of it, by the names of its threads; absent where they were not looked at. */
  readonly threads?: Readonly<Record<string, number>>;
  /** All its processes. */
  readonly generator: number;
  readonly others: number;
};

export type Loaded = {
  /** Credentials; of `open-alone`, steps. */
  readonly count: number;
  readonly wallSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** What went wrong, and how often; what failed is not counted elsewhere. */
  readonly failures: Readonly<Record<string, number>>;
  readonly cpuSeconds: CpuSeconds;
};

export type Closings = {
  readonly closes: number;
  readonly returnedP50Ms: number;
  readonly returnedP99Ms: number;
  readonly refusedP50Ms: number;
  readonly refusedP99Ms: number;
};

export type Joined = {
  /** Verifiers that had the deny-list, the keys and an answer to a ping. */
  readonly ready: number;
  /** Until the last one was ready, or nobody waited any more. */
  readonly wallSeconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Attempts, which are made again as verifiers do. */
  readonly failures: Readonly<Record<string, number>>;
  readonly cpuSeconds: CpuSeconds;
};

/** From when a close was asked for until a verifier has heard of it, for all verifiers and closes. */
export type Told = Pick<Loaded, "p50Ms" | "p99Ms" | "maxMs" | "wallSeconds" | "cpuSeconds"> & {
  readonly closes: number;
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

export type TreesClosed = { readonly trees: number; readonly p50Ms: number; readonly maxMs: number };

export type Decided = {
  readonly times: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** CPU of the engine's thread, for one decision. */
  readonly engineMicros: number;
  /** CPU of the thread that asks, for one decision. */
  readonly askerMicros: number;
};

/** Calls of tools that a verifier let pass without asking the broker. */
export type Verified = {
  readonly calls: number;
  readonly wallSeconds: number;
  /** Of the thread that verifies, for all calls. */
  readonly cpuMicros: number;
};

/** What came of one change of risk that open steps are judged anew for. */
export type Rejudged = {
  readonly judged: number;
  readonly closed: number;
  readonly wallMs: number;
  /** CPU of all the broker's threads, for what others asked meanwhile too. */
  readonly brokerCpuMs: number;
  /** Of calls that have nothing to do with the change, while steps were judged. */
  readonly others: Answered;
};

/** How long calls took that came at a steady rate. */
export type Answered = { readonly count: number; readonly p50Ms: number; readonly p99Ms: number };

export type RejudgedTwice = {
  readonly steps: number;
  /** The same calls before anything changed. */
  readonly before: Answered;
  readonly kept: Rejudged;
  readonly closed: Rejudged;
};
