import { lookingEntry } from "../decide/step-access.ts";
import { BrokerError, type Denial, denial } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { machineOf } from "../domain/owner.ts";
import { isOfKind } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { CursorSeal } from "../ports/cursor-seal.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Concern, DenialsInForce, KeptDenial } from "./denials-in-force.ts";
import type { FeedBatch, Notifier } from "./notify.ts";

/** Which part of the feed a watcher is sent, and the entry by which it watches. */
export type WatchScope = {
  readonly entryId: string;
  /** A verifier's watch counts for receipts. */
  readonly isVerifier: boolean;
  readonly audiences: readonly string[];
  readonly maxStalenessSeconds: number;
  /** The same of all that are sent the same part of the feed. */
  readonly part: string;
  concerns(denied: Concern): boolean;
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
      part: JSON.stringify(["audiences", ...[...own].toSorted()]),
      concerns: (entry) => entry.concernsAll || entry.audiences.some((one) => own.has(one)),
    };
  }
  if (verifiers.length > 0) {
    return denial("AUDIENCE_INVALID", "an audience that the verifier's entry does not name");
  }
  const operator = lookingEntry(caller);
  if (operator !== undefined) {
    const { entryId } = operator;
    return { entryId, isVerifier: false, audiences: [], maxStalenessSeconds, part: "all", concerns: () => true };
  }
  const own = new Set(caller.entries.filter((entry) => isOfKind(entry, "runtime")).map((entry) => entry.entryId));
  const [runtime] = own;
  const machine = machineOf(caller.process);
  if (runtime === undefined) return denial("NOT_ENTITLED", "only verifiers, runtimes and operators watch revocations");
  return {
    entryId: runtime,
    isVerifier: false,
    audiences: [],
    maxStalenessSeconds,
    part: JSON.stringify(["runs", machine ?? "", ...[...own].toSorted()]),
    concerns: (entry) => own.has(entry.runEntryId) && entry.runMachine === machine,
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
export type Beginning<Form> = {
  readonly kind: "resume" | "snapshot";
  /** Of a snapshot as the deny-list keeps them: what is denied later is put at the end of the same array. */
  readonly denials: readonly KeptDenial<Form>[];
  /** The sequence up to which the feed is then complete. */
  readonly through: number;
};

export type WatchPorts<Form> = {
  readonly ledger: Pick<Ledger, "head">;
  readonly notifier: Pick<Notifier, "subscribe">;
  readonly denyList: DenialsInForce<Form>;
};

/**
 * Subscribes first and looks at the deny-list second, so that nothing falls between what the watch begins with and what
 * is delivered; an entry that comes twice does no harm, since the deny-list of a watcher only grows.
 *
 * @param cursor - authentic, or `undefined` to begin with a snapshot.
 * @param deliver - called for every later batch, after the beginning was returned.
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function beginWatch<Form>(
  cursor: Cursor | undefined,
  deliver: (batch: FeedBatch) => void,
  { ledger, notifier, denyList }: WatchPorts<Form>,
): Promise<{ readonly beginning: Beginning<Form>; readonly go: () => void; readonly end: () => void }> {
  const early: FeedBatch[] = [];
  let target = (batch: FeedBatch): void => void early.push(batch);
  const { unsubscribe } = notifier.subscribe((batch) => target(batch));
  try {
    await denyList.ready();
    const list = denyList.list();
    if (list === undefined) throw new BrokerError("LEDGER_UNAVAILABLE", "the deny-list is being read anew");
    // What was delivered until now is in the list, which follows the same notifier.
    early.length = 0;
    const { denials, through } = list;
    // The list may have come from the tables, which are ahead of the notifier.
    const isNew = (batch: FeedBatch) => batch.through > through || batch.entries.some((one) => one.sequence > through);
    const missed = cursor?.epoch === ledger.head().epoch ? missedSince(cursor.sequence, denials) : undefined;
    return {
      beginning:
        missed === undefined
          ? { kind: "snapshot", denials, through }
          : { kind: "resume", denials: missed, through: Math.max(cursor?.sequence ?? 0, through) },
      go: () => {
        target = (batch) => {
          if (isNew(batch)) deliver(batch);
        };
        for (const batch of early.splice(0)) target(batch);
      },
      end: unsubscribe,
    };
  } catch (thrown) {
    unsubscribe();
    throw thrown;
  }
}

/** What was denied after a sequence; `undefined` when that is more than is told one watcher alone. */
function missedSince<Form>(
  sequence: number,
  denials: readonly KeptDenial<Form>[],
): readonly KeptDenial<Form>[] | undefined {
  const before = denials.at(-1 - LIMITS.resumedDenialsMax);
  if (before !== undefined && before.sequence > sequence) return undefined;
  const first = denials.findLastIndex((one) => one.sequence <= sequence) + 1;
  return denials.slice(first);
}
