import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { createGroupQueue } from "../../src/adapters/ledger-sqlite/group-queue.ts";
import { oneAfterTheOther } from "../../src/adapters/ledger-sqlite/one-after-the-other.ts";
import { openSharedStore } from "../../src/adapters/ledger-sqlite/shared-store.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { nextTurn } from "../../src/close/notify.ts";
import { EMPTY_RANGE, rootOf } from "../../src/domain/merkle-tree.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { Head, OpenedLedger } from "../../src/ports/ledger.ts";
import type { EventRow } from "../../src/ports/ledger-reads.ts";
import type { SharedLog } from "../../src/ports/shared-log.ts";
import { CONFIG, worldOf } from "../contract/ledger-world.ts";

// Goal: what docs/scale.md says of replicas that all have more to record than they get to rests on where they take over what others have
// appended: within their own turns of the log's one lock. Were that no more so, the page would have to say something else.
// Method: the real stores of three replicas, on a log in memory that counts.

const directory = mkdtempSync(join(tmpdir(), "stint-shared-"));
afterAll(() => rmSync(directory, { recursive: true }));

const REPLICAS = 3;
const CALLERS = 4;
const ROUNDS = 12;
const ACTS = 16;

/** How many turns of this event loop a commit takes: here all replicas share one, and recording a group, milliseconds elsewhere, takes none of theirs. */
const COMMIT_TURNS = 20;

/** A log in memory, as PostgreSQL would keep it: one turn at a time, and whoever listens is told of what others append. */
function memoryLog() {
  const events: EventRow[] = [];
  const listeners = new Map<number, () => void>();
  const waiting: (() => void)[] = [];
  const counted = { withinTurns: 0, outside: 0, turns: 0 };
  let head: Head = { epoch: "", sequence: 0, rootHash: rootOf(EMPTY_RANGE) };
  let isTaken = false;

  function release(): void {
    isTaken = false;
    waiting.shift()?.();
  }

  async function taken(): Promise<void> {
    while (isTaken) await new Promise<void>((resolve) => void waiting.push(resolve));
    isTaken = true;
  }

  /** Of what a replica reads, its own newest event is no news. */
  const read = (after: number, limit: number, where: "withinTurns" | "outside") => {
    const page = events.slice(after, after + limit);
    counted[where] += Math.max(0, page.length - 1);
    return Promise.resolve(page);
  };

  const of = (replica: number): SharedLog => ({
    async take() {
      await taken();
      counted.turns += 1;
      let isOver = false;
      return {
        head,
        at: (Date.now() * 1_000) as UnixMicros,
        read: (after, limit) => read(after, limit, "withinTurns"),
        async append(group) {
          isOver = true;
          for (let turn = 0; turn < COMMIT_TURNS; turn += 1) await nextTurn();
          events.push(...group.events.map((one) => ({ ...one, canonical: Uint8Array.from(one.canonical) })));
          head = group.head;
          release();
          for (const [other, listener] of listeners) if (other !== replica) listener();
          return "appended";
        },
        async release() {
          if (!isOver) release();
          isOver = true;
        },
      };
    },
    read: (after, limit) => read(after, limit, "outside"),
    newestSnapshot: () => Promise.resolve(undefined),
    chunks: {
      put: () => Promise.resolve(),
      read: () => Promise.resolve([]),
      forget: () => Promise.resolve(0),
    },
    cursorKey: new Uint8Array(32),
    beat: () => Promise.resolve({ replicas: [], at: (Date.now() * 1_000) as UnixMicros }),
    replicas: () => Promise.resolve([]),
    onAppended: (listener) => void listeners.set(replica, listener),
    onReported: () => undefined,
    close: () => Promise.resolve(),
  });
  return { of, counted, size: () => events.length };
}

test("what replicas that all record take over from one another, they take over within their turns of the lock", async () => {
  const log = memoryLog();
  const replicas = [];
  for (let replica = 0; replica < REPLICAS; replica += 1) replicas.push(await open(replica, log.of(replica)));
  const [first] = replicas;
  const started = { epoch: "epoch_1", reason: "new", by: CONFIG, now: (Date.now() * 1_000) as UnixMicros };
  await first?.world.ledger.perform({ act: "start-epoch", isFirst: true, ...started });
  const agents: RegistrationEntry[] = [];
  for (const { world } of replicas) agents.push(await world.agent({ name: `agent-${randomBytes(4).toString("hex")}` }));
  Object.assign(log.counted, { withinTurns: 0, outside: 0, turns: 0 });
  const before = log.size();

  await Promise.all(
    replicas.flatMap(({ world }, replica) =>
      Array.from({ length: CALLERS }, async () => {
        for (let round = 0; round < ROUNDS; round += 1) {
          const agent = agents[replica];
          if (agent === undefined) throw new Error("each has an agent");
          await Promise.all(Array.from({ length: ACTS }, () => world.open(agent, {}, { openStepsMax: 10_000 })));
        }
      }),
    ),
  );
  const { withinTurns, outside } = log.counted;
  const appended = log.size() - before;
  // Decision and step, of each of them.
  expect(appended).toBe(2 * REPLICAS * CALLERS * ROUNDS * ACTS);
  // Every other replica takes each event over; the last ones nobody has to.
  expect(withinTurns + outside).toBeGreaterThan(0.8 * (REPLICAS - 1) * appended);
  expect(withinTurns / (withinTurns + outside)).toBeGreaterThan(0.9);
  for (const { store } of replicas) await store.close();
});

async function open(replica: number, log: SharedLog) {
  const alone = oneAfterTheOther();
  const where = mkdtempSync(join(directory, `replica-${replica}-`));
  const [clock, randomness] = [systemClock(), systemRandomness()];
  const store = await openSharedStore(
    await loadDriver(),
    { directory: where, reserveBytes: 65_536, diskFreeBytesMin: 0, now: clock.now() },
    log,
    { upgrading: () => undefined, followed: () => undefined, looked: () => undefined },
    {
      ...{ mover: { isMoving: () => false, begin: () => undefined }, alone },
      ...{ wallMs: Date.now, monotonicMs: clock.monotonicMs },
    },
  );
  const queue = createGroupQueue(async (acts) => (await alone(() => store.run(acts))).outcomes);
  const ledger = { ...queue, head: store.head };
  return { store, world: worldOf({ ledger } as unknown as OpenedLedger, { clock, randomness }) };
}
