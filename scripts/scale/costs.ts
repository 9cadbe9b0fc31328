/** A figure that the model is made of. `from` says where it was measured, or why it is taken to be so. */
export type Cost = {
  readonly value: number;
  readonly unit: "µs" | "ms" | "bytes";
  readonly is: string;
  readonly from: string;
};

const RUN = "[a run](performance.md#a-run)";
const FEED = "[the feed](performance.md#the-feed)";
const BENCH = "`make bench-scale`";

/**
 * What things cost: medians, on two cores of a virtual machine that load generators share. Of another machine the ratios hold, and the
 * figures do not. The page and the simulations are made of these and of no others.
 */
export const COSTS = {
  mainOpenClose: { value: 786, unit: "µs", is: "event loop: Open with a JWT-SVID, and Close", from: RUN },
  mainIssue: { value: 308, unit: "µs", is: "event loop: one JWT-SVID more", from: RUN },
  mainHold: { value: 230, unit: "µs", is: "event loop: Hold, its end included", from: BENCH },
  mainPing: { value: 60, unit: "µs", is: "event loop: a verifier's ping, answered", from: BENCH },
  mainTell: { value: 20, unit: "µs", is: "event loop: a message to one watcher of the feed", from: FEED },
  mainJoin: { value: 1_900, unit: "µs", is: "event loop: a verifier that joins at 10,000 denials", from: FEED },
  brokerOpenClose: { value: 1_445, unit: "µs", is: "all threads: Open with a JWT-SVID, and Close", from: RUN },
  brokerIssue: { value: 558, unit: "µs", is: "all threads: one JWT-SVID more", from: RUN },
  ledgerOpenClose: {
    value: 530,
    unit: "µs",
    is: "ledger's thread: the same step",
    from: "[Open and Close](performance.md#open-and-close)",
  },
  ledgerIssue: { value: 154, unit: "µs", is: "ledger's thread: one JWT-SVID more", from: RUN },
  ledgerHold: { value: 63, unit: "µs", is: "ledger's thread: Hold", from: BENCH },
  treeEvent: {
    value: 4.9,
    unit: "µs",
    is: "ledger's thread, in the above: an event, hashed into the tree",
    from: BENCH,
  },
  treeRoot: {
    value: 59,
    unit: "µs",
    is: "ledger's thread: the root of eight billion events, once a commit, where it is dearest (33 hashes; on the average half of it)",
    from: BENCH,
  },
  applyStep: {
    value: 374,
    unit: "µs",
    is: "a replica takes over a step: opened, held, closed, with its first credential",
    from: BENCH,
  },
  applyIssue: { value: 69, unit: "µs", is: "a replica takes over one credential more", from: BENCH },
  fsync: {
    value: 0.28,
    unit: "ms",
    is: "one commit on a local disk, median",
    from: "[the tail](performance.md#the-tail)",
  },
  sharedTurn: {
    value: 1.2,
    unit: "ms",
    is: "three round trips and the fsync of PostgreSQL on the same machine, for a group",
    from: "[PostgreSQL](performance.md#postgresql)",
  },
  busMessage: {
    value: 2,
    unit: "ms",
    is: "a message signed, appended by NATS and acknowledged; taken to be so: a round trip, and an fsync of the server's",
    from: "assumed",
  },
  openStep: {
    value: 2_876,
    unit: "bytes",
    is: "the broker's memory: an open step, in a daemon; 2,202 of them the directory of steps and what ends them, of a million",
    from: BENCH,
  },
  sharedStep: {
    value: 3_588,
    unit: "bytes",
    is: "in PostgreSQL: the events of a step that is held, with its first credential; a tenth more in the write-ahead log",
    from: BENCH,
  },
  openStepTake: { value: 26, unit: "µs", is: "event loop: an open step, read and taken up at the start", from: BENCH },
  holdStream: {
    value: 10_879,
    unit: "bytes",
    is: "the broker's memory: the stream that holds it, of 150 on a connection",
    from: BENCH,
  },
  brokerDenial: { value: 337, unit: "bytes", is: "the broker's memory: a denial", from: BENCH },
  brokerPage: {
    value: 122,
    unit: "bytes",
    is: "the broker's memory: the same for each part of the feed that is watched",
    from: BENCH,
  },
  verifierDenial: { value: 506, unit: "bytes", is: "a verifier's memory: a denial of a step", from: BENCH },
  verifierAdd: { value: 6.7, unit: "µs", is: "a verifier's CPU: a denial, taken in", from: BENCH },
  verifierFind: {
    value: 4.2,
    unit: "µs",
    is: "a verifier's CPU: a call looked up among 1.3 million denials",
    from: BENCH,
  },
  verifierSweep: {
    value: 0.07,
    unit: "µs",
    is: "a verifier's CPU: a denial that is looked at in a sweep, or forgotten",
    from: BENCH,
  },
  verifierMessage: {
    value: 72,
    unit: "µs",
    is: "a verifier's CPU: the signature of a message on NATS",
    from: "[verifying](performance.md#verifying)",
  },
  brokerPages: { value: 0.4, unit: "µs", is: "event loop: a denial, when pages are made anew", from: BENCH },
  readDenial: { value: 11, unit: "µs", is: "event loop: a denial, read at the start", from: FEED },
  feedDenial: { value: 117, unit: "bytes", is: "on the feed: a denial of a step", from: BENCH },
  busDenial: { value: 206, unit: "bytes", is: "on NATS: the same, in base64 twice", from: BENCH },
  statusList: {
    value: 29_384,
    unit: "bytes",
    is: "a status list of 131,072 tokens of which half are revoked, signed",
    from: BENCH,
  },
  crlEntry: { value: 49, unit: "bytes", is: "in a CRL: an X.509-SVID", from: BENCH },
  stepRows: {
    value: 4_366,
    unit: "bytes",
    is: "in SQLite: a step, opened and closed, with all its events and rows, no credential",
    from: BENCH,
  },
  holdRows: { value: 140, unit: "bytes", is: "in SQLite: its hold", from: BENCH },
  credentialRows: { value: 1_588, unit: "bytes", is: "in SQLite: a credential", from: BENCH },
  stepWritten: {
    value: 16_952,
    unit: "bytes",
    is: "written to the disk: the step, in commits of 32 acts",
    from: BENCH,
  },
  holdWritten: { value: 2_935, unit: "bytes", is: "written to the disk: its hold", from: BENCH },
  credentialWritten: { value: 4_615, unit: "bytes", is: "written to the disk: a credential", from: BENCH },
} as const satisfies Readonly<Record<string, Cost>>;

export type CostName = keyof typeof COSTS;

/** What the model reckons with: microseconds, milliseconds and bytes, as their names' costs have them. */
export type CostValues = Readonly<Record<CostName, number>>;

export const COST_VALUES = Object.fromEntries(
  Object.entries(COSTS).map(([name, { value }]) => [name, value]),
) as CostValues;

/** Of an event as it stays when its content is pruned; of what it was. [Pruning](performance.md#pruning) */
export const PRUNED_SHARE = 845 / 1_562;

/** What a credential leaves to the ledger's process where a front end prepares it. [ADR 36](adr/0036-front-ends-hold-no-key-and-record-nothing.md) */
export const FRONT_END_SHARE = 0.43;
