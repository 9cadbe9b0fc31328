import { execFileSync } from "node:child_process";
import { copyFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { eventually, inDirectory, inLedger, openIn } from "../adapters/ledger-sqlite/ledger-directory.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { PRLIMIT, whileWritesFail } from "./failing-writes.ts";
import { cannotMount, isThere, onSmallDisk } from "./small-disk.ts";

const unavailable = expect.objectContaining({ code: "LEDGER_UNAVAILABLE" });

test("after an I/O error nothing at all is recorded until the ledger was reopened and verified", async ({ skip }) => {
  skip(!isThere(PRLIMIT), `${PRLIMIT} is not installed`);
  await inDirectory(async (directory) => {
    const given = ports();
    const failures: unknown[] = [];
    await inLedger(
      directory,
      async (world: World) => {
        const step = await world.open(await world.agent());
        await world.issue(step);
        const head = world.ledger.head();
        await whileWritesFail(async () => {
          await expect(world.issue(step)).rejects.toEqual(unavailable);
          // No later success is believed: a close is refused too, and says so.
          await expect(world.close(step)).rejects.toEqual(unavailable);
          const [reason] = world.store.health().reasons;
          expect(world.store.health().writable).toBe(false);
          expect(reason).toContain("nothing is recorded until it is reopened and verified (SQLITE_IOERR");
          expect((await world.step(step.stepId)).state).toBe("OPEN");
          expect(world.ledger.head()).toEqual(head);
        });
        await eventually(() => world.store.health().writable);
        await world.issue(step);
        expect(await world.close(step)).toMatchObject({ stepsClosed: 1, credentialsRevoked: 2 });
        expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
      },
      { given, failed: (error) => failures.push(error) },
    );
    const store = await openIn(directory, { given });
    expect(store.verdict).toEqual({ kind: "trusted" });
    await store.close();
  });
});

test("a ledger that is found older after an I/O error stays out of service", async ({ skip }) => {
  skip(!isThere(PRLIMIT), `${PRLIMIT} is not installed`);
  await inDirectory(async (directory) => {
    const given = ports();
    const path = join(directory, "ledger.db");
    await inLedger(directory, async (world) => void (await world.agent()), { given });
    await copyFile(path, `${path}.backup`);
    const store = await openIn(directory, { given, failed: () => undefined });
    const world = worldOf(store, given);
    const step = await world.open(await world.agent());
    await whileWritesFail(async () => {
      await expect(world.issue(step)).rejects.toEqual(unavailable);
    });
    // Writes are possible again, and somebody has put back an older file meanwhile.
    for (const name of ["-wal", "-shm"]) await rm(`${path}${name}`, { force: true });
    await rename(`${path}.backup`, path);
    await eventually(() => store.health().reasons.some((one) => one.includes("went back in time")));
    await expect(world.close(step)).rejects.toEqual(unavailable);
    await store.close();
  });
});

test("when somebody else writes to the database, nothing is recorded until it is as it was left", () =>
  inDirectory(async (directory) => {
    const driver = await loadDriver();
    const other = new driver(join(directory, "ledger.db"));
    try {
      await inLedger(directory, async (world) => {
        const step = await world.open(await world.agent());
        other.exec("UPDATE tree_head SET tree_size = tree_size + 1");
        await expect(world.issue(step)).rejects.toEqual(unavailable);
        expect(world.store.health().writable).toBe(false);
        await eventually(() => world.store.health().reasons.some((one) => one.includes("the ledger is damaged")));
        other.exec("UPDATE tree_head SET tree_size = tree_size - 1");
        await eventually(() => world.store.health().writable);
        await world.issue(step);
      });
    } finally {
      other.close();
    }
  }));

test("when somebody else holds the database, acts are refused for that long and nothing else happens", () =>
  inDirectory(async (directory) => {
    const driver = await loadDriver();
    await inLedger(directory, async (world) => {
      const step = await world.open(await world.agent());
      const other = new driver(join(directory, "ledger.db"));
      other.exec("BEGIN IMMEDIATE");
      await expect(world.issue(step)).rejects.toMatchObject({
        code: "LEDGER_UNAVAILABLE",
        message: "the ledger is held by another program",
      });
      other.exec("ROLLBACK");
      other.close();
      await world.issue(step);
    });
  }));

test("a ledger on a read-only file system is refused, and its path is not in the message", async ({ skip }) => {
  skip(cannotMount !== undefined, cannotMount);
  await onSmallDisk(16 * 1024 * 1024, async (disk) => {
    const given = ports();
    await inLedger(disk.path, async (world) => void (await world.agent()), { given });
    execFileSync("mount", ["-o", "remount,ro", disk.path]);
    const opening = openIn(disk.path, { given });
    await expect(opening).rejects.toEqual(unavailable);
    await expect(opening).rejects.not.toMatchObject({ message: expect.stringContaining(disk.path) });
    execFileSync("mount", ["-o", "remount,rw", disk.path]);
    await inLedger(disk.path, async (world) => expect(await world.entries()).toHaveLength(1), { given });
  });
});
