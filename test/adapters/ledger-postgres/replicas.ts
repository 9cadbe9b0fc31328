import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll } from "vitest";
import type { SharedLogSettings } from "../../../src/adapters/ledger-postgres/shared-log.ts";
import type { SqliteLedgerOptions } from "../../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { ports, type World, worldOf } from "../../contract/ledger-world.ts";
import { startSharedLogs } from "../../postgres/shared-logs.ts";
import { eventually, inDirectory, openIn } from "../ledger-sqlite/ledger-directory.ts";

type Shared = NonNullable<SqliteLedgerOptions["shared"]> & { readonly settings: SharedLogSettings };

/** A replica that a test may close, and open again. */
export type Replica = { readonly world: World; readonly directory: string; close(): Promise<void> };

/** A log, and replicas of it, each in a directory of its own; all have one clock, and ids that are no other's. */
export type Scene = {
  readonly shared: Shared;
  /**
   * @param own.directory - of a replica that was closed; absent: a new one.
   * @param own.shared - the way to the log; absent: the server itself.
   */
  open(own?: { readonly directory?: string; readonly shared?: Shared }): Promise<Replica>;
  /** Statements in the log's database, by its superuser. */
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
};

/** A server for the tests of a file. */
export function servedLogs() {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs();
  });
  afterAll(() => logs.close());

  async function inScene(work: (scene: Scene) => Promise<void>): Promise<void> {
    const shared = await logs.newLog();
    const given = ports();
    const closing: (() => Promise<void>)[] = [];
    await inDirectory(async (root) => {
      let directories = 0;
      const newDirectory = (): string => {
        directories += 1;
        return join(root, String(directories));
      };
      const open: Scene["open"] = async ({ directory = newDirectory(), shared: way = shared } = {}) => {
        await mkdir(directory, { recursive: true });
        const replica = { ...way.settings.replica, name: basename(directory), instance: directory };
        const store = await openIn(directory, {
          given,
          shared: { ...way, settings: { ...way.settings, replica } },
        });
        closing.push(store.close);
        return { world: worldOf(store, given), directory, close: store.close };
      };
      const password = logs.server.superuser.password;
      try {
        await work({ shared, open, query: (sql) => inDatabase(shared.settings, password, sql) });
      } finally {
        for (const close of closing) await close();
      }
    });
  }

  return { port: () => logs.server.port, inScene };
}

async function inDatabase({ host, port, database, user }: SharedLogSettings, password: string, sql: string) {
  const client = new Client({ host, port, database, user, password });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows ?? [];
  } finally {
    await client.end();
  }
}

/** Resolves once a replica has taken over what another has recorded by now. */
export async function caughtUp(replica: Replica, other: Replica): Promise<void> {
  const { sequence } = other.world.ledger.head();
  await eventually(() => replica.world.ledger.head().sequence >= sequence);
}
