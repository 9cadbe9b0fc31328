import { afterEach, expect, test } from "vitest";
import { leafHash } from "../../src/domain/merkle-tree.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { NO_REPORT } from "../../src/domain/replica-report.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { EventRow } from "../../src/ports/ledger-reads.ts";
import type { Beat, LogTurn, SharedLog } from "../../src/ports/shared-log.ts";

/** A new log, and how brokers reach it. */
export type SharedLogScene = {
  /** @param instance - of its data directory; absent: that of the name. */
  open(name: string, instance?: string): Promise<ReachedLog>;
  /** Lets so much time pass by the log's clock. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
};

/** A log, as one broker reaches it. */
export type ReachedLog = {
  readonly log: SharedLog;
  /** Nothing gets through any more, until it is mended. */
  cut(): void;
  mend(): void;
  /** Works while what is appended gets through, or does not, and its answer does not come, nor any other for as long as is waited. */
  unanswered<Answer>(how: "kept" | "lost", work: () => Promise<Answer>): Promise<Answer>;
};

const REFUSED = { code: "LEDGER_UNAVAILABLE" };
const ROOT = new Uint8Array(32).fill(7);
const TYPES = ["entry.put", "snapshot.taken"] as const;

function eventAt(sequence: number, type: (typeof TYPES)[number] = "entry.put"): EventRow {
  const canonical = Buffer.from(`{"event":${sequence}}`);
  return { sequence, type, recordedAt: (1_000 + sequence) as UnixMicros, leafHash: leafHash(canonical), canonical };
}

/** Appends so many events after the head. */
async function appended(
  turn: LogTurn,
  count: number,
  { type, pruned = [] }: { type?: (typeof TYPES)[number]; pruned?: readonly (readonly [number, number])[] } = {},
): Promise<"appended" | "unknown"> {
  const { sequence } = turn.head;
  const events = Array.from({ length: count }, (_, index) => eventAt(sequence + index + 1, type));
  return turn.append({ events, head: { epoch: "e", sequence: sequence + count, rootHash: ROOT }, pruned });
}

/** The same of two rows, whatever kind of bytes they have. */
const plain = (rows: readonly EventRow[]) =>
  rows.map(({ sequence, type, recordedAt, leafHash: leaf, canonical }) => ({
    ...{ sequence, type, recordedAt },
    ...{ leaf: Buffer.from(leaf).toString("hex"), canonical: Buffer.from(canonical).toString() },
  }));

/** What the store of a replica relies on of each log that is shared. */
export function sharedLogContract(openScene: () => Promise<SharedLogScene>): void {
  const scenes: SharedLogScene[] = [];
  afterEach(async () => {
    for (const scene of scenes.splice(0)) await scene.close();
  });

  async function scene(): Promise<SharedLogScene> {
    const opened = await openScene();
    scenes.push(opened);
    return opened;
  }

  /** A scene with two brokers. */
  async function two(): Promise<readonly [ReachedLog, ReachedLog, SharedLogScene]> {
    const opened = await scene();
    return [await opened.open("a"), await opened.open("b"), opened];
  }

  test("a log begins empty, its head that of no events", async () => {
    const [{ log }] = await two();
    expect(await log.read(0, 10)).toEqual([]);
    expect(await log.newestSnapshot()).toBeUndefined();
    const { head, release } = await log.take();
    expect(head).toMatchObject({ epoch: "", sequence: 0 });
    expect(Buffer.from(head.rootHash).toString("hex")).toMatch(/^e3b0c442.{56}$/);
    await release();
  });

  test("what is appended in a turn is read by all, in order and without a gap, at most so much as is asked for", async () => {
    const [a, b] = await two();
    expect(await appended(await a.log.take(), 3)).toBe("appended");
    expect(await appended(await b.log.take(), 2)).toBe("appended");
    const all = [1, 2, 3, 4, 5].map((sequence) => eventAt(sequence));
    for (const { log } of [a, b]) {
      expect(plain(await log.read(0, 10))).toEqual(plain(all));
      expect(plain(await log.read(1, 2))).toEqual(plain(all.slice(1, 3)));
      expect(await log.read(5, 10)).toEqual([]);
    }
    const turn = await a.log.take();
    expect(turn.head).toMatchObject({ epoch: "e", sequence: 5 });
    expect(Buffer.from(turn.head.rootHash)).toEqual(Buffer.from(ROOT));
    expect(plain(await turn.read(3, 10))).toEqual(plain(all.slice(3)));
    await turn.release();
  });

  test("turns are one at a time: who asks for one waits until the one before has appended or let go", async () => {
    const [a, b] = await two();
    for (const end of [(turn: LogTurn) => appended(turn, 1), (turn: LogTurn) => turn.release()]) {
      const first = await a.log.take();
      const order: string[] = [];
      const second = b.log.take().then(async (turn) => {
        order.push("second");
        await turn.release();
        return turn.head.sequence;
      });
      expect(plain(await first.read(0, 10))).toHaveLength(first.head.sequence);
      order.push("first");
      const before = first.head.sequence;
      const done = await end(first);
      expect(await second).toBe(before + (done === "appended" ? 1 : 0));
      expect(order).toEqual(["first", "second"]);
    }
  });

  test("nothing of a turn that was let go is in the log, and letting go after an append takes nothing back", async () => {
    const [a, b] = await two();
    await (await a.log.take()).release();
    expect(await b.log.read(0, 10)).toEqual([]);
    const turn = await a.log.take();
    await appended(turn, 1);
    await turn.release();
    expect(await b.log.read(0, 10)).toHaveLength(1);
  });

  test("the content of what is pruned goes in the moment of the append, and nothing else of it", async () => {
    const [a, b] = await two();
    await appended(await a.log.take(), 5);
    const turn = await b.log.take();
    await appended(turn, 1, {
      pruned: [
        [1, 2],
        [4, 4],
      ],
    });
    const rows = await a.log.read(0, 10);
    expect(rows.map(({ canonical }) => canonical.length > 0)).toEqual([false, false, true, false, true, true]);
    const bare = (row: EventRow) => ({ ...row, canonical: Buffer.alloc(0) });
    expect(plain(rows.map(bare))).toEqual(plain([1, 2, 3, 4, 5, 6].map((sequence) => bare(eventAt(sequence)))));
  });

  test("the newest snapshot is the event of the last one", async () => {
    const [a, b] = await two();
    await appended(await a.log.take(), 2, { type: "snapshot.taken" });
    await appended(await a.log.take(), 1);
    expect(plain([await b.log.newestSnapshot()].flatMap((row) => row ?? []))).toEqual(
      plain([eventAt(2, "snapshot.taken")]),
    );
  });

  test("parts of snapshots are read in their order by all, page by page", async () => {
    const [a, b] = await two();
    const parts = Array.from({ length: 70 }, (_, index) => Buffer.from(`part ${index}`));
    await a.log.chunks.put(8, 40, parts.slice(40));
    await a.log.chunks.put(8, 0, parts.slice(0, 40));
    await a.log.chunks.put(9, 0, [Buffer.from("another")]);
    const read: Uint8Array[] = [];
    for (;;) {
      const page = await b.log.chunks.read(8, read.length);
      if (page.length === 0) break;
      read.push(...page);
    }
    expect(read.map((part) => Buffer.from(part).toString())).toEqual(parts.map(String));
    await a.log.chunks.put(8, 0, [Buffer.from("anew")]);
    expect(String(Buffer.from((await b.log.chunks.read(8, 0))[0] ?? []))).toBe("anew");
  });

  test("parts of every snapshot but two are forgotten, some at a time", async () => {
    const [{ log }] = await two();
    const parts = Array.from({ length: 20 }, () => Buffer.from("part"));
    for (const through of [1, 2, 3, 4]) await log.chunks.put(through, 0, parts);
    let forgotten = 0;
    for (let count = -1; count !== 0; forgotten += count) count = await log.chunks.forget([2, 4]);
    expect(forgotten).toBe(40);
    const left: number[] = [];
    for (const through of [1, 2, 3, 4]) left.push((await log.chunks.read(through, 0)).length);
    expect(left).toEqual([0, 20, 0, 20]);
  });

  test("the key of cursors is 32 bytes, the same for all, and for one that comes back", async () => {
    const [a, b, opened] = await two();
    expect(a.log.cursorKey).toHaveLength(32);
    const keys = [b.log, (await opened.open("a")).log].map(({ cursorKey }) => Buffer.from(cursorKey));
    expect(keys).toEqual([Buffer.from(a.log.cursorKey), Buffer.from(a.log.cursorKey)]);
  });

  test("who appends is not told of it and everybody else is, which reads it then", async () => {
    const [a, b] = await two();
    const told: string[] = [];
    a.log.onAppended(() => void told.push("a"));
    b.log.onAppended(() => void told.push("b"));
    await expect
      .poll(async () => {
        // Whoever begins to listen may be told of what was before.
        await appended(await a.log.take(), 1);
        return told.includes("b");
      })
      .toBe(true);
    told.length = 0;
    await appended(await b.log.take(), 1);
    await expect.poll(() => told).toContain("a");
    expect(await a.log.read(0, 100)).toHaveLength((await b.log.read(0, 100)).length);
  });

  test("a lease stands for as long as it is renewed, and lapses by the log's clock", async () => {
    const [a, b, { pass }] = await two();
    const aliveOf = ({ replicas }: Beat) => replicas.map(({ name, isAlive }) => [name, isAlive]);
    await b.log.beat(NO_REPORT);
    const both = await a.log.beat(NO_REPORT);
    expect(aliveOf(both)).toEqual([
      ["a", true],
      ["b", true],
    ]);
    expect(both.replicas.map(({ machine }) => machine)).toEqual([machineOf("a"), machineOf("b")]);
    for (let passed = 0; passed < 9_000; passed += 3_000) {
      await pass(3_000);
      expect(aliveOf(await a.log.beat(NO_REPORT))).toContainEqual(["b", true]);
    }
    await pass(3_000);
    expect(aliveOf(await a.log.beat(NO_REPORT))).toEqual([
      ["a", true],
      ["b", false],
    ]);
    await b.log.beat(NO_REPORT);
    expect(aliveOf(await a.log.beat(NO_REPORT))).toContainEqual(["b", true]);
  });

  test("what one says of itself is told to the others, and is what they find", async () => {
    const [a, b] = await two();
    const told: string[] = [];
    b.log.onReported(() => void told.push("b"));
    await b.log.beat(NO_REPORT);
    const report = {
      nodes: ["build-7", "pool/worker-1"] as NodeName[],
      receipts: {
        through: 7,
        verifiers: [{ entryId: "entry_1", applied: 5, isConnected: true }],
        unknown: ["entry_2"],
      },
    };
    const reports = [{ nodes: [] }, report];
    await expect
      .poll(async () => {
        // Whoever begins to listen may be told of what was before.
        await a.log.beat(reports.reverse()[0] ?? NO_REPORT);
        return told.includes("b");
      })
      .toBe(true);
    await a.log.beat(report);
    const [ofA, ofB] = await b.log.replicas();
    expect([ofA?.report, ofB?.report]).toEqual([report, NO_REPORT]);
  });

  test("a lease that lapsed while nobody was watching has not lapsed", async () => {
    const [a, b, { pass }] = await two();
    await a.log.beat(NO_REPORT);
    await b.log.beat(NO_REPORT);
    await pass(60_000);
    const aliveNow = async () => (await a.log.beat(NO_REPORT)).replicas.map(({ isAlive }) => isAlive);
    expect(await aliveNow()).toEqual([true, true]);
    for (const ms of [4_000, 4_000, 4_000]) {
      await pass(ms);
      await a.log.beat(NO_REPORT);
    }
    expect(await aliveNow()).toEqual([true, false]);
  });

  test("a name is one broker's for as long as its lease stands, whoever comes with another data directory", async () => {
    const [a, , opened] = await two();
    await a.log.beat(NO_REPORT);
    const other = await opened.open("a", "another directory");
    await expect(other.log.beat(NO_REPORT)).rejects.toMatchObject({ code: "NOT_SERVING" });
    const again = await opened.open("a");
    await again.log.beat(NO_REPORT);
    await opened.pass(11_000);
    await other.log.beat(NO_REPORT);
    await expect(a.log.beat(NO_REPORT)).rejects.toMatchObject({ code: "NOT_SERVING" });
  });

  test("the instant of a turn is the log's, and so is that of a renewal", async () => {
    const [a, b, { pass }] = await two();
    const before = await a.log.take();
    await before.release();
    await pass(90_000);
    const after = await b.log.take();
    await after.release();
    for (const { at } of [after, await b.log.beat(NO_REPORT)]) {
      const seconds = (at - before.at) / 1_000_000;
      expect(seconds).toBeGreaterThanOrEqual(90);
      expect(seconds).toBeLessThan(120);
    }
  });

  test("where the log can't be reached everything is refused, and all is as it was once it can", async () => {
    const [a, b] = await two();
    await appended(await a.log.take(), 1);
    const turn = await a.log.take();
    a.cut();
    await expect(appended(turn, 1)).rejects.toMatchObject(REFUSED);
    await expect(a.log.take()).rejects.toMatchObject(REFUSED);
    await expect(a.log.read(0, 1)).rejects.toMatchObject(REFUSED);
    await expect(a.log.newestSnapshot()).rejects.toMatchObject(REFUSED);
    await expect(a.log.beat(NO_REPORT)).rejects.toMatchObject(REFUSED);
    await expect(a.log.chunks.read(1, 0)).rejects.toMatchObject(REFUSED);
    // The turn of one that is gone is nobody's, and nothing of it is in the log.
    expect(await appended(await b.log.take(), 1)).toBe("appended");
    a.mend();
    expect(await a.log.read(0, 10)).toHaveLength(2);
    expect(await appended(await a.log.take(), 1)).toBe("appended");
  });

  test("who stands still in a turn loses it, and nothing of it is in the log", async () => {
    const [a, b, { pass }] = await two();
    const still = await a.log.take();
    const next = b.log.take();
    await pass(6_000);
    expect(await appended(await next, 1)).toBe("appended");
    await expect(appended(still, 2)).rejects.toMatchObject(REFUSED);
    expect(await b.log.read(0, 10)).toHaveLength(1);
  });

  test("what became of an append that nobody answers is unknown: it may be in the log, whole, or not", async () => {
    const [a, b, opened] = await two();
    const { log } = await opened.open("c");
    const turn = await a.log.take();
    const kept = a.unanswered("kept", () => appended(turn, 2));
    await expect.poll(async () => (await log.read(0, 10)).length).toBe(2);
    const next = await b.log.take();
    const lost = b.unanswered("lost", () => appended(next, 2));
    expect(await Promise.all([kept, lost])).toEqual(["unknown", "unknown"]);
    const last = await log.take();
    expect(last.head.sequence).toBe(2);
    await last.release();
  });
}

/** The machine of a broker of this name. */
export function machineOf(name: string) {
  return { bootId: `boot of ${name}`, pidNamespace: "4026531836" };
}
