import type { StandingVerifier } from "../domain/closure.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess, type ProcessIdentity } from "../domain/process.ts";
import { isOfKind, type VerifierEntry } from "../domain/registration-entry.ts";
import type { ReceiptReport } from "../domain/replica-report.ts";
import type { SignedReceipt, TakenReceipt } from "../domain/signed-receipt.ts";
import { addMicros, addSeconds, microsOf, type UnixMicros } from "../domain/time.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { RecordedReceipt } from "../ports/ledger-reads.ts";
import type { DenySummary } from "./deny-summary.ts";
import { NOWHERE_ELSE, type ReceiptsElsewhere } from "./receipts-elsewhere.ts";

export type ReceiptState = StandingVerifier["state"];

export type Receipt = {
  readonly verifier: string;
  readonly state: ReceiptState;
  readonly appliedAt?: UnixMicros;
  /** When the verifier refuses everything, by its staleness bound; present unless the state is APPLIED. */
  readonly lapsesAt?: UnixMicros;
};

export type Receipts = {
  readonly expected: number;
  readonly applied: number;
  readonly verifiers: readonly Receipt[];
  /** From here on no verifier accepts what was denied, whether it listens or not. */
  readonly latestPossibleAcceptance: UnixMicros;
};

/** One verifier's watch of the feed. */
export type WatcherStatus = {
  readonly watcherId: string;
  readonly entryId: string;
  readonly audiences: readonly string[];
  readonly maxStalenessSeconds: number;
  readonly connectedSince: UnixMicros;
  /** The sequence that the watcher had applied before it connected: that of the resumed cursor, else 0. */
  readonly appliedBefore: number;
  readonly process?: ProcessIdentity;
};

/** Who applied what, and by when everyone else must have lapsed. */
export type ReceiptBook = {
  connected(watcher: WatcherStatus): void;
  /** A ping came: from here the watcher's freshness counts. */
  seen(watcherId: string): void;
  /**
   * @param signed - what the verifier signed with that, as far as its signature is good; of a sequence that is not beyond.
   */
  acknowledged(watcherId: string, sequence: number, signed?: SignedReceipt): void;
  disconnected(watcherId: string): void;
  /** The receipts for a sequence, once every verifier has applied it or lapsed, or the time is up. */
  settled(sequence: number, denied: DenySummary, waitMs: number): Promise<Receipts>;
  /** What was recorded of a verifier's entry, before the broker started or since. */
  recorded(receipt: RecordedReceipt): void;
  /**
   * Where every verifier stands to a close, held to what a closure promises: none counts as having applied while a process
   * of it may be left from before the broker started.
   *
   * @param closedAt - when the close with this sequence was; absent: by now.
   */
  standings(sequence: number, closedAt?: UnixMicros): readonly StandingVerifier[];
  /** Called whenever a verifier connects, acknowledges, goes, or something of it is recorded. */
  onChange(listener: () => void): Cancel;
  /**
   * For each verifier entry the sequence that all its watchers have applied, except watchers that have lapsed. Left out
   * where a process of it may be left from before the broker started.
   */
  applied(): readonly TakenReceipt[];
  /** What other brokers are to know of this one's verifiers, once these were told of everything up to a sequence. */
  report(through: number): ReceiptReport;
  /** Those that are connected now. */
  listening(): readonly (WatcherStatus & Watching)[];
  /** Those that are connected or may still count, and of a verifier without any the one that was there last. */
  watchers(): readonly (WatcherStatus & Watching)[];
};

/** The clocks of two brokers may be so far apart: each may be off by half of it. */
const CLOCKS_APART_MICROS = 2 * LIMITS.clockSkewSecondsMax * 1_000_000;

type Left = ReturnType<ReceiptsElsewhere["left"]>;
type Watching = { readonly acknowledged: number; readonly lastSeen: UnixMicros; readonly isConnected: boolean };
type Watcher = WatcherStatus & {
  acknowledged: number;
  lastSeen: UnixMicros;
  isConnected: boolean;
  signed: SignedReceipt | undefined;
  /** When `acknowledged` got its present value. */
  appliedAt: UnixMicros;
};

/** Whether the same process has connected again since it was last heard on this watch. */
function isReplaced(watcher: Watcher, all: readonly Watcher[]): boolean {
  const { process, entryId, lastSeen } = watcher;
  if (process === undefined) return false;
  return all.some(
    (other) =>
      other !== watcher &&
      other.entryId === entryId &&
      other.connectedSince >= lastSeen &&
      other.process !== undefined &&
      formatProcess(other.process) === formatProcess(process),
  );
}

