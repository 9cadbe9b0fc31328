import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { BrokerError } from "../../domain/errors.ts";
import type { UnixMicros } from "../../domain/time.ts";
import type { Head } from "../../ports/ledger.ts";
import type { EventRow } from "../../ports/ledger-reads.ts";
import type { AppendedGroup, LogTurn, SharedLog } from "../../ports/shared-log.ts";
import { commonKey, passwordIn } from "./common-secrets.ts";
import { createLeases, type OwnReplica } from "./leases.ts";
import { migratePostgres } from "./schema.ts";
import { keepSession, openSession, type PostgresPlace, type Session } from "./session.ts";

/** May be handed to another thread. */
export type SharedLogSettings = PostgresPlace & {
  /** Read with each connection. */
  readonly passwordFile: string;
  readonly replica: OwnReplica;
};

/** For so long it is tried to find out what became of a commit whose answer was lost. */
const LOOKING_MS_MAX = 15_000;
const RETRY_MS = 250;

/** One message of three statements: the transaction's level whatever the role's default is, the lock before anything is seen, and the time once it is had. */
const TAKE = `
  BEGIN ISOLATION LEVEL READ COMMITTED;
  SELECT epoch, tree_size, root_hash FROM stint.tree_head FOR UPDATE;
  SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS at`;

const EVENT_COLUMNS = "sequence, type, recorded_at_us, leaf_hash, canonical";
const READ = `SELECT ${EVENT_COLUMNS} FROM stint.event WHERE sequence > $1 ORDER BY sequence LIMIT $2`;
const NEWEST_SNAPSHOT = `
  SELECT ${EVENT_COLUMNS} FROM stint.event WHERE type = 'snapshot.taken' ORDER BY sequence DESC LIMIT 1`;

const APPEND = `
  WITH appended AS (
    INSERT INTO stint.event (${EVENT_COLUMNS})
    SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bytea[], $5::bytea[])
  ), moved AS (
    UPDATE stint.tree_head SET epoch = $6, tree_size = $7, root_hash = $8 WHERE tree_size = $9 RETURNING 1
  )
  SELECT pg_notify('stint_log', $10) FROM moved`;
const PRUNE = `
  UPDATE stint.event SET canonical = NULL
    FROM unnest($1::bigint[], $2::bigint[]) AS range (first, last)
   WHERE sequence BETWEEN range.first AND range.last`;
const LEAVES = "SELECT leaf_hash FROM stint.event WHERE sequence BETWEEN $1 AND $2 ORDER BY sequence";

const PUT_CHUNKS = `
  INSERT INTO stint.snapshot_chunk (through_sequence, chunk_index, content)
  SELECT $1, * FROM unnest($2::integer[], $3::bytea[])
  ON CONFLICT (through_sequence, chunk_index) DO UPDATE SET content = excluded.content`;
const READ_CHUNKS = `
  SELECT content FROM stint.snapshot_chunk
   WHERE through_sequence = $1 AND chunk_index >= $2 ORDER BY chunk_index LIMIT 64`;
const FORGET_CHUNKS = `
  DELETE FROM stint.snapshot_chunk WHERE ctid IN (
    SELECT ctid FROM stint.snapshot_chunk WHERE through_sequence <> ALL ($1::bigint[]) LIMIT 16)`;

/** What is told of: that the log has grown, and that a broker has said something of itself. */
const CHANNELS = ["stint_log", "stint_replica"] as const;

function isChannel(channel: string): channel is (typeof CHANNELS)[number] {
  return CHANNELS.some((one) => one === channel);
}

type EventRecord = {
  readonly sequence: string;
  readonly type: string;
  readonly recorded_at_us: string;
  readonly leaf_hash: Buffer;
  readonly canonical: Buffer | null;
};
type Rows<Record> = { readonly rows: readonly Record[] };
type Taken = readonly [begun: unknown, head: Rows<HeadRecord>, now: Rows<{ readonly at: string }>];
type HeadRecord = { readonly epoch: string; readonly tree_size: string; readonly root_hash: Buffer };

/**
 * Opens the log in a database of PostgreSQL, making its tables where they are missing. One connection appends and reads, another waits
 * to be told of what others append; a connection that broke is made anew with the next question.
 *
 * @throws BrokerError as `migratePostgres`
 */
