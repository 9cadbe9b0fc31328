import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import type { Connection } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { createReader } from "../../../src/adapters/ledger-sqlite/reads/reader.ts";
import { createTreeReads } from "../../../src/adapters/ledger-sqlite/reads/tree-reads.ts";
import { verifyAll } from "../../../src/adapters/ledger-sqlite/verify-all.ts";
import { append, EMPTY_RANGE, leafHash, rootOf } from "../../../src/domain/merkle-tree.ts";
import { hasTile, type Tile } from "../../../src/domain/tile.ts";
import { isConsistent, rootByInclusion } from "../../../src/domain/tree-proof.ts";
import type { Head } from "../../../src/ports/ledger.ts";
import { ports } from "../../contract/ledger-world.ts";
import { inDirectory, inLedger } from "./ledger-directory.ts";

// Goal: whatever single thing of a ledger is changed from outside, the verification finds it and names it. Method: one ledger with
// two stored subtrees of 256 leaves; a property draws what is changed, changes it in a copy in memory, and verifies that.

const driver = await loadDriver();
const PARTS = 6;
const PART = 90;
const DAMAGED_EVENT = /^the (?:event|row of event) ([0-9]+)/;

let image: Buffer;
let head: Head;

beforeAll(() =>
  inDirectory(async (directory) => {
    const given = ports();
    const work = async (world: Parameters<Parameters<typeof inLedger>[1]>[0]) => {
      const agent = await world.agent();
      const step = await world.open(agent);
      for (let part = 0; part < PARTS; part += 1) {
        const records = Array.from({ length: PART }, () => world.record(step));
        await world.ledger.perform(world.issueAct(records, { entryId: agent.entryId }));
      }
      head = world.store.ledger.head();
    };
    await inLedger(directory, work, { given });
    const db = new driver(join(directory, "ledger.db"));
    // In memory there is no write-ahead log.
    db.pragma("journal_mode = DELETE");
    image = db.serialize();
    db.close();
  }),
);

/** The ledger in memory, without the triggers that keep events as they are: whoever tampers has the file. */
function opened(): Connection {
  const database = new driver(image);
  database.exec("DROP TRIGGER event_is_never_changed; DROP TRIGGER event_is_never_deleted; PRAGMA foreign_keys = OFF");
  return {
    get: (sql, parameters = {}) => database.prepare(sql).get(parameters) as never,
    all: (sql, parameters = {}) => database.prepare(sql).all(parameters) as never,
    iterate: (sql, parameters = {}) => database.prepare(sql).iterate(parameters) as never,
    run: (sql, parameters = {}) => database.prepare(sql).run(parameters).changes,
    exec: (sql) => void database.exec(sql),
    pragma: (text) => database.pragma(text),
    inTransaction: () => database.inTransaction,
    close: () => void database.close(),
  };
}

function reasonAfter(change: (db: Connection) => void): string {
  const db = opened();
  try {
    expect(verifyAll(driver, db)).toEqual({ kind: "intact" });
    change(db);
    const finding = verifyAll(driver, db);
    return finding.kind === "damaged" ? finding.reason : "intact";
  } finally {
    db.close();
  }
}

const sequences = fc.integer({ min: 1, max: PARTS * PART }).map((at) => at + 1);
const flips = fc.integer({ min: 1, max: 255 });

/** One byte of a column of one row, another. */
function flip(db: Connection, table: string, column: string, where: string, at: number, by: number): void {
  const row = db.get<{ readonly bytes: Uint8Array }>(`SELECT ${column} AS bytes FROM ${table} WHERE ${where}`);
  const bytes = Uint8Array.from(row?.bytes ?? []);
  const index = at % bytes.length;
  bytes[index] = (bytes[index] ?? 0) ^ by;
  db.run(`UPDATE ${table} SET ${column} = @bytes WHERE ${where}`, { bytes });
}

test("an event of which a byte is another, and a leaf's hash that is another, are found by the event's number", () => {
  const columns = fc.constantFrom("canonical", "leaf_hash");
  fc.assert(
    fc.property(sequences, columns, fc.nat(), flips, (sequence, column, at, by) => {
      const reason = reasonAfter((db) => flip(db, "event", column, `sequence = ${sequence}`, at, by));
      expect(DAMAGED_EVENT.exec(reason)?.[1]).toBe(String(sequence));
    }),
    { numRuns: 15 },
  );
});

