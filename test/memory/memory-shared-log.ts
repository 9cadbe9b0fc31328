import { BrokerError } from "../../src/domain/errors.ts";
import { EMPTY_RANGE, rootOf } from "../../src/domain/merkle-tree.ts";
import { replicaReportFrom } from "../../src/domain/replica-report.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { Cancel, Clock } from "../../src/ports/clock.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { EventRow } from "../../src/ports/ledger-reads.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import type { Machine, Replica } from "../../src/ports/replicas.ts";
import type { AppendedGroup, LogTurn, SharedLog } from "../../src/ports/shared-log.ts";

/** A database that a log is in, and who shares it. */
export type MemoryLogDatabase = {
  /** @param way - how one broker reaches it, which may change at any time. */
  connect(own: LogClient, way?: LogWay): SharedLog;
  /** Sequences of the events whose content is gone. */
  pruned(): readonly number[];
  /** Of the brokers whose leases stand, since when without a gap. */
  standing(): ReadonlyMap<string, UnixMicros>;
};

/** Who one broker is. */
export type LogClient = { readonly name: string; readonly instance: string; readonly machine: Machine };

/** How one broker reaches the log. */
export type LogWay = {
  /** Whatever is asked is refused, and nobody tells of what others append. */
  isCut: boolean;
  /** Nobody tells of what others append. */
  isDeaf: boolean;
  /** Of the next append nobody learns what became of it: the events are in the log then, or are not. */
  unknown: "kept" | "lost" | undefined;
  /** As long as an answer takes; never to resolve is to have died. */
  pass: () => Promise<void>;
};

/** As long as a lease stands that is not renewed. */
const LEASE_MS = 10_000;
/** Whoever was away for longer has not seen who else was there meanwhile. */
const GAP_MS = 5_000;
/** Who stands still in a turn loses it then. */
const IDLE_MS_MAX = 5_000;
/** Who waits for a turn for longer is refused. */
const LOCK_MS_MAX = 8_000;
const CHUNKS_AT_ONCE = 64;
const FORGOTTEN_AT_ONCE = 16;

export function openWay(): LogWay {
  return { isCut: false, isDeaf: false, unknown: undefined, pass: async () => undefined };
}

/** One who has the turn, or waits for it. */
type Claim = { readonly way: LogWay; readonly granted: () => void; cancel: Cancel };

/**
 * A shared log in this process, by a clock of its own.
 *
 * @param ports.appended - told of what is appended, as it is.
 */
