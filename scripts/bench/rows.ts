/** What can be measured, by the names that `--rows` takes. */
export const ROWS = {
  jwt: "JWT-SVID",
  fetch: "FetchJWTSVID (SPIFFE)",
  x509: "X.509-SVID",
  open: "Open with a JWT-SVID, Close",
  delivery: "from Open to the SVID on an open stream",
  told: "a close, and 1,000 verifiers with a connection each that hear of it",
  "one-connection": "the same by callers of one process on one connection",
  close: "a close, and verifiers of one process that refuse",
  verify: "a call verified without asking the broker",
  streams: "streams of the SPIFFE Workload API",
  entries: "a start, and issuing, with 10,000 entries",
  bulk: "10,000 steps closed by one revocation",
  tree: "a step with 1,000 credentials and 100 descendants, closed",
  join: "1,000 verifiers that join at once at 10,000 denials",
  start: "a start with an empty ledger, and with one of a million events",
} as const;

export type Row = keyof typeof ROWS;

export type Plan = {
  readonly rounds: number;
  /** Of the bulk close, which takes long. An even number has each side first as often as the other. */
  readonly bulkRounds: number;
  /** How long a slice of a load is; there are four of each side in a round. */
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly callers: readonly number[];
};

/**
 * @param names - separated by commas; absent: all of them.
 * @throws Error for a name that is none
 */
export function parseRows(names: string | undefined): readonly Row[] {
  if (names === undefined) return Object.keys(ROWS) as Row[];
  const wanted = names.split(",");
  const known = Object.keys(ROWS);
  for (const name of wanted) {
    if (!known.includes(name)) throw new Error(`--rows: there is no ${name}; there are ${known.join(", ")}`);
  }
  return wanted as Row[];
}

/**
 * @param counts - separated by commas; absent: the usual ones.
 * @throws Error for what is no number of callers
 */
export function parseCallers(counts: string | undefined): readonly number[] {
  const callers = counts === undefined ? CALLERS : counts.split(",").map(Number);
  for (const count of callers) {
    if (!Number.isInteger(count) || count < 1)
      throw new Error("--callers: whole numbers from 1 on, with commas between");
  }
  return callers;
}

/** One who waits for each answer, a small and a large company. */
export const CALLERS = [1, 8, 64] as const;
