import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqliteLedger, type SqliteLedgerOptions } from "../../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import type { OpenedLedger } from "../../../src/ports/ledger.ts";
import { checkpointsIn } from "../../contract/checkpoints-in.ts";
import { type Ports, ports, type World, worldOf } from "../../contract/ledger-world.ts";

/** A directory for one test, gone afterwards. */
export async function inDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "stint-ledger-"));
  try {
    await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

export type OpenIn = Partial<SqliteLedgerOptions> & { readonly given?: Ports };

/** Opens the ledger in a directory, its checkpoint kept in the same. What fails in the background ends the test. */
export async function openIn(directory: string, { given = ports(), ...own }: OpenIn = {}): Promise<OpenedLedger> {
  return openSqliteLedger({
    directory,
    checkpoints: await checkpointsIn(directory),
    ...given,
    reserveBytes: 64 * 1024,
    diskFreeBytesMin: 0,
    failed(error) {
      throw error;
    },
    ...own,
  });
}

/** Works in a ledger, and closes it. */
export async function inLedger(
  directory: string,
  work: (world: World) => Promise<void>,
  { given = ports(), ...own }: Omit<OpenIn, "given"> & { readonly given?: ReturnType<typeof ports> } = {},
): Promise<void> {
  const store = await openIn(directory, { given, ...own });
  try {
    await work(worldOf(store, given));
  } finally {
    await store.close();
  }
}

/** Polls until it holds; rejects after five seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error("did not come about within five seconds");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