export async function openSharedLog({ passwordFile, replica, ...place }: SharedLogSettings): Promise<SharedLog> {
  const password = () => passwordIn(passwordFile);
  // Every listener is told who appended, so that nobody looks for what he knows.
  const own = randomUUID();
  const listeners: { readonly [Channel in (typeof CHANNELS)[number]]: (() => void)[] } = {
    stint_log: [],
    stint_replica: [],
  };
  const leases = createLeases(replica, own);
  let isClosed = false;
  const { session: connected, end: endConnected } = keepSession(place, password);
  let listening: Session | undefined;

  async function listen(): Promise<void> {
    while (!isClosed) {
      try {
        const session = await openSession(place, password);
        listening = session;
        // It was closed while this one was on its way.
        if (isClosed) session.end();
        session.onNotification((channel, payload) => payload !== own && isChannel(channel) && tell(channel));
        for (const channel of CHANNELS) {
          await session.query(`LISTEN ${channel}`);
          // What there was before nobody was told of.
          tell(channel);
        }
        await new Promise<void>((resolve) => session.onEnd(resolve));
      } catch {
        // Whoever appends or reads finds out why. Without being told, everybody still looks at intervals.
      }
      listening?.end();
      if (!isClosed) await wait(RETRY_MS, undefined, { ref: false });
    }
  }

  function tell(channel: (typeof CHANNELS)[number]): void {
    for (const listener of listeners[channel]) listener();
  }

  async function take(): Promise<LogTurn> {
    const session = await connected();
    const { head, at } = await begin(session);
    let isOver = false;
    return {
      head,
      at,
      read: (after, limit) => read(session, after, limit),
      append(group) {
        isOver = true;
        return append(session, head, group);
      },
      async release() {
        if (!isOver) await rollBack(session);
      },
    };
  }

  async function append(session: Session, before: Head, group: AppendedGroup): Promise<"appended" | "unknown"> {
    const { events, head, pruned } = group;
    try {
      const moved = await session.query(APPEND, [
        events.map(({ sequence }) => sequence),
        events.map(({ type }) => type),
        events.map(({ recordedAt }) => recordedAt),
        events.map(({ leafHash }) => Buffer.from(leafHash)),
        events.map(({ canonical }) => (canonical.length === 0 ? null : Buffer.from(canonical))),
        head.epoch,
        head.sequence,
        Buffer.from(head.rootHash),
        before.sequence,
        own,
      ]);
      if (moved.rowCount !== 1) throw contradiction("its head was moved within a turn");
      if (pruned.length > 0) {
        await session.query(PRUNE, [pruned.map(([first]) => first), pruned.map(([, last]) => last)]);
      }
    } catch (thrown) {
      await rollBack(session);
      throw thrown;
    }
    try {
      // The server answers the commit of a failed transaction without an error.
      if ((await session.query("COMMIT")).command === "COMMIT") return "appended";
    } catch {
      session.end();
      return lookFor(events);
    }
    throw new BrokerError("LEDGER_UNAVAILABLE", "the ledger's database did not commit");
  }

  /** Behind the same lock, which the transaction in question holds for as long as it may still commit. */
  async function lookFor(events: readonly EventRow[]): Promise<"appended" | "unknown"> {
    const until = performance.now() + LOOKING_MS_MAX;
    while (performance.now() < until && !isClosed) {
      try {
        const session = await connected();
        await begin(session);
        const { rows } = await session.query<{ leaf_hash: Buffer }>(LEAVES, [
          events[0]?.sequence,
          events.at(-1)?.sequence,
        ]);
        await rollBack(session);
        const isThere = events.every(({ leafHash }, position) => rows[position]?.leaf_hash.equals(leafHash) === true);
        if (isThere) return "appended";
      } catch {
        await wait(RETRY_MS);
        continue;
      }
      const message = "the connection to the ledger's database broke off; nothing was recorded";
      throw new BrokerError("LEDGER_UNAVAILABLE", message);
    }
    return "unknown";
  }

  const session = await connected();
  await migratePostgres(session);
  const cursorKey = await commonKey(session, "cursor");
  void listen();

  return {
    take,
    read: async (after, limit) => read(await connected(), after, limit),
    async newestSnapshot() {
      const { rows } = await (await connected()).query<EventRecord>(NEWEST_SNAPSHOT, []);
      return rows[0] && eventRow(rows[0]);
    },
    chunks: {
      async put(through, first, chunks) {
        const session = await connected();
        const indexes = chunks.map((_, position) => first + position);
        await session.query(PUT_CHUNKS, [through, indexes, chunks.map((chunk) => Buffer.from(chunk))]);
      },
      async read(through, from) {
        const session = await connected();
        const { rows } = await session.query<{ content: Buffer }>(READ_CHUNKS, [through, from]);
        return rows.map(({ content }) => content);
      },
      forget: async (but) => (await (await connected()).query(FORGET_CHUNKS, [but])).rowCount ?? 0,
    },
    cursorKey,
    beat: async (report) => leases.renew(await connected(), report),
    replicas: async () => leases.all(await connected()),
    onAppended: (listener) => void listeners.stint_log.push(listener),
    onReported: (listener) => void listeners.stint_replica.push(listener),
    async close() {
      isClosed = true;
      endConnected();
      listening?.end();
    },
  };
}

async function begin(session: Session): Promise<{ readonly head: Head; readonly at: UnixMicros }> {
  try {
    // A message of several statements has a result of each.
    const results = (await session.query(TAKE)) as unknown as Taken;
    const found = results[1].rows[0];
    if (found === undefined) throw contradiction("it has no head");
    const head = { epoch: found.epoch, sequence: Number(found.tree_size), rootHash: new Uint8Array(found.root_hash) };
    return { head, at: Number(results[2].rows[0]?.at) as UnixMicros };
  } catch (thrown) {
    await rollBack(session);
    throw thrown;
  }
}

async function rollBack(session: Session): Promise<void> {
  if (session.isEnded()) return;
  // A session that can't even do this is ended by it, and the transaction with the session.
  await session.query("ROLLBACK").catch(() => session.end());
}

async function read(session: Session, after: number, limit: number): Promise<readonly EventRow[]> {
  const { rows } = await session.query<EventRecord>(READ, [after, limit]);
  const events = rows.map(eventRow);
  if (events.every(({ sequence }, position) => sequence === after + position + 1)) return events;
  throw contradiction("an event is missing");
}

function eventRow({ sequence, type, recorded_at_us, leaf_hash, canonical }: EventRecord): EventRow {
  return {
    sequence: Number(sequence),
    // Written by a program of this project.
    type: type as EventRow["type"],
    recordedAt: Number(recorded_at_us) as UnixMicros,
    leafHash: leaf_hash,
    canonical: canonical ?? new Uint8Array(),
  };
}

function contradiction(detail: string): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", `the ledger is damaged: ${detail}`);
}
