import { mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { type Driver, loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { openDurableStore } from "../../src/adapters/ledger-sqlite/durable-store.ts";
import { verifyAll } from "../../src/adapters/ledger-sqlite/verify-all.ts";
import { continues } from "../../src/adapters/ledger-sqlite/verify-log.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { inDirectory, inLedger } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { amountOf } from "./amounts.ts";
import { afterPowerCut, type Recording, recordWrites } from "./recorded-writes.ts";
import { cannotTrace } from "./system-calls.ts";

// Goal: whatever was answered is in the ledger after the power failed, at whatever instant, and whatever the disk had still to write.
// Method: strace records what a ledger under load writes, which of it an fsync has finished with, and what was answered, in one order. Its
// files are then made as a cut at any place of that order could have left them: of what no fsync had finished with, each sector of 512
// bytes is there or is not, so that pages are torn, and a file whose directory was not written may be gone. The ledger is opened on them.

const CUTS = amountOf("STINT_POWER_CUTS", { quick: 20, full: 500 });
/** So many that the write-ahead log is moved into the database meanwhile, and begun anew. */
const LINES = 5_000;
const CHILD = fileURLToPath(new URL("./ledger-child.ts", import.meta.url));
const FILES = ["ledger.db", "ledger.db-wal"];

/** A coin for each number, by a seed; of a hundred, so many are heads. */
function coins(seed: number, percent: number): (number: number) => boolean {
  return (number) => {
    let mixed = (seed ^ Math.imul(number, 0x9e37_79b1)) >>> 0;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % 100 < percent;
  };
}

/** That the ledger in a directory can be written, is whole, and holds all that was answered before. */
function expectKept(driver: Driver, directory: string, answers: readonly string[]): void {
  const options = { directory, reserveBytes: 0, diskFreeBytesMin: 0, now: 0 as UnixMicros };
  const store = openDurableStore(driver, options, { upgrading: () => undefined });
  const reader = openReader(driver, join(directory, "ledger.db"));
  try {
    expect(store.health().reasons).toEqual([]);
    expect(verifyAll(driver, reader)).toEqual({ kind: "intact" });
    const answered = (what: string) => answers.filter((line) => line.startsWith(what)).map((line) => line.split(" "));
    const [, epoch = "", sequence, root = ""] = answered("head ").at(-1) ?? [];
    if (sequence !== undefined) {
      const head = { epoch, sequence: Number(sequence), rootHash: Buffer.from(root, "hex") };
      expect(continues(reader, head)).toEqual({ kind: "intact" });
    }
    const ids = (sql: string) => new Set(reader.all<{ readonly id: string }>(sql).map(({ id }) => id));
    const rows = {
      issued: ids("SELECT issuance_id AS id FROM issuance"),
      opened: ids("SELECT step_id AS id FROM step"),
      closed: ids("SELECT step_id AS id FROM step WHERE state <> 'OPEN'"),
    };
    for (const what of ["issued", "opened", "closed"] as const) {
      expect(answered(`${what} `).filter(([, id = ""]) => !rows[what].has(id))).toEqual([]);
    }
  } finally {
    reader.close();
    store.close();
  }
}

async function leaveAfter(
  recording: Recording,
  { from, into, cut }: { from: string; into: string; cut: { at: number; isKept: (number: number) => boolean } },
): Promise<void> {
  await mkdir(into);
  for (const name of FILES) {
    const before = await readFile(join(from, `${name}.before`)).catch(() => undefined);
    const content = afterPowerCut(recording, { file: join(from, name), before, ...cut });
    if (content !== undefined) await writeFile(join(into, name), content);
  }
}

test.skipIf(cannotTrace !== undefined)(
  `of ${CUTS} power cuts none takes away what was answered, torn pages and all`,
  { timeout: 60_000 + CUTS * 2_000 },
  () =>
    inDirectory(async (parent) => {
      const driver = await loadDriver();
      const directory = join(await realpath(parent), "running");
      await mkdir(directory);
      await inLedger(directory, async (world) => void (await world.agent()));
      await writeFile(join(directory, "ledger.db.before"), await readFile(join(directory, "ledger.db")));
      const command = [process.execPath, CHILD, directory];
      const recording = await recordWrites(command, { directory, lines: LINES, output: join(parent, "trace") });
      const first = recording.said[0]?.at ?? 0;
      // Else nothing but the write-ahead log would ever be torn.
      const moved = recording.writes.filter((one) => one.file.endsWith("ledger.db") && one.begun > first);
      expect(moved.length).toBeGreaterThan(0);

      const into = join(parent, "after");
      let torn = 0;
      await fc.assert(
        fc.asyncProperty(
          // As often among the writes to the database, of which there are few, as anywhere.
          fc.oneof(
            fc.integer({ min: 0, max: recording.length }),
            fc.nat({ max: moved.length - 1 }).map((index) => (moved[index]?.begun ?? 0) + 1),
          ),
          fc.integer(),
          fc.constantFrom(0, 10, 50, 90, 100),
          async (at, seed, percent) => {
            const coin = coins(seed, percent);
            let asked = 0;
            const isKept = (number: number) => {
              asked += 1;
              return coin(number);
            };
            try {
              await leaveAfter(recording, { from: directory, into, cut: { at, isKept } });
              torn += asked > 0 && percent > 0 && percent < 100 ? 1 : 0;
              expectKept(
                driver,
                into,
                recording.said.filter((one) => one.at < at).map(({ line }) => line),
              );
            } finally {
              await rm(into, { recursive: true, force: true });
            }
          },
        ),
        { numRuns: CUTS },
      );
      expect(torn).toBeGreaterThan(0);
      process.stdout.write(
        `${CUTS} power cuts, ${torn} of them with sectors lost and kept, among ${recording.writes.length} writes and ${recording.syncs.length} syncs\n`,
      );
    }),
);
