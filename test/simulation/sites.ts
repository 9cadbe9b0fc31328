import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CanonicalValue, canonicalJson } from "../../src/domain/canonical-json.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { addMicros, type UnixMicros } from "../../src/domain/time.ts";
import type { CommitSigner } from "../../src/ports/commit-signer.ts";
import type { Committed } from "../../src/ports/following.ts";
import type { Head } from "../../src/ports/ledger.ts";
import type { EventRow } from "../../src/ports/ledger-reads.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { type MemoryReplica, openMemoryReplica } from "../memory/memory-replica.ts";
import { type LogWay, type MemoryLogDatabase, memoryLogDatabase, openWay } from "../memory/memory-shared-log.ts";
import type { VirtualClock } from "../memory/virtual-clock.ts";
import { createKernel, type Kernel, PID_NAMESPACE, type SimulatedProcess } from "./kernel.ts";
import { type StorePlace, turn } from "./lives.ts";

/** An event as it was recorded, when, and which brokers' leases stood then, since when. */
export type Told = {
  readonly event: LedgerEvent;
  readonly sequence: number;
  readonly at: UnixMicros;
  readonly standing: ReadonlyMap<string, UnixMicros>;
};

/** A machine with its processes. */
export type Machine = { readonly bootId: string; readonly kernel: Kernel; readonly processes: SimulatedProcess[] };

export function createMachine(bootId: string, users: readonly number[]): Machine {
  const kernel = createKernel(bootId);
  return { bootId, kernel, processes: users.map((uid) => kernel.start(uid)) };
}

/** What a broker's ledger lies in, as the world knows it. */
export type SitePlace = StorePlace & {
  /** How the broker reaches a log that is shared; absent: it is shared with nobody. */
  readonly way?: LogWay;
  /** The tables go, and are to be made anew. */
  remove(): void;
  /** Of each table, a digest of its rows; absent: nobody has the same. */
  tables?(): ReadonlyMap<string, string>;
};

/** What all brokers of a world record in. */
export type SharedPlace = {
  /** How far the log has come. */
  head(): number;
  /** What was recorded since it was asked last. */
  news(): readonly Told[];
  /** Sequences of the events whose content is gone from a log that is shared. */
  pruned?(): readonly number[];
  site(own: SiteOptions): Promise<SitePlace>;
  end(): Promise<void>;
};

type SiteOptions = {
  readonly name: string;
  readonly machine: Machine;
  readonly clock: VirtualClock;
  readonly signer: CommitSigner | undefined;
  readonly failed: (error: unknown) => void;
  readonly committed: (head: Head) => void;
};

type PlacePorts = { readonly clock: VirtualClock; readonly randomness: Randomness };

/** A ledger that is one broker's alone, and outlives its lives as it is. */
export async function ownPlace({ clock, randomness }: PlacePorts): Promise<SharedPlace> {
  const news: Told[] = [];
  let head = () => 0;
  let end = async () => {};
  return {
    head: () => head(),
    news: () => news.splice(0),
    async site({ name, signer, failed, committed }) {
      const store = await openMemoryLedger({
        ...{ clock, randomness, failed, committed },
        ...(signer === undefined ? {} : { signer }),
      });
      head = () => store.ledger.head().sequence;
      end = store.close;
      // Taken down when it is committed: later it may be pruned.
      const standing = new Map([[name, 0 as UnixMicros]]);
      const take = ({ event, sequence }: Committed) => void news.push({ event, sequence, at: clock.now(), standing });
      store.ledger.follow({ name: "the model", take }, 0);
      return {
        open: async () => store,
        begun: () => undefined,
        gone: async () => undefined,
        remove: () => undefined,
      };
    },
    end: () => end(),
  };
}

/** A log that several brokers share, each with tables of its own in a directory. */
export async function sharedPlace({ clock, randomness }: PlacePorts): Promise<SharedPlace> {
  const news: Told[] = [];
  let head = 0;
  const database: MemoryLogDatabase = memoryLogDatabase({
    ...{ clock, randomness },
    appended(events: readonly EventRow[]) {
      const standing = database.standing();
      for (const { sequence, canonical } of events) {
        const event = JSON.parse(Buffer.from(canonical).toString()) as LedgerEvent;
        news.push({ event, sequence, at: clock.now(), standing });
        head = sequence;
      }
    },
  });
  const root = mkdtempSync(join(tmpdir(), "stint-simulation-"));
  return {
    head: () => head,
    news: () => news.splice(0),
    pruned: database.pruned,
    async site({ name, machine, clock: own, signer, failed, committed }) {
      const way = openWay();
      const directory = join(root, name);
      mkdirSync(directory);
      const client = { name, instance: name, machine: { bootId: machine.bootId, pidNamespace: PID_NAMESPACE } };
      let store: MemoryReplica | undefined;
      return {
        way,
        async open() {
          way.pass = async () => undefined;
          const log = database.connect(client, way);
          try {
            store = await openMemoryReplica({
              ...{ directory, name, log, clock: own, randomness, failed, committed },
              ...(signer === undefined ? {} : { signer }),
            });
          } catch (thrown) {
            await log.close();
            throw thrown;
          }
          return store;
        },
        begun(pass) {
          way.pass = pass;
        },
        async gone() {
          await store?.kill();
          store = undefined;
        },
        remove() {
          rmSync(directory, { recursive: true });
          mkdirSync(directory);
        },
        tables: () => store?.tables() ?? new Map(),
      };
    },
    async end() {
      await turn();
      rmSync(root, { recursive: true });
    },
  };
}

/** Whether somebody was refused of whom nobody knows whether what was asked for is recorded. */
export function isUnanswered(thrown: unknown): boolean {
  return thrown instanceof BrokerError && thrown.message.includes("whether it was recorded will show");
}

/** The clock of one machine or broker beside that of the world: off by so much, and stepped by itself. */
export function clockBeside(clock: VirtualClock, offsetSeconds: number): VirtualClock {
  let skewSeconds = 0;
  return {
    ...clock,
    now: () => addMicros(clock.now(), offsetSeconds * 1_000_000),
    skewSeconds: () => skewSeconds,
    stepWall(seconds) {
      skewSeconds += seconds;
    },
  };
}

export function leafOf({ event }: Told): Uint8Array {
  return canonicalJson(event as CanonicalValue);
}