test("an event that was taken out is found by its number", () => {
  fc.assert(
    fc.property(sequences, (sequence) => {
      const reason = reasonAfter((db) => db.run(`DELETE FROM event WHERE sequence = ${sequence}`));
      const isLast = sequence === head.sequence;
      if (!isLast) expect(reason).toBe(`the event ${sequence} is missing`);
      else expect(reason).toContain("the tree head counts");
    }),
    { numRuns: 10 },
  );
});

test("a stored hash of the tree that is another is found by its place", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1 }), fc.nat(), flips, (index, at, by) => {
      const where = `level = 8 AND node_index = ${index}`;
      expect(reasonAfter((db) => flip(db, "tree_node", "hash", where, at, by))).toContain(`level 8, index ${index}`);
    }),
    { numRuns: 8 },
  );
});

test("a row that follows from an event, changed or taken out, is found by its table and key", () => {
  const changes = fc.constantFrom(
    { sql: "UPDATE issuance SET expires_at_s = expires_at_s + 1", says: "was changed" },
    { sql: "DELETE FROM issuance", says: "" },
  );
  fc.assert(
    fc.property(fc.integer({ min: 20, max: PARTS * PART }), changes, (sequence, { sql, says }) => {
      const db = opened();
      const row = db.get<{ readonly sequence: number }>(
        `SELECT min(sequence) AS sequence FROM issuance WHERE sequence >= ${sequence}`,
      );
      db.close();
      const reason = reasonAfter((one) => one.run(`${sql} WHERE sequence = ${row?.sequence}`));
      expect(reason).toMatch(/^the table issuance is not what follows from the events: /);
      expect(reason).toContain(`sequence ${row?.sequence}`);
      expect(reason).toContain(says);
    }),
    { numRuns: 8 },
  );
});

test("the tree's head, changed, is found", () => {
  for (const column of ["root_hash", "frontier"]) {
    expect(reasonAfter((db) => flip(db, "tree_head", column, "id = 1", 3, 1))).toBe(
      "the tree head is not that of the events",
    );
  }
});

test("a hash of a tile that is another gives another root than is signed", async () => {
  const db = opened();
  const reads = createTreeReads(createReader(() => db));
  const tiles: readonly Tile[] = [
    { level: 0, index: 0, width: 256 },
    { level: 0, index: 1, width: 256 },
    { level: 0, index: 2, width: head.sequence - 512 },
  ];
  expect(tiles.every((tile) => hasTile(head.sequence, tile))).toBe(true);
  const bytes = Buffer.concat(await Promise.all(tiles.map(reads.tile)));
  const rootOfLeaves = (leaves: Buffer) => {
    let range = EMPTY_RANGE;
    for (let at = 0; at < leaves.length; at += 32) range = append(range, leaves.subarray(at, at + 32)).range;
    return Buffer.from(rootOf(range));
  };
  expect(rootOfLeaves(bytes)).toEqual(Buffer.from(head.rootHash));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: bytes.length - 1 }), flips, (at, by) => {
      const tampered = Buffer.from(bytes);
      tampered[at] = (tampered[at] ?? 0) ^ by;
      expect(rootOfLeaves(tampered)).not.toEqual(Buffer.from(head.rootHash));
    }),
    { numRuns: 50 },
  );
  // What is above is the same tree.
  const upper = await reads.tile({ level: 1, index: 0, width: 2 });
  expect([...upper.subarray(0, 32)]).toEqual([...rootOfLeaves(bytes.subarray(0, 32 * 256))]);
  db.close();
});

test("what is read of the tree proves every event, and every earlier size", async () => {
  const db = opened();
  const reads = createTreeReads(createReader(() => db));
  await fc.assert(
    fc.asyncProperty(sequences, async (sequence) => {
      const { entry, hashes } = await reads.inclusion(sequence, head.sequence);
      const root = rootByInclusion(sequence - 1, head.sequence, leafHash(entry), hashes);
      expect(Buffer.from(root ?? [])).toEqual(Buffer.from(head.rootHash));
      const then = db
        .all<{ readonly hash: Uint8Array }>(
          `SELECT leaf_hash AS hash FROM event WHERE sequence <= ${sequence} ORDER BY sequence`,
        )
        .reduce((range, { hash }) => append(range, hash).range, EMPTY_RANGE);
      const proof = await reads.consistency(sequence, head.sequence);
      const older = { size: sequence, rootHash: rootOf(then) };
      expect(isConsistent(older, { size: head.sequence, rootHash: head.rootHash }, proof)).toBe(true);
    }),
    { numRuns: 60 },
  );
  db.close();
});
