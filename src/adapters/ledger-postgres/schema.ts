import { hash } from "node:crypto";
import { BrokerError } from "../../domain/errors.ts";
import { packagedIn, readPackagedText } from "../../package/files.ts";
import type { Session } from "./session.ts";

/** One numbered file of SQL, which is never changed once it has been applied anywhere. */
export type PostgresMigration = { readonly name: string; readonly sha256: string; readonly sql: string };

/** The folder lies beside `src` in a checkout and beside `dist` in the package, so this path fits both. */
const MIGRATIONS_URL = new URL("../../../migrations/postgres/", import.meta.url);
/** PostgreSQL 15: older versions were never tried. */
const VERSION_MIN = 150_000;
/** Any number that no other program is likely to lock. */
const LOCK = 0x5354_494e;

/** In the order of their numbers, which are the beginnings of their names. */
export function readPostgresMigrations(): readonly PostgresMigration[] {
  const names = packagedIn(MIGRATIONS_URL).filter((name) => name.endsWith(".sql"));
  return names.map((name) => {
    const sql = readPackagedText(new URL(name, MIGRATIONS_URL));
    return { name, sha256: hash("sha256", sql), sql };
  });
}

/**
 * Brings a database to this program's schema, in one transaction. Replicas that start together take turns.
 *
 * @throws BrokerError NOT_SERVING when the server is too old, or the schema is a newer program's or was edited;
 *   LEDGER_UNAVAILABLE when the database can't be used
 */
export async function migratePostgres(session: Session): Promise<void> {
  const { rows } = await session.query<{ version: number }>(
    "SELECT current_setting('server_version_num')::integer AS version",
  );
  const version = rows[0]?.version ?? 0;
  if (version < VERSION_MIN) throw refusal("PostgreSQL 15 or later is needed");
  await session.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  try {
    await session.query(`SELECT pg_advisory_xact_lock(${LOCK})`);
    const applied = await appliedTo(session);
    const migrations = readPostgresMigrations();
    for (const [position, { name, sha256 }] of applied.entries()) {
      const known = migrations[position];
      if (known === undefined)
        throw refusal(`${name} was applied by a newer version, and this one does not know it: run the newer one`);
      if (known.name !== name || known.sha256 !== sha256)
        throw refusal(`${name} was changed after it had been applied`);
    }
    for (const [position, { name, sha256, sql }] of migrations.entries()) {
      if (position < applied.length) continue;
      await session.query(sql);
      await session.query("INSERT INTO stint.schema_migration (number, name, sha256) VALUES ($1, $2, $3)", [
        position + 1,
        name,
        sha256,
      ]);
    }
    await session.query("COMMIT");
  } catch (thrown) {
    if (!session.isEnded()) await session.query("ROLLBACK");
    throw thrown;
  }
}

async function appliedTo(session: Session): Promise<readonly Omit<PostgresMigration, "sql">[]> {
  const { rows: found } = await session.query<{ exists: boolean }>(
    "SELECT to_regclass('stint.schema_migration') IS NOT NULL AS exists",
  );
  if (found[0]?.exists !== true) return [];
  const { rows } = await session.query<{ name: string; sha256: string }>(
    "SELECT name, sha256 FROM stint.schema_migration ORDER BY number",
  );
  return rows;
}

function refusal(message: string): BrokerError {
  return new BrokerError("NOT_SERVING", `ledger on PostgreSQL: ${message}`);
}
