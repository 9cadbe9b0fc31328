import { expect } from "vitest";
import { testWithPostgres as test } from "../../postgres/server.ts";
import { eventually } from "../ledger-sqlite/ledger-directory.ts";
import { caughtUp, type Scene, servedLogs } from "./replicas.ts";

// Goal: a database that was changed, or put back to where it was, is found out by every replica for itself.

const { inScene } = servedLogs();

/** Whoever has the database can do without its triggers. */
const changed = ({ query }: Scene, sql: string) =>
  query(`ALTER TABLE stint.event DISABLE TRIGGER USER; ${sql}; ALTER TABLE stint.event ENABLE TRIGGER USER`);

/** As a failover does it to a standby that was behind. */
async function putBack(scene: Scene, through: number): Promise<void> {
  await changed(
    scene,
    `WITH gone AS (DELETE FROM stint.event WHERE sequence > ${through})
     UPDATE stint.tree_head SET tree_size = ${through}, root_hash = (SELECT root_hash FROM kept)`,
  );
}

test("events are neither changed nor deleted by a slip", () =>
  inScene(async (scene) => {
    await scene.open();
    for (const slip of [
      "DELETE FROM stint.event",
      "TRUNCATE stint.event",
      "UPDATE stint.event SET type = 'step.opened'",
      "UPDATE stint.event SET canonical = '{}  '",
    ]) {
      await expect(scene.query(slip)).rejects.toThrow("events are never changed");
    }
  }));

test("a log that went back in time is no log to go on with, and after a restart it waits for an operator", () =>
  inScene(async (scene) => {
    const [a, b] = [await scene.open(), await scene.open()];
    const agent = await a.world.agent();
    await scene.query("CREATE TABLE kept AS SELECT root_hash FROM stint.tree_head");
    const { sequence } = a.world.ledger.head();
    await a.world.open(agent);
    await caughtUp(b, a);
    await putBack(scene, sequence);
    for (const { world } of [a, b]) {
      const refused = { code: "LEDGER_UNAVAILABLE", message: /went back in time/ };
      await expect(world.open(agent)).rejects.toMatchObject(refused);
      expect(world.store.health().reasons.join()).toMatch(/went back in time/);
    }
    await a.close();
    const again = await scene.open({ directory: a.directory });
    expect(again.world.store.verdict).toMatchObject({ kind: "rolled-back" });
    expect(again.world.ledger.head().sequence).toBe(sequence);
  }));

test("a log that went back and on again is found out too", () =>
  inScene(async (scene) => {
    const [a, b, c] = [await scene.open(), await scene.open(), await scene.open()];
    const agent = await a.world.agent();
    await caughtUp(c, a);
    await c.close();
    await scene.query("CREATE TABLE kept AS SELECT root_hash FROM stint.tree_head");
    const { sequence } = a.world.ledger.head();
    await a.world.open(agent);
    await caughtUp(b, a);
    await putBack(scene, sequence);
    const back = await scene.open({ directory: c.directory });
    for (let count = 0; count < 5; count += 1) await back.world.open(agent);
    await eventually(() => !b.world.store.health().writable);
    const refused = { code: "LEDGER_UNAVAILABLE", message: /went back in time/ };
    await expect(b.world.open(agent)).rejects.toMatchObject(refused);
  }));

test("an event that was changed before a replica read it is refused by the replica", () =>
  inScene(async (scene) => {
    const [a, b] = [await scene.open(), await scene.open()];
    const agent = await a.world.agent();
    await caughtUp(b, a);
    await b.close();
    const step = await a.world.open(agent);
    await changed(
      scene,
      `UPDATE stint.event SET canonical = replace(encode(canonical, 'escape'), '"type":"step.opened"', '"type":"step.opened" ')::bytea
        WHERE type = 'step.opened'`,
    );
    const refused = { code: "LEDGER_UNAVAILABLE", message: /the ledger is damaged/ };
    await expect(scene.open({ directory: b.directory })).rejects.toMatchObject(refused);
    await expect(scene.open()).rejects.toMatchObject(refused);
    // Whoever has the tables that were made of the true event goes on.
    await a.world.close(step);
  }));