/** What the one has signed that is behind all others; `undefined` unless each has signed something. */
function leastSigned(watchers: readonly Watcher[]): SignedReceipt | undefined {
  let least: SignedReceipt | undefined;
  for (const { signed } of watchers) {
    if (signed === undefined) return undefined;
    if (least === undefined || signed.sequence < least.sequence) least = signed;
  }
  return least;
}

export function createReceiptBook(ports: {
  readonly entries: EntryDirectory;
  readonly clock: Clock;
  /** Absent: no verifier is connected to another broker. */
  readonly elsewhere?: ReceiptsElsewhere;
}): ReceiptBook {
  const { elsewhere = NOWHERE_ELSE } = ports;
  const watchers = new Map<string, Watcher>();
  const waiting = new Set<() => void>();
  const recorded = new Map<string, RecordedReceipt>();
  /** Verifiers that were on the feed since the start, whether or not they are. */
  const heard = new Set<string>();
  const startedAt = ports.clock.now();
  /** When the first of those who are disconnected lapses. */
  let firstLapse = Number.POSITIVE_INFINITY;

  const lapseOf = (watcher: Watcher): UnixMicros =>
    addMicros(watcher.lastSeen, watcher.maxStalenessSeconds * 1_000_000);

  /** Watchers that are disconnected and have lapsed have nothing more to tell. */
  function forgetLapsed(now: UnixMicros): void {
    // A thousand verifiers may connect at once: all are looked at only when there is one to forget.
    if (now < firstLapse) return;
    firstLapse = Number.POSITIVE_INFINITY;
    for (const [id, one] of watchers) {
      if (one.isConnected) continue;
      const lapse = lapseOf(one);
      if (lapse <= now) watchers.delete(id);
      else firstLapse = Math.min(firstLapse, lapse);
    }
  }

  function changed(): void {
    for (const check of [...waiting]) check();
  }

  const verifierEntries = (): readonly VerifierEntry[] =>
    ports.entries.all().filter((entry): entry is VerifierEntry => isOfKind(entry, "verifier"));

  /** One verifier entry may have several processes: the entry has applied what all of them have applied. */
  function receiptOf(entry: VerifierEntry, sequence: number, now: UnixMicros, closedAt: UnixMicros): Receipt {
    const verifier = entry.content.name;
    const own = [...watchers.values()].filter((watcher) => watcher.entryId === entry.entryId);
    const missing = missingOf(own, sequence, now);
    const away = leftElsewhere(entry, sequence, closedAt);
    if (missing.length > 0 || away !== undefined) return { verifier, ...openState(missing, away) };
    const appliedAt = appliedBy(entry, own, sequence);
    if (appliedAt !== undefined) return { verifier, state: "APPLIED", appliedAt };
    // No live watcher of this entry is known since the start; a watcher from before the start may be within its bound.
    const sinceStart = addMicros(startedAt, entry.content.maxStalenessSeconds * 1_000_000);
    const lapsesAt = Math.max(sinceStart, ...own.map(lapseOf)) as UnixMicros;
    return { verifier, state: lapsesAt > now ? "DISCONNECTED" : "LAPSED", lapsesAt };
  }

  /** Past its staleness bound a watcher refuses everything, also a watcher that is connected and has fallen silent. */
  function missingOf(own: readonly Watcher[], sequence: number, now: UnixMicros): readonly Watcher[] {
    return own.filter((watcher) => watcher.acknowledged < sequence && lapseOf(watcher) > now);
  }

  function leftElsewhere({ entryId, content }: VerifierEntry, sequence: number, closedAt: UnixMicros): Left {
    return elsewhere.left({ entryId, maxStalenessSeconds: content.maxStalenessSeconds }, sequence, closedAt);
  }

  /** By when something was denied, by this broker's clock: its instant may be of another's. */
  function deniedBy(closedAt: UnixMicros | undefined, now: UnixMicros): UnixMicros {
    if (closedAt === undefined) return now;
    return Math.min(now, addMicros(closedAt, CLOCKS_APART_MICROS)) as UnixMicros;
  }

  /** Of a verifier of which some process may not have applied something, here or elsewhere. */
  function openState(missing: readonly Watcher[], away: Left, ...others: readonly UnixMicros[]) {
    const isConnected = away?.isConnected === true || missing.some((one) => one.isConnected);
    const lapsesAt = Math.max(...others, ...missing.map(lapseOf), away?.until ?? 0) as UnixMicros;
    return { state: isConnected ? "PENDING" : "DISCONNECTED", lapsesAt } as const;
  }

  /** When the last of those who have applied something did; `undefined`: nobody has. */
  function appliedBy({ entryId }: VerifierEntry, own: readonly Watcher[], sequence: number): UnixMicros | undefined {
    const applied = own.filter((watcher) => watcher.acknowledged >= sequence).map((watcher) => watcher.appliedAt);
    const there = elsewhere.appliedAt(entryId, sequence);
    const all = there === undefined ? applied : [...applied, there];
    return all.length === 0 ? undefined : (Math.max(...all) as UnixMicros);
  }

  /**
   * Until when a process of a verifier may be left that was on the feed before the start, and has not come back. Past its bound it
   * refuses what it was not told of.
   */
  function leftUntil({ createdAt, content }: VerifierEntry): UnixMicros {
    // Another broker's clock may have said when the entry was made.
    const isSinceStart = createdAt >= (elsewhere.isShared ? addMicros(startedAt, CLOCKS_APART_MICROS) : startedAt);
    return isSinceStart ? startedAt : addMicros(startedAt, content.maxStalenessSeconds * 1_000_000);
  }

  function standingOf(
    entry: VerifierEntry,
    own: readonly Watcher[],
    sequence: number,
    closedAt: UnixMicros | undefined,
    now: UnixMicros,
  ): StandingVerifier {
    const { name: verifier, audiences } = entry.content;
    const known = recorded.get(entry.entryId);
    const isHeard = heard.has(entry.entryId) || elsewhere.isHeard(entry.entryId);
    const standing = { verifier, audiences, watches: !entry.disabled && (known !== undefined || isHeard) };
    const missing = missingOf(own, sequence, now);
    const away = leftElsewhere(entry, sequence, deniedBy(closedAt, now));
    const left = leftUntil(entry);
    const isLeft = left > now;
    const isOpen = missing.length > 0 || isLeft || away !== undefined;
    const applied = own.filter((one) => one.acknowledged >= sequence);
    const signed = [leastSigned(applied), known?.signed].find((one) => one !== undefined && one.sequence >= sequence);
    const isApplied = { ...standing, state: "APPLIED", ...(signed === undefined ? {} : { signed }) } as const;
    const appliedAt = appliedBy(entry, own, sequence);
    if (!isOpen && appliedAt !== undefined) return { ...isApplied, appliedAt };
    // What another broker recorded is of the watchers that it has.
    const isRecorded = known !== undefined && known.sequence >= sequence;
    if (isRecorded && !(elsewhere.isShared && isOpen)) return { ...isApplied, appliedAt: known.at };
    if (isOpen) return { ...standing, ...openState(missing, away, ...(isLeft ? [left] : [])) };
    return { ...standing, state: "LAPSED", lapsesAt: Math.max(left, ...own.map(lapseOf)) as UnixMicros };
  }

  function receiptsFor(sequence: number, denied: DenySummary, askedAt: UnixMicros): Receipts {
    const now = ports.clock.now();
    const concerned = verifierEntries().filter(
      ({ content, disabled }) =>
        !disabled && denied.isAny && (denied.concernsAll || content.audiences.some((one) => denied.audiences.has(one))),
    );
    const verifiers = concerned.map((entry) => receiptOf(entry, sequence, now, askedAt));
    const watched = new Set(concerned.flatMap((entry) => entry.content.audiences));
    const byExpiry = microsOf(addSeconds(denied.latestExpiry, LIMITS.verifierLeewaySeconds));
    const unwatched = denied.concernsAll || [...denied.audiences].some((one) => !watched.has(one));
    const open = verifiers
      .filter((one) => one.state !== "APPLIED")
      .map((one) => Math.min(one.lapsesAt ?? byExpiry, byExpiry));
    const closed = verifiers.map((one) => one.appliedAt ?? 0);
    const latest = !denied.isAny ? now : Math.max(unwatched ? byExpiry : 0, ...open, ...closed);
    return {
      expected: verifiers.length,
      applied: verifiers.filter((one) => one.state === "APPLIED").length,
      verifiers,
      latestPossibleAcceptance: latest as UnixMicros,
    };
  }

  elsewhere.onChange(changed);

  const isOpen = ({ state }: Receipt) => state === "PENDING" || state === "DISCONNECTED";
  const isSettled = (receipts: Receipts) => !receipts.verifiers.some(isOpen);

  return {
    connected(watcher) {
      const now = ports.clock.now();
      forgetLapsed(now);
      heard.add(watcher.entryId);
      watchers.set(watcher.watcherId, {
        ...watcher,
        acknowledged: watcher.appliedBefore,
        lastSeen: now,
        isConnected: true,
        signed: undefined,
        appliedAt: now,
      });
      changed();
    },
    seen(watcherId) {
      const watcher = watchers.get(watcherId);
      if (watcher !== undefined) watcher.lastSeen = ports.clock.now();
    },
    acknowledged(watcherId, sequence, signed) {
      const watcher = watchers.get(watcherId);
      if (watcher === undefined) return;
      if (signed !== undefined && signed.sequence > (watcher.signed?.sequence ?? 0)) watcher.signed = signed;
      if (watcher.acknowledged >= sequence) return;
      watcher.acknowledged = sequence;
      watcher.appliedAt = ports.clock.now();
      changed();
    },
    disconnected(watcherId) {
      const watcher = watchers.get(watcherId);
      if (watcher === undefined) return;
      watcher.isConnected = false;
      firstLapse = Math.min(firstLapse, lapseOf(watcher));
      changed();
    },
    settled(sequence, denied, waitMs) {
      // Whatever was denied was denied by now.
      const askedAt = ports.clock.now();
      const first = receiptsFor(sequence, denied, askedAt);
      if (waitMs <= 0 || isSettled(first)) return Promise.resolve(first);
      return new Promise((resolve, reject) => {
        const end = () => {
          waiting.delete(check);
          cancelTime();
          cancelLapse();
        };
        /** An error of `receiptsFor` goes to the caller that waits, not to the code that happens to call this. */
        const look = (then: (receipts: Receipts) => void) => {
          try {
            then(receiptsFor(sequence, denied, askedAt));
          } catch (thrown) {
            end();
            reject(thrown);
          }
        };
        const finish = (receipts: Receipts) => {
          end();
          resolve(receipts);
        };
        const check = () => look((receipts) => (isSettled(receipts) ? finish(receipts) : awaitLapse(receipts)));
        let cancelLapse: Cancel = () => undefined;
        // Nobody reports a lapse, and every ping puts it off: so the time is computed anew at each check.
        const awaitLapse = ({ verifiers }: Receipts) => {
          const lapses = verifiers.flatMap((one) => (isOpen(one) && one.lapsesAt !== undefined ? [one.lapsesAt] : []));
          const inMs = (Math.min(...lapses) - ports.clock.now()) / 1_000;
          cancelLapse();
          cancelLapse = ports.clock.schedule(Math.max(0, inMs) + 1, check);
        };
        const cancelTime = ports.clock.schedule(waitMs, () => look(finish));
        waiting.add(check);
        awaitLapse(first);
      });
    },
    recorded(receipt) {
      recorded.set(receipt.entryId, receipt);
      changed();
    },
    standings(sequence, closedAt) {
      const now = ports.clock.now();
      const own = Map.groupBy(watchers.values(), ({ entryId }) => entryId);
      return verifierEntries().map((entry) => standingOf(entry, own.get(entry.entryId) ?? [], sequence, closedAt, now));
    },
    onChange(listener) {
      waiting.add(listener);
      return () => void waiting.delete(listener);
    },
    applied() {
      const now = ports.clock.now();
      // Each broker records what its own watchers have applied.
      const isLeft = (one: VerifierEntry) => !elsewhere.isShared && leftUntil(one) > now;
      const left = new Set(verifierEntries().flatMap((one) => (isLeft(one) ? [one.entryId] : [])));
      const live = [...watchers.values()].filter((one) => lapseOf(one) > now && !left.has(one.entryId));
      return [...Map.groupBy(live, ({ entryId }) => entryId)].map(([entryId, own]) => {
        const signed = leastSigned(own);
        const sequence = Math.min(...own.map(({ acknowledged }) => acknowledged));
        return { entryId, sequence, ...(signed === undefined ? {} : { signed }) };
      });
    },
    report(through) {
      const now = ports.clock.now();
      const live = [...watchers.values()].filter((one) => lapseOf(one) > now);
      const verifiers = [...Map.groupBy(live, ({ entryId }) => entryId)].map(([entryId, own]) => ({
        entryId,
        applied: Math.min(...own.map(({ acknowledged }) => acknowledged)),
        isConnected: own.some((one) => one.isConnected),
      }));
      const isUnknown = (one: VerifierEntry) => leftUntil(one) > now;
      return {
        through,
        verifiers,
        unknown: verifierEntries()
          .filter(isUnknown)
          .map((one) => one.entryId),
      };
    },
    listening: () => [...watchers.values()].filter((one) => one.isConnected),
    watchers() {
      const now = ports.clock.now();
      const all = [...watchers.values()];
      const present = all.filter((one) => one.isConnected || (lapseOf(one) > now && !isReplaced(one, all)));
      const shown = new Set(present.map(({ entryId }) => entryId));
      const last = new Map(all.filter(({ entryId }) => !shown.has(entryId)).map((one) => [one.entryId, one]));
      return [...present, ...last.values()];
    },
  };
}
