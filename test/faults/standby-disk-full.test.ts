import { expect, onTestFinished, test } from "vitest";
import { openStandbyLedger } from "../../src/adapters/ledger-sqlite/standby-ledger.ts";
import type { StandbyCopy } from "../../src/ports/standby.ts";
import { openSqlite } from "../contract/sqlite-ledger.ts";
import { cannotMount, onSmallDisk } from "./small-disk.ts";

const MIB = 1024 * 1024;

test.skipIf(cannotMount !== undefined)(
  "a standby whose disk is full takes nothing over, says so, and goes on once there is room",
  async () => {
    const { world, close } = await openSqlite();
    onTestFinished(close);
    const { store, ledger } = world;
    const copyOf = async (): Promise<StandbyCopy> => {
      const copy = await store.backups.copy(() => undefined);
      async function* chunks() {
        try {
          yield* copy.read();
        } finally {
          await copy.remove();
        }
      }
      return { chunks: chunks(), facts: () => copy };
    };
    await onSmallDisk(16 * MIB, async (disk) => {
      const wanted = new AbortController().signal;
      const standby = await openStandbyLedger(disk.path, world.clock.now);
      disk.fill();
      await expect(standby.replace(await copyOf(), wanted)).rejects.toMatchObject({
        code: "LEDGER_UNAVAILABLE",
        message: expect.stringContaining("can't be written (ENOSPC)"),
      });
      expect(standby.head()).toBeUndefined();
      disk.free();
      await standby.replace(await copyOf(), wanted);

      const before = standby.head();
      const step = await world.open(await world.agent());
      await Promise.all(Array.from({ length: 2_000 }, () => world.issue(step)));
      disk.fill();
      const page = await store.log.logPage(before?.sequence ?? 0, 1_000);
      expect(() => standby.take(page)).toThrow("the disk of this copy is full");
      expect(standby.head()).toEqual(before);
      disk.free();
      for (let next = page; ; next = await store.log.logPage(next.head.sequence, 1_000)) {
        standby.take(next);
        if (next.head.sequence === next.newest) break;
      }
      expect(standby.head()).toEqual(ledger.head());
      standby.close();
    });
  },
);
