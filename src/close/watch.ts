import { lookingEntry } from "../decide/step-access.ts";
import { type Denial, denial } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import { secondsOf } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { CursorSeal } from "../ports/cursor-seal.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { DenyEntry, FeedReads } from "../ports/ledger-reads.ts";
import type { FeedBatch, Notifier } from "./notify.ts";

/** Which part of the feed a watcher is sent, and the entry by which it watches. */
export type WatchScope = {
  readonly entryId: string;
  /** A verifier's watch counts for receipts. */
  readonly isVerifier: boolean;
  readonly audiences: readonly string[];
  readonly maxStalenessSeconds: number;
  concerns(entry: DenyEntry): boolean;
};

/**
 * Which part of the feed a caller may watch: a verifier its audiences, a runtime its own runs, an operator who may look
 * all of it.
 *
 * @param asked.audiences - within the audiences of the verifier's entry; empty: all of them.
 * @returns the scope, or NOT_ENTITLED, AUDIENCE_INVALID, INVALID_FIELD
 */
export function scopeOf(
  caller: Attested,
  asked: { readonly audiences: readonly string[]; readonly maxStalenessSeconds: number | undefined },
): WatchScope | Denial {
  const verifiers = caller.entries.filter((entry) => isOfKind(entry, "verifier"));
  // A process that matches several verifier entries watches by the entry that holds all audiences asked for.
  const verifier = verifiers.find((entry) => asked.audiences.every((one) => entry.content.audiences.includes(one)));
  const maxStalenessSeconds =
    asked.maxStalenessSeconds ?? verifier?.content.maxStalenessSeconds ?? LIMITS.maxStalenessSecondsMax;
  if (!(maxStalenessSeconds > 0 && maxStalenessSeconds <= LIMITS.maxStalenessSecondsMax)) {
    return denial("INVALID_FIELD", `max_staleness: at most ${LIMITS.maxStalenessSecondsMax} s`, {
      field: "max_staleness",
    });
  }
  if (verifier !== undefined) {
    // If the bound were lowered silently, receipts would call a verifier lapsed that still accepts.
    if (maxStalenessSeconds > verifier.content.maxStalenessSeconds) {
      return denial(
        "INVALID_FIELD",
        `max_staleness: at most ${verifier.content.maxStalenessSeconds} s by the verifier's entry`,
        {
          field: "max_staleness",
        },
      );
    }
    const audiences = asked.audiences.length === 0 ? verifier.content.audiences : asked.audiences;
    const own = new Set(audiences);
    return {
      entryId: verifier.entryId,
      isVerifier: true,
      audiences,
      maxStalenessSeconds,
      concerns: (entry) => entry.concernsAll || entry.audiences.some((one) => own.has(one)),
    };
  }
  if (verifiers.length > 0) {
    return denial("AUDIENCE_INVALID", "an audience that the verifier's entry does not name");
  }
  const operator = lookingEntry(caller);
  if (operator !== undefined) {
    return { entryId: operator.entryId, isVerifier: false, audiences: [], maxStalenessSeconds, concerns: () => true };
  }
  const own = new Set(caller.entries.filter((entry) => isOfKind(entry, "runtime")).map((entry) => entry.entryId));
  const [runtime] = own;
  if (runtime === undefined) return denial("NOT_ENTITLED", "only verifiers, runtimes and operators watch revocations");
  return {
    entryId: runtime,
    isVerifier: false,
    audiences: [],
    maxStalenessSeconds,
    concerns: (entry) => own.has(entry.runEntryId),
  };
}

/** Where a watcher stands in the feed. */
export type Cursor = { readonly epoch: string; readonly sequence: number };

export function sealCursor(seal: CursorSeal, cursor: Cursor): Uint8Array {
  return seal.seal(`${cursor.epoch}\n${cursor.sequence}`);
}

/** `undefined` for a cursor that this broker did not give. */
export function openCursor(seal: CursorSeal, bytes: Uint8Array): Cursor | undefined {
  const [epoch, sequence] = seal.open(bytes)?.split("\n") ?? [];
  return epoch === undefined || sequence === undefined ? undefined : { epoch, sequence: Number(sequence) };
}

/** How a watch begins: with what came after the cursor, or with the whole deny-list. */
export type Beginning =
  | { readonly kind: "resume"; readonly batch: FeedBatch }
  | { readonly kind: "snapshot"; readonly batch: FeedBatch };

export type WatchPorts = {
  readonly ledger: Pick<Ledger, "head">;
  readonly feed: FeedReads;
  readonly notifier: Notifier;
  readonly clock: Clock;
};

/**
 * Subscribes first and reads second, so that nothing falls between what is read and what is delivered; an entry that
 * comes twice does no harm, since the deny-list only grows.
 *
 * @param cursor - authentic, or `undefined` to begin with a snapshot.
 * @param deliver - called for every later batch, after the beginning was returned.
 */
export async function beginWatch(
  cursor: Cursor | undefined,
  deliver: (batch: FeedBatch) => void,
  ports: WatchPorts,
): Promise<{ readonly beginning: Beginning; readonly go: () => void; readonly end: () => void }> {
  const early: FeedBatch[] = [];
  let target = (batch: FeedBatch): void => void early.push(batch);
  const { from, unsubscribe } = ports.notifier.subscribe((batch) => target(batch));
  try {
    const beginning = await read(cursor, from, ports);
    return {
      beginning,
      go: () => {
        target = deliver;
        for (const batch of early.splice(0)) deliver(batch);
      },
      end: unsubscribe,
    };
  } catch (thrown) {
    unsubscribe();
    throw thrown;
  }
}

async function read(cursor: Cursor | undefined, from: number, ports: WatchPorts): Promise<Beginning> {
  const { epoch } = ports.ledger.head();
  const behind = cursor === undefined ? Number.POSITIVE_INFINITY : from - cursor.sequence;
  if (cursor === undefined || cursor.epoch !== epoch || behind > LIMITS.watcherBacklogEventsMax) {
    return { kind: "snapshot", batch: await ports.feed.snapshot(secondsOf(ports.clock.now())) };
  }
  const entries: DenyEntry[] = [];
  for await (const part of ports.feed.denied(cursor.sequence, from)) entries.push(...part.entries);
  return { kind: "resume", batch: { entries, through: Math.max(cursor.sequence, from) } };
}
