import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openReader } from "../../src/adapters/ledger-sqlite/connection.ts";
import { type Driver, loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { openDurableStore } from "../../src/adapters/ledger-sqlite/durable-store.ts";
import { verifyAll } from "../../src/adapters/ledger-sqlite/verify-all.ts";
import { continues } from "../../src/adapters/ledger-sqlite/verify-log.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { Head } from "../../src/ports/ledger.ts";
import { inDirectory, openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { ports, worldOf } from "../contract/ledger-world.ts";
import { amountOf } from "./amounts.ts";

// Goal: no damage to the files goes unnoticed, whatever bit it hits.
// Method: a ledger's files are copied while it is open, as a power cut would leave them, a bit is flipped or the file cut, and the
// ledger opened. Either it is refused, or it is not what was acknowledged, or its verification finds it, or all is as it was.
const RUNS = amountOf("STINT_DAMAGE_RUNS", { quick: 40, full: 1_000 });

/** A ledger's files and head: in `wal` all of it in the write-ahead log, in `db` all of it in the database. */
async function snapshots(
  directory: string,
): Promise<{ readonly head: Head; readonly wal: string; readonly db: string }> {
  const given = ports();
  const [running, wal, db] = ["running", "wal", "db"].map((name) => join(directory, name)) as [string, string, string];
  for (const path of [running, wal, db]) await mkdir(path);
  const store = await openIn(running, { given });
  const world = worldOf(store, given);
  const agent = await world.agent();
  for (let index = 0; index < 8; index += 1) {
    const step = await world.open(agent);
    await world.issue(step);
    if (index % 2 === 0) await world.close(step);
  }
  const head = world.ledger.head();
  for (const name of ["ledger.db", "ledger.db-wal"]) await copyFile(join(running, name), join(wal, name));
  await store.close();
  await copyFile(join(running, "ledger.db"), join(db, "ledger.db"));
  return { head, wal, db };
}

type Found = "refused" | "not what was acknowledged" | "damaged" | "as it was";

function openDamaged(driver: Driver, directory: string, head: Head): Found {
  try {
    const store = openDurableStore(
      driver,
      { directory, reserveBytes: 0, diskFreeBytesMin: 0, now: 0 as UnixMicros },
      { upgrading: () => undefined },
    );
    try {
      const reader = openReader(driver, join(directory, "ledger.db"));
      try {
        if (continues(reader, head).kind === "damaged") return "not what was acknowledged";
        if (verifyAll(driver, reader).kind === "damaged") return "damaged";
        expect(store.head()).toEqual(head);
        return "as it was";
      } finally {
        reader.close();
      }
    } finally {
      store.close();
    }
  } catch (thrown) {
    if (thrown instanceof Error && ["BrokerError", "SqliteError"].includes(thrown.name)) return "refused";
    throw thrown;
  }
}

/** Opens a copy of the files in which one was damaged. */
async function withDamage(
  from: string,
  name: string,
  damage: (bytes: Buffer) => Buffer,
  open: (copy: string) => Found,
) {
  const copy = `${from}-damaged`;
  await mkdir(copy);
  try {
    for (const each of name === "ledger.db-wal" ? ["ledger.db", name] : [name]) {
      const bytes = await readFile(join(from, each));
      await writeFile(join(copy, each), each === name ? damage(bytes) : bytes);
    }
    return open(copy);
  } finally {
    await rm(copy, { recursive: true });
  }
}

test.for([
  { what: "a flipped bit", file: "ledger.db-wal", kind: "wal", flips: true },
  { what: "a cut", file: "ledger.db-wal", kind: "wal", flips: false },
  { what: "a flipped bit", file: "ledger.db", kind: "db", flips: true },
  { what: "a cut", file: "ledger.db", kind: "db", flips: false },
] as const)(
  "$what in $file is never passed over in silence",
  { timeout: 60_000 + RUNS * 200 },
  ({ file, kind, flips }) =>
    inDirectory(async (directory) => {
      const driver = await loadDriver();
      const { head, ...paths } = await snapshots(directory);
      const found = new Set<Found>();
      expect(openDamaged(driver, await copyOf(paths[kind]), head)).toBe("as it was");
      await fc.assert(
        fc.asyncProperty(
          fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
          fc.nat({ max: 7 }),
          async (at, bit) => {
            const damage = (bytes: Buffer): Buffer => {
              const offset = Math.floor(at * bytes.length);
              if (!flips) return bytes.subarray(0, offset);
              bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
              return bytes;
            };
            found.add(await withDamage(paths[kind], file, damage, (copy) => openDamaged(driver, copy, head)));
          },
        ),
        { numRuns: RUNS },
      );
      expect([...found]).not.toEqual(["as it was"]);
    }),
);

/** Opening writes to the files, so an undamaged opening needs a copy as well. */
async function copyOf(from: string): Promise<string> {
  const copy = `${from}-whole`;
  await mkdir(copy);
  for (const name of ["ledger.db", "ledger.db-wal"]) {
    await copyFile(join(from, name), join(copy, name)).catch(() => undefined);
  }
  return copy;
}