export function memoryLogDatabase(ports: {
  readonly clock: Pick<Clock, "now" | "monotonicMs" | "schedule">;
  readonly randomness: Randomness;
  readonly appended?: (events: readonly EventRow[]) => void;
}): MemoryLogDatabase {
  const { clock, randomness, appended = () => undefined } = ports;
  const cursorKey = randomness.bytes(32);
  const events: EventRow[] = [];
  const chunks = new Map<number, Map<number, Uint8Array>>();
  const leases = new Map<
    string,
    LogClient & { readonly seenMs: number; readonly since: UnixMicros; readonly report: string }
  >();
  const clients = new Set<{
    readonly way: LogWay;
    readonly tell: Readonly<Record<"appended" | "reported", () => void>>;
  }>();
  let head: Head = { epoch: "", sequence: 0, rootHash: rootOf(EMPTY_RANGE) };
  let holder: Claim | undefined;
  let waiting: readonly Claim[] = [];

  /** Resolves once nobody else has the turn. */
  function claim(way: LogWay): Promise<Claim> {
    return new Promise((resolve, reject) => {
      const own: Claim = {
        way,
        granted() {
          own.cancel();
          holder = own;
          own.cancel = clock.schedule(IDLE_MS_MAX, () => yielded(own));
          resolve(own);
        },
        cancel: clock.schedule(LOCK_MS_MAX, () => {
          waiting = waiting.filter((one) => one !== own);
          reject(unreachable());
        }),
      };
      if (holder === undefined) own.granted();
      else waiting = [...waiting, own];
    });
  }

  function yielded(own: Claim): void {
    if (holder !== own) return;
    own.cancel();
    holder = undefined;
    const [next, ...others] = waiting;
    waiting = others;
    next?.granted();
  }

  function commit({ events: added, head: reached, pruned }: AppendedGroup): void {
    events.push(...added.map((event) => ({ ...event })));
    head = reached;
    for (const [first, last] of pruned) {
      for (let sequence = first; sequence <= last; sequence += 1) {
        const event = events[sequence - 1];
        if (event !== undefined) events[sequence - 1] = { ...event, canonical: new Uint8Array() };
      }
    }
    appended(added);
  }

  return {
    pruned: () => events.flatMap(({ sequence, canonical }) => (canonical.length === 0 ? [sequence] : [])),
    standing() {
      const standing = [...leases.values()].filter(({ seenMs }) => clock.monotonicMs() - seenMs < LEASE_MS);
      return new Map(standing.map(({ name, since }) => [name, since]));
    },
    connect(own, way = openWay()) {
      const listeners = { appended: [] as (() => void)[], reported: [] as (() => void)[] };
      const telling = (of: keyof typeof listeners) => () => {
        for (const listener of listeners[of]) listener();
      };
      const client = { way, tell: { appended: telling("appended"), reported: telling("reported") } };
      clients.add(client);
      const turns = new Set<Claim>();
      let isClosed = false;
      let watchingSinceMs = 0;
      let seenMs = Number.NEGATIVE_INFINITY;

      function reach(): void {
        if (way.isCut || isClosed) throw unreachable();
      }

      async function asked<Answer>(work: () => Answer): Promise<Answer> {
        await way.pass();
        reach();
        const answer = work();
        await way.pass();
        reach();
        return answer;
      }

      const read = (after: number, limit: number) =>
        asked(() => events.slice(after, after + limit).map((event) => ({ ...event })));

      function yieldTurn(turn: Claim): void {
        turns.delete(turn);
        yielded(turn);
      }

      async function take(): Promise<LogTurn> {
        await way.pass();
        reach();
        const turn = await claim(way);
        turns.add(turn);
        const [found, at] = [head, clock.now()];
        await way.pass();
        if (way.isCut || isClosed) yieldTurn(turn);
        reach();

        /** A turn that was lost, or whose connection broke, is nobody's. */
        function check(): void {
          if (holder !== turn) throw unreachable();
        }

        return {
          head: found,
          at,
          async read(after, limit) {
            check();
            return read(after, limit);
          },
          async append(group) {
            try {
              await way.pass();
              reach();
              check();
              const { unknown } = way;
              way.unknown = undefined;
              if (unknown !== "lost") commit(group);
              if (unknown !== "lost") tellOthers("appended");
              if (unknown !== undefined) return "unknown";
            } finally {
              yieldTurn(turn);
            }
            await way.pass();
            return "appended";
          },
          async release() {
            yieldTurn(turn);
          },
        };
      }

      function tellOthers(what: keyof typeof listeners): void {
        for (const one of clients) {
          if (one !== client && !one.way.isDeaf && !one.way.isCut) queueMicrotask(one.tell[what]);
        }
      }

      function replicas(): readonly Replica[] {
        const nowMs = clock.monotonicMs();
        // Only a lease that lapsed while this one was watching counts as lapsed.
        if (nowMs - seenMs > GAP_MS) watchingSinceMs = nowMs;
        seenMs = nowMs;
        return [...leases.values()]
          .toSorted((one, other) => (one.name < other.name ? -1 : 1))
          .map(({ name, machine, seenMs: at, report }) => ({
            ...{ name, machine },
            isAlive: nowMs - Math.max(at, watchingSinceMs) < LEASE_MS,
            report: replicaReportFrom(JSON.parse(report)),
          }));
      }

      return {
        take,
        read,
        newestSnapshot: () => asked(() => events.findLast(({ type }) => type === "snapshot.taken")),
        chunks: {
          put: (through, first, parts) =>
            asked(() => {
              const kept = chunks.get(through) ?? new Map<number, Uint8Array>();
              chunks.set(through, kept);
              for (const [position, part] of parts.entries()) kept.set(first + position, part);
            }),
          read: (through, from) =>
            asked(() => {
              const kept = [...(chunks.get(through) ?? [])].toSorted(([one], [other]) => one - other);
              return kept.flatMap(([index, part]) => (index >= from ? [part] : [])).slice(0, CHUNKS_AT_ONCE);
            }),
          forget: (but) =>
            asked(() => {
              const all = [...chunks].filter(([through]) => !but.includes(through));
              const gone = all.flatMap(([, kept]) => [...kept.keys()].map((index) => ({ kept, index })));
              for (const { kept, index } of gone.slice(0, FORGOTTEN_AT_ONCE)) kept.delete(index);
              return Math.min(gone.length, FORGOTTEN_AT_ONCE);
            }),
        },
        cursorKey,
        beat: (report) =>
          asked(() => {
            const nowMs = clock.monotonicMs();
            const known = leases.get(own.name);
            if (known !== undefined && known.instance !== own.instance && nowMs - known.seenMs <= LEASE_MS) {
              throw new BrokerError("NOT_SERVING", `another broker is the replica ${own.name} of this ledger`);
            }
            const said = JSON.stringify(report);
            const isGap = known === undefined || nowMs - known.seenMs >= LEASE_MS;
            leases.set(own.name, { ...own, seenMs: nowMs, since: isGap ? clock.now() : known.since, report: said });
            if (said !== known?.report) tellOthers("reported");
            return { replicas: replicas(), at: clock.now() };
          }),
        replicas: () => asked(replicas),
        onAppended: (listener) => void listeners.appended.push(listener),
        onReported: (listener) => void listeners.reported.push(listener),
        async close() {
          isClosed = true;
          clients.delete(client);
          for (const of of Object.values(listeners)) of.length = 0;
          for (const one of waiting) if (one.way === way) one.cancel();
          waiting = waiting.filter((one) => one.way !== way);
          for (const turn of [...turns]) yieldTurn(turn);
        },
      };
    },
  };
}

function unreachable(): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", "the ledger's database can't be reached");
}
