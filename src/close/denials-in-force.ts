import type { NodeName } from "../domain/node-name.ts";
import { forgetAfter } from "../domain/revocation.ts";
import { secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { DenyEntry, FeedReads } from "../ports/ledger-reads.ts";
import { type FeedBatch, type Notifier, nextTurn } from "./notify.ts";

/** Whom a denial concerns. */
export type Concern = Pick<DenyEntry, "audiences" | "concernsAll" | "runEntryId" | "runMachine">;

/** A denial as it is kept: whom it concerns, for how long, and the form in which it is given on, which is made once. */
export type KeptDenial<Form> = Concern & Pick<DenyEntry, "sequence" | "latestExpiry"> & { readonly form: Form };

/**
 * The deny-list, in ledger order and complete up to the sequence `through`; later events denied nothing. What is denied
 * later is put at the end of the same array; an array that something was taken out of is another one.
 */
export type DenyList<Form> = { readonly denials: readonly KeptDenial<Form>[]; readonly through: number };

export type DenialsInForce<Form> = {
  /**
   * Resolves once the deny-list is there. It is read from the ledger when it is first asked for, once for all who ask.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE
   */
  ready(): Promise<void>;
  /** The deny-list as of now; `undefined` when it is not there, or no more, so that `ready` is to be waited for. */
  list(): DenyList<Form> | undefined;
};

export type DenialsInForcePorts<Form> = {
  readonly ledger: Pick<Ledger, "head">;
  readonly feed: Pick<FeedReads, "inForce">;
  readonly notifier: Pick<Notifier, "subscribe">;
  readonly clock: Pick<Clock, "now">;
  /** The form in which a denial is given on. */
  readonly formOf: (entry: DenyEntry) => Form;
};

/** How often the list is searched for what may be forgotten: all of it is visited, so not with each denial. */
const SWEEP_SECONDS = 60;

type Kept<Form> = { denials: KeptDenial<Form>[]; through: number; sweptAt: UnixSeconds; readonly forget: () => void };

/**
 * Keeps the deny-list beside the ledger, in the form in which all watchers are sent it. What may be forgotten is kept for
 * a minute more at most; it does no harm at a watcher, which forgets by itself.
 */
export function keepDenialsInForce<Form>(ports: DenialsInForcePorts<Form>): DenialsInForce<Form> {
  let kept: Kept<Form> | undefined;
  let reading: Promise<void> | undefined;

  async function read(): Promise<void> {
    const late: FeedBatch[] = [];
    let take = (batch: FeedBatch): void => void late.push(batch);
    const forget = ports.notifier.subscribe((batch) => take(batch)).unsubscribe;
    // All that was delivered before the subscription is in the tables, and has no later sequence than this.
    const { sequence: end } = ports.ledger.head();
    try {
      const now = secondsOf(ports.clock.now());
      const formed = forming(ports.formOf);
      const denials: KeptDenial<Form>[] = [];
      for await (const part of ports.feed.inForce(now)) {
        for (const entry of part) if (entry.sequence <= end) denials.push(formed(entry));
        await nextTurn();
      }
      denials.sort((a, b) => a.sequence - b.sequence);
      const list: Kept<Form> = { denials, through: end, sweptAt: now, forget };
      take = (batch) => {
        try {
          for (const entry of batch.entries) if (entry.sequence > end) list.denials.push(formed(entry));
          list.through = Math.max(list.through, batch.through);
          sweep(list, secondsOf(ports.clock.now()));
        } catch (thrown) {
          // A list that lacks something must not be told as the whole.
          drop(list);
          throw thrown;
        }
      };
      for (const batch of late) take(batch);
      kept = list;
    } catch (thrown) {
      forget();
      throw thrown;
    }
  }

  function drop(list: Kept<Form>): void {
    list.forget();
    if (kept === list) kept = undefined;
  }

  return {
    async ready() {
      if (kept !== undefined) return sweep(kept, secondsOf(ports.clock.now()));
      reading ??= read().finally(() => {
        reading = undefined;
      });
      await reading;
    },
    list: () => kept,
  };
}

function sweep(list: Kept<unknown>, now: UnixSeconds): void {
  if (now < list.sweptAt + SWEEP_SECONDS) return;
  list.sweptAt = now;
  const left = list.denials.filter(({ latestExpiry }) => forgetAfter(latestExpiry) > now);
  if (left.length < list.denials.length) list.denials = left;
}

/** Makes entries into what is kept of them. Texts that most denials share are kept once. */
function forming<Form>(formOf: (entry: DenyEntry) => Form): (entry: DenyEntry) => KeptDenial<Form> {
  const places = new Map<string, readonly string[]>();
  const entryIds = new Map<string, string>();
  const machines = new Map<string, NodeName>();
  return (entry) => ({
    sequence: entry.sequence,
    latestExpiry: entry.latestExpiry,
    audiences: once(places, entry.audiences.join("\n"), entry.audiences),
    concernsAll: entry.concernsAll,
    runEntryId: once(entryIds, entry.runEntryId, entry.runEntryId),
    ...(entry.runMachine === undefined ? {} : { runMachine: once(machines, entry.runMachine, entry.runMachine) }),
    form: formOf(entry),
  });
}

function once<Value>(known: Map<string, Value>, key: string, value: Value): Value {
  const before = known.get(key);
  if (before !== undefined) return before;
  // Begun anew rather than let grow: places of single steps come and go.
  if (known.size >= SHARED_MAX) known.clear();
  known.set(key, value);
  return value;
}

/** Sets of audiences, runtimes and machines: some hundred at a large site. */
const SHARED_MAX = 10_000;
