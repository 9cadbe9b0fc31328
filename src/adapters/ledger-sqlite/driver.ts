import process from "node:process";
import type BetterSqlite3 from "better-sqlite3";
import { BrokerError } from "../../domain/errors.ts";

export type Driver = typeof BetterSqlite3;

/** The library's binary ends the process without a word on an older Node.js. */
const NODE_MAJOR_MIN = 22;
/** Earlier versions can corrupt a database when its write-ahead log is reset. */
const SQLITE_VERSION_MIN = [3, 51, 3] as const;

/**
 * Loads the SQLite library, after making sure that it can be loaded here.
 *
 * @throws BrokerError NOT_SERVING when Node.js or SQLite is too old
 */
export async function loadDriver(nodeVersion: string = process.versions.node): Promise<Driver> {
  if (!(Number.parseInt(nodeVersion, 10) >= NODE_MAJOR_MIN)) {
    throw new BrokerError("NOT_SERVING", `the ledger needs Node.js ${NODE_MAJOR_MIN} or newer, this is ${nodeVersion}`);
  }
  const { default: driver } = await import("better-sqlite3");
  const database = new driver(":memory:");
  const version = database.prepare("SELECT sqlite_version()").pluck().get() as string;
  database.close();
  if (!isAtLeast(version, SQLITE_VERSION_MIN)) {
    throw new BrokerError(
      "NOT_SERVING",
      `the ledger needs SQLite ${SQLITE_VERSION_MIN.join(".")} or newer, this is ${version}`,
    );
  }
  return driver;
}

/** Compares dotted version numbers; a part that is no number counts as too old. */
export function isAtLeast(version: string, minimum: readonly number[]): boolean {
  const parts = version.split(".").map(Number);
  for (const [position, wanted] of minimum.entries()) {
    const part = parts[position] ?? 0;
    if (part !== wanted) return part > wanted;
  }
  return true;
}
