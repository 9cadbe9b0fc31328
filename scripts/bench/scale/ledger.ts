import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openReader, openWriter } from "../../../src/adapters/ledger-sqlite/connection.ts";
import { loadDriver } from "../../../src/adapters/ledger-sqlite/driver.ts";
import { createGroupQueue } from "../../../src/adapters/ledger-sqlite/group-queue.ts";
import { migrate, readMigrations } from "../../../src/adapters/ledger-sqlite/migrate.ts";
import { openStore } from "../../../src/adapters/ledger-sqlite/store.ts";
import { EVENT, type StoredEvent } from "../../../src/adapters/ledger-sqlite/tables/event-table.ts";
import type { RegistrationEntry } from "../../../src/domain/registration-entry.ts";
import type { Step } from "../../../src/domain/step.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { OpenedLedger } from "../../../src/ports/ledger.ts";
import { CONFIG, ports, type World, worldOf } from "../../../test/contract/ledger-world.ts";
import { openSqlite } from "../../../test/contract/sqlite-ledger.ts";
import { usedBytes } from "../used-bytes.ts";
import { cpuOf, cpuOfAsync } from "./held.ts";
import { START } from "./samples.ts";

/** Acts in one commit, about as many as 64 callers make. */
const GROUP = 32;
const MS_BETWEEN_GROUPS = 50;
const HALVES = 2;
const STEPS_PER_OPENER = 512;

/** What is done with each step between its opening and its close. */
type Life = { readonly holds: boolean; readonly credentials: number };

/** Does one thing with many steps, in one commit; by the kind of act. */
type Doing = (kind: "open" | "hold" | "issue" | "close", work: () => Promise<unknown>) => Promise<void>;

const doing: Doing = async (_, work) => void (await work());

/** @returns how many steps lived: whole groups of them. */
async function live<C extends Clock>(
  world: World<C>,
  agent: RegistrationEntry,
  { count, life, each = doing }: { readonly count: number; readonly life: Life; readonly each?: Doing },
): Promise<number> {
  let lived = 0;
  for (; lived < count; lived += GROUP) {
    let steps: readonly Step[] = [];
    const all = (work: (step: Step) => Promise<unknown>) => () => Promise.all(steps.map(work));
    await each("open", async () => {
      steps = await Promise.all(Array.from({ length: GROUP }, () => world.open(agent)));
    });
    const hold = ({ stepId }: Step) => world.ledger.perform({ act: "hold-step", stepId, now: world.clock.now() });
    if (life.holds) await each("hold", all(hold));
    for (let credential = 0; credential < life.credentials; credential += 1) {
      await each(
        "issue",
        all((step) => world.issue(step)),
      );
    }
    await each(
      "close",
      all((step) => world.close(step)),
    );
  }
  return lived;
}

/** What the life of a step takes in the tables and on the disk, and what its events say. */
export async function measureLedgerBytes(steps: number) {
  const of = async (life: Life) => {
    await using ledger = await openSqlite().then((opened) => ({ ...opened, [Symbol.asyncDispose]: opened.close }));
    const { world, directory } = ledger;
    const agent = await world.agent();
    const turning: Doing = async (_, work) => {
      await work();
      world.clock.advance(MS_BETWEEN_GROUPS);
    };
    const first = world.ledger.head().sequence;
    const written = bytesWritten();
    const lived = await live(world, agent, { count: steps, life, each: turning });
    return {
      table: (await usedBytes(directory)) / lived,
      written: (bytesWritten() - written) / lived,
      events: await bytesByType(directory, first),
    };
  };
  const bare = await of({ holds: false, credentials: 1 });
  const held = await of({ holds: true, credentials: 1 });
  const more = await of({ holds: true, credentials: 1 + HALVES });
  const credentialTableBytes = (more.table - held.table) / HALVES;
  const credentialWrittenBytes = (more.written - held.written) / HALVES;
  return {
    stepTableBytes: bare.table - credentialTableBytes,
    holdTableBytes: held.table - bare.table,
    credentialTableBytes,
    stepWrittenBytes: bare.written - credentialWrittenBytes,
    holdWrittenBytes: held.written - bare.written,
    credentialWrittenBytes,
    events: held.events,
  };
}

