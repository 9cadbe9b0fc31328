import { type Diagnosis, ok, warning } from "./diagnosis.ts";

/** Of a connection: its socket, its process's pidfd, and the process's status. */
const DESCRIPTORS_PER_CONNECTION = 3;
/** Ledger, threads, listeners, files; and callers over HTTP. */
const DESCRIPTORS_BESIDE = 1_024;

export type LimitFacts = {
  /** Whose limit it is. */
  readonly of: "broker" | "command";
  /** RLIMIT_NOFILE that counts: of a broker the soft one, which Node.js has raised to the hard one. */
  readonly openFilesMax: number;
  readonly connectionsPerUid: number;
  /** Users that entries name. */
  readonly users: number;
};

export function checkLimits({ of, openFilesMax, connectionsPerUid, users }: LimitFacts): readonly Diagnosis[] {
  const needed = DESCRIPTORS_PER_CONNECTION * connectionsPerUid * Math.max(1, users) + DESCRIPTORS_BESIDE;
  const whose = of === "broker" ? "the broker" : "a process started as this command was";
  const what = `${whose} may have ${openFilesMax} files open`;
  if (openFilesMax >= needed) return [ok("limits", what)];
  const why = `with limits.connections_per_uid: ${connectionsPerUid}, callers of ${Math.max(1, users)} users may take ${needed}; without a descriptor a caller is refused`;
  return [
    warning("limits", { what, why, mend: `LimitNOFILE=${needed} in the unit of stintd, or ulimit -n ${needed}` }),
  ];
}
