/**
 * What an error of the SQLite library means for the ledger.
 *
 * - `constraint`: this act contradicts what is recorded; other acts are not concerned.
 * - `full`: no room, and nothing is damaged.
 * - `busy`: a foreign process holds the database.
 * - `broken`: only what was written before the error can be relied on. After a failed fsync the next fsync may succeed
 *   although the pages of the first never reached the disk.
 */
export type SqliteFault = "constraint" | "full" | "busy" | "broken";

/** @returns `undefined` for an error that did not come from SQLite. */
export function faultOf(thrown: unknown): SqliteFault | undefined {
  const code = sqliteCodeOf(thrown);
  if (code === undefined) return undefined;
  if (code.startsWith("SQLITE_CONSTRAINT") || code === "SQLITE_TOOBIG") return "constraint";
  // The shared index of the write-ahead log could not grow.
  if (code === "SQLITE_FULL" || code === "SQLITE_IOERR_SHMSIZE") return "full";
  if (code === "SQLITE_BUSY" || code.startsWith("SQLITE_BUSY_") || code.startsWith("SQLITE_LOCKED")) return "busy";
  return "broken";
}

/** SQLite's own name of the error, e.g. `SQLITE_IOERR_FSYNC`: for the log, as it names no path and no content. */
export function sqliteCodeOf(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || thrown.name !== "SqliteError") return undefined;
  return "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
}
