import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { ports, type World } from "../../contract/ledger-world.ts";
import { type Command, commands, play } from "../../contract/random-acts.ts";
import { allReads } from "./all-reads.ts";
import { inDirectory, inLedger } from "./ledger-directory.ts";

// Goal: the log can be cut down to its leaf hashes one day, for nothing but the log itself is read out of it. Method: two ledgers
// with the same history, of one of which the events' content is taken away half-way; afterwards both answer the same.

const driver = await loadDriver();

/** Leaves of each event its place, its type, its time and its hash. */
function takeContentAway(directory: string): void {
  const db = openWriter(driver, join(directory, "ledger.db"));
  db.exec("DROP TRIGGER event_is_never_changed; UPDATE event SET canonical = CAST('{}' AS BLOB)");
  db.close();
}

async function answersAfter(sequence: readonly Command[], halfway: (directory: string) => void): Promise<unknown> {
  let reads: unknown;
  await inDirectory(async (directory) => {
    const given = ports();
    const work = async (world: World) => {
      await play(world, sequence, async () => halfway(directory));
      reads = await allReads(world.store, world.clock.now());
    };
    await inLedger(directory, work, { given });
  });
  return reads;
}

test("no read and no act needs what the events before it say", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const whole = await answersAfter(sequence, () => undefined);
      expect(await answersAfter(sequence, takeContentAway)).toEqual(whole);
    }),
    { numRuns: 10, endOnFailure: true },
  );
});