/** What reading an open step at the start takes of the event loop, microseconds of CPU. */
export async function measureReadingOpen(steps: number) {
  await using ledger = await openSqlite().then((opened) => ({ ...opened, [Symbol.asyncDispose]: opened.close }));
  const { world } = ledger;
  // A runtime's bound is not what is measured.
  const agents = await Promise.all(Array.from({ length: Math.ceil(steps / STEPS_PER_OPENER) }, () => world.agent()));
  for (const agent of agents) {
    await Promise.all(Array.from({ length: STEPS_PER_OPENER }, () => world.open(agent)));
    world.clock.advance(MS_BETWEEN_GROUPS);
  }
  // What is done first is compiled meanwhile.
  await world.openSteps();
  let read = 0;
  const micros = await cpuOfAsync(async () => {
    read = (await world.openSteps()).length;
  });
  return { openStepReadMicros: micros / read };
}

/** Of this process and of no other: what went towards a disk. */
function bytesWritten(): number {
  return Number(/^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "latin1"))?.[1]);
}

/** How many bytes the events of each type say, on the average. */
async function bytesByType(directory: string, after: number): Promise<Readonly<Record<string, number>>> {
  const sql = "SELECT type, avg(length(canonical)) AS bytes FROM event WHERE sequence > @after GROUP BY type";
  const db = openReader(await loadDriver(), join(directory, "ledger.db"));
  try {
    const rows = db.all<{ readonly type: string; readonly bytes: number }>(sql, { after });
    return Object.fromEntries(rows.map(({ type, bytes }) => [type, bytes]));
  } finally {
    db.close();
  }
}

/**
 * What the ledger's thread does for each act of a group, and what a replica does to take over what another one recorded: microseconds of
 * CPU. Neither has a message between threads in it, nor a signature; what the disk does is no CPU.
 */
export async function measureLedgerCpu(steps: number) {
  const own = await newStore();
  const copy = await newStore();
  const given = ports();
  let recording = 0;
  const queue = createGroupQueue(async (acts) => {
    const { result, micros } = cpuOf(() => own.store.commit(acts));
    recording += micros;
    return result.outcomes;
  });
  const world = worldOf({ ledger: { ...queue, head: own.store.head } } as unknown as OpenedLedger, given);
  const micros: Record<string, { record: number; apply: number }> = {};
  const each: Doing = async (kind, work) => {
    const { sequence: after } = own.store.head();
    recording = 0;
    await work();
    const events = own.db.all<StoredEvent>(EVENT.after, { after, limit: HALVES * GROUP });
    const applying = cpuOf(() => copy.store.takeOver(events)).micros;
    const { record, apply } = micros[kind] ?? { record: 0, apply: 0 };
    micros[kind] = { record: record + recording, apply: apply + applying };
    given.clock.advance(MS_BETWEEN_GROUPS);
  };
  try {
    const started = { epoch: "epoch_1", reason: "new", by: CONFIG, now: given.clock.now() };
    await queue.perform({ act: "start-epoch", isFirst: true, ...started });
    const agent = await world.agent();
    copy.store.takeOver(own.db.all<StoredEvent>(EVENT.after, { after: 0, limit: GROUP }));
    const lived = await live(world, agent, { count: steps, life: { holds: true, credentials: 1 }, each });
    const cpu = Object.entries(micros).flatMap(([kind, { record, apply }]) => [
      [`${kind} recorded`, record / lived],
      [`${kind} taken over`, apply / lived],
    ]);
    return {
      cpu: Object.fromEntries(cpu) as Readonly<Record<string, number>>,
      lived,
      events: own.db.all<StoredEvent>(EVENT.after, { after: 0, limit: own.store.head().sequence }),
    };
  } finally {
    own.close();
    copy.close();
  }
}

async function newStore() {
  const directory = mkdtempSync(join(tmpdir(), "stint-scale-"));
  const db = openWriter(await loadDriver(), join(directory, "ledger.db"));
  migrate(db, readMigrations(), START);
  return {
    db,
    store: openStore(db),
    close() {
      db.close();
      rmSync(directory, { recursive: true });
    },
  };
}
