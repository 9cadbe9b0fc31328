import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inLedger } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { cannotMount, onSmallDisk } from "./small-disk.ts";

const MIB = 1024 * 1024;
const RESERVE_BYTES = 2 * MIB;
/** That the checkpoint finds no room is told in the background, and is no surprise. */
const RESERVE = { reserveBytes: RESERVE_BYTES, failed: () => undefined };

test.for([
  { when: "one and a half times the reserve is free", freeBytes: 1.5 * RESERVE_BYTES, isTaken: false },
  { when: "two and a half times the reserve is free", freeBytes: 2.5 * RESERVE_BYTES, isTaken: true },
])("the reserve is taken only where as much again is left: $when", async ({ freeBytes, isTaken }, { skip }) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(16 * MIB, async (disk) => {
    // Made before the disk fills, and without a reserve: what is left is room for nothing else.
    await inLedger(disk.path, async (world) => void (await world.agent()), { reserveBytes: 0 });
    disk.fill(freeBytes);
    await inLedger(
      disk.path,
      async (world) => {
        expect(world.store.health().writable).toBe(isTaken);
        const { blocks } = await stat(join(disk.path, "ledger.reserve")).catch(() => ({ blocks: 0 }));
        expect(blocks * 512 >= RESERVE_BYTES).toBe(isTaken);
      },
      RESERVE,
    );
  });
});
