import { BrokerError } from "../../domain/errors.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { ActName, LedgerAct, ResultOf } from "../../ports/ledger-acts.ts";
import type { Outcome } from "./store.ts";

/** In a larger group the first act would only wait for the last. */
const GROUP_ACTS_MAX = 512;
/** A signature takes as long as a row: in a larger group whoever is first would wait for too many, and the event loop for all. */
const GROUP_SIGNED_MAX = 32;
/** An act that would wait longer than a few seconds is better refused at once. */
const WAITING_ACTS_MAX = 16_384;

/** Acts that are large, come one after the other, and have nobody wait for a single one of them. */
const BACKGROUND_ACTS: ReadonlySet<ActName> = new Set(["judge-steps", "prune-events"]);

type Waiting = {
  readonly act: LedgerAct;
  /** `undefined`: there was no answer. */
  readonly settle: (outcome: Outcome | undefined) => void;
  readonly reject: (error: unknown) => void;
};

/** Takes acts one by one and hands them on in groups. */
export type GroupQueue = Pick<Ledger, "perform"> & {
  /** Resolves when every act that was asked for is answered; later acts are refused. */
  drain(): Promise<void>;
};

/**
 * Group commit without a timer: while one group is being committed, the next group gathers, and is handed on when the
 * first is done, before anybody works on its answers. So a single act never waits for company. An act of the background goes in a group of its own and
 * lets one group go first, so that whoever waits for an answer waits for one such act at most.
 *
 * @param commit - answers act by act, in order; a rejection answers all acts of the group.
 */
export function createGroupQueue(commit: (acts: readonly LedgerAct[]) => Promise<readonly Outcome[]>): GroupQueue {
  const waiting: Waiting[] = [];
  const background: Waiting[] = [];
  let isRunning = false;
  let isClosed = false;
  const idle: (() => void)[] = [];

  async function run(): Promise<void> {
    // All acts that the same turn of the event loop asks for go together.
    await Promise.resolve();
    let wasPassedOver = false;
    while (waiting.length + background.length > 0) {
      const isDue: boolean = waiting.length === 0 || wasPassedOver;
      const group = isDue && background.length > 0 ? background.splice(0, 1) : waiting.splice(0, sizeOfNext(waiting));
      wasPassedOver = !isDue && background.length > 0;
      const answer = await committed(group);
      // Whoever asked goes on once this function waits again: by then the next group is handed on.
      answer();
    }
    isRunning = false;
    for (const resolve of idle.splice(0)) resolve();
  }

  /** Hands a group on; gives what answers it. */
  async function committed(group: readonly Waiting[]): Promise<() => void> {
    try {
      const outcomes = await commit(group.map(({ act }) => act));
      return () => {
        for (const [position, { settle: answer }] of group.entries()) answer(outcomes[position]);
      };
    } catch (thrown) {
      return () => {
        for (const { reject } of group) reject(thrown);
      };
    }
  }

  return {
    perform<Name extends ActName>(act: LedgerAct<Name> & { readonly act: Name }): Promise<ResultOf<Name>> {
      return new Promise((resolve, reject) => {
        if (isClosed) return reject(new BrokerError("NOT_SERVING", "the ledger is closed"));
        if (waiting.length + background.length >= WAITING_ACTS_MAX) {
          return reject(new BrokerError("LEDGER_UNAVAILABLE", "too many acts are waiting to be recorded"));
        }
        const settleOne = (outcome: Outcome | undefined) => {
          // The store answers each act with the result of its kind.
          if (outcome?.kind === "done") resolve(outcome.result as ResultOf<Name>);
          else reject(outcome?.error ?? new BrokerError("LEDGER_UNAVAILABLE", "the ledger gave no answer"));
        };
        const queue = BACKGROUND_ACTS.has(act.act) ? background : waiting;
        queue.push({ act, settle: settleOne, reject });
        if (isRunning) return;
        isRunning = true;
        void run();
      });
    },
    drain() {
      isClosed = true;
      return isRunning ? new Promise((resolve) => idle.push(resolve)) : Promise.resolve();
    },
  };
}

/** How many of those that wait go together, at least one. */
function sizeOfNext(waiting: readonly Waiting[]): number {
  let signed = 0;
  let size = 0;
  for (const { act } of waiting) {
    signed += act.act === "record-issuances" ? act.items.length : 0;
    if (size === GROUP_ACTS_MAX || (size > 0 && signed > GROUP_SIGNED_MAX)) break;
    size += 1;
  }
  return size;
}
