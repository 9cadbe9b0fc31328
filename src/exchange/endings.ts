import { BrokerError } from "../domain/errors.ts";
import { ExchangeFailure, type ExchangeOutcome, lapses } from "../domain/exchange.ts";
import type { LedgerEvent } from "../domain/ledger-event.ts";
import { LIMITS } from "../domain/limits.ts";
import { isClosed, type Step } from "../domain/step.ts";
import { stepNamesOf } from "../domain/step-names.ts";
import { addSeconds, microsOf, secondsOf } from "../domain/time.ts";
import { type Charge, type Charges, chargesAmong } from "../follow/charge.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Clock } from "../ports/clock.ts";
import type { StepDirectory } from "../ports/directories.ts";
import type { ExchangeVault } from "../ports/exchange-vault.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";
import type { StandingExchange, StandingExchanges } from "../ports/standing-exchanges.ts";
import { createEndingQueue } from "./ending-queue.ts";
import type { ExchangeTargets } from "./exchange-targets.ts";
import { createKeptExchanges, type KeptExchange } from "./kept-exchanges.ts";

/** Ends secrets of other systems when their steps end. */
export type Endings = StandingExchanges & {
  readonly following: Following;
  /** Resolves once what was intended by this event is kept here, so that no end of its step is missed. */
  taken(sequence: number): Promise<void>;
  /** Resolves when nothing of a step at a target is being ended that can only be found by what it looks like. */
  blindEnding(stepId: string, target: string): Promise<void>;
  /**
   * Records what the other system answered. Where that can't be recorded, it is taken for unknown, and ended, as soon as
   * anything can be recorded again.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE
   */
  answer(exchangeId: string, outcome: ExchangeOutcome): Promise<void>;
  /** How many of each standing there are. */
  counts(): ReadonlyMap<StandingExchange["standing"], number>;
  stop(): void;
};

export type EndingsPorts = {
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly projections: Pick<ProjectionReads, "exchanges">;
  readonly stepDirectory: Pick<StepDirectory, "byId" | "followStep">;
  readonly targets: ExchangeTargets;
  readonly vault: ExchangeVault;
  /** Absent: the ledger is shared with nobody. */
  readonly charges?: Charges;
  readonly clock: Clock;
  /** Told of each end that has to be tried again; a line of the log, without secrets. */
  readonly delayed: (exchange: StandingExchange) => void;
  readonly failed: (error: unknown) => void;
};

const RETRY_MS = 1_000;
/** A system that was away for hours is told within a minute of its return. */
const RETRY_MS_MAX = 60_000;
/** A question whose asker is gone may still be on its way: what is not found by now is looked for once more after this. */
const LINGER_MICROS = 5_000_000;
/** The clock of the other side may be this far behind: until then its time is not over there. */
const LAPSE_SECONDS = LIMITS.clockSkewSecondsMax;

/**
 * Takes up every exchange of which something may be alive, ends those whose steps have ended, and follows the ledger from
 * there. A close never waits for it.
 *
 * @throws BrokerError LEDGER_UNAVAILABLE
 */
export async function keepEndings(ports: EndingsPorts): Promise<Endings> {
  const { clock, ledger, targets, vault, charges = chargesAmong(undefined) } = ports;
  const { value, through } = await ports.projections.exchanges(secondsOf(clock.now()));
  const kept = createKeptExchanges();
  const changes = createListeners(ports.failed);
  const queue = createEndingQueue();
  const blind = new Map<string, Promise<unknown>>();
  const chargeOf = ({ exchange }: KeptExchange) => charges.of(inChargeOf(exchange));
  let isStopped = false;

  function keep(exchange: KeptExchange["exchange"]): void {
    // An event that failed half-way is taken again, so the exchange may be kept already.
    const one = kept.add(exchange, exchange.state === "unknown" ? clock.now() : undefined);
    if (one === undefined) return;
    charges.heard({ ...inChargeOf(exchange), executor: { kind: "any" } });
    one.unfollow = ports.stepDirectory.followStep(exchange.stepId, (step) => closed(one, step));
    awaitExpiry(one);
  }

  function awaitExpiry(one: KeptExchange): void {
    one.cancelExpiry();
    const due = microsOf(addSeconds(one.exchange.expiresAt, LAPSE_SECONDS));
    one.cancelExpiry = clock.schedule(Math.max(0, Math.ceil((due - clock.now()) / 1_000)), () => end(one));
  }

  function closed(one: KeptExchange, step: Step): void {
    if (!isClosed(step.state)) return;
    kept.closed(one, step.closedSequence ?? 0);
    end(one);
  }

  function forget(exchangeId: string): void {
    const one = kept.remove(exchangeId);
    if (one === undefined) return;
    one.unfollow();
    one.cancelRetry();
    one.cancelExpiry();
    void vault.drop(exchangeId).catch(ports.failed);
    changes.tell();
  }

  function take({ event }: Committed): void {
    if (event.type === "exchange.intended") keep({ ...event.exchange, state: "intended" });
    if (event.type === "exchange.answered") takeAnswer(event);
    if (event.type === "exchange.ended") forget(event.exchangeId);
  }

  function takeAnswer({ exchangeId, outcome }: Extract<LedgerEvent, { type: "exchange.answered" }>): void {
    const one = kept.get(exchangeId);
    if (one === undefined) return;
    if (outcome.kind === "failed" && !outcome.mayExist) {
      forget(exchangeId);
      return;
    }
    const known = outcome.expiresAt === undefined ? {} : { expiresAt: outcome.expiresAt };
    one.exchange = { ...one.exchange, ...known, state: outcome.kind === "issued" ? "issued" : "unknown" };
    if (outcome.kind === "failed") one.unknownSince = clock.now();
    awaitExpiry(one);
    end(one);
  }

  function hasLapsed({ expiresAt }: KeptExchange["exchange"]): boolean {
    return clock.now() >= microsOf(addSeconds(expiresAt, LAPSE_SECONDS));
  }

  function isDue(one: KeptExchange): boolean {
    const { exchange, closedSequence } = one;
    // Whoever asks is still waiting for the answer, which comes soon or is recorded as unknown.
    if (exchange.state === "intended") return false;
    if (closedSequence !== undefined || hasLapsed(exchange)) return true;
    // What another broker has left can only be found by what it looks like, among secrets of the step that go on.
    return exchange.state === "unknown" && chargeOf(one) === "own";
  }

  function end(one: KeptExchange): void {
    if (isStopped || one.isEnding || kept.get(one.exchange.exchangeId) === undefined || !isDue(one)) return;
    const isOver = lapses(one.exchange.kind) && hasLapsed(one.exchange);
    // Another broker ends it, or only its time does.
    const isToWait = !isOver && targets.get(one.exchange.target)?.end === undefined;
    if (isToWait || chargeOf(one) === "another's") {
      changes.tell();
      return;
    }
    one.isEnding = true;
    one.cancelRetry();
    void ended(one, isOver).finally(() => {
      one.isEnding = false;
      changes.tell();
      // Its time may have come while it was under way.
      if (!isOver && lapses(one.exchange.kind) && hasLapsed(one.exchange)) end(one);
    });
  }

  async function ended(one: KeptExchange, isOver: boolean): Promise<void> {
    const { exchangeId, target } = one.exchange;
    try {
      if (!isOver) {
        const isKnown = await queue.run(target, () => tellTarget(one));
        const waitMs = isKnown ? 0 : lingersMs(one);
        if (waitMs > 0) {
          one.cancelRetry = clock.schedule(waitMs, () => end(one));
          return;
        }
      }
      const ending = isOver ? "lapsed" : "told";
      await ledger.perform({ act: "end-exchange", exchangeId, ending, now: clock.now() });
    } catch (thrown) {
      again(one, thrown);
    }
  }

  function again(one: KeptExchange, thrown: unknown): void {
    if (isStopped) return;
    if (!(thrown instanceof ExchangeFailure || thrown instanceof BrokerError)) ports.failed(thrown);
    one.failure = thrown instanceof ExchangeFailure ? thrown.message : "the end could not be recorded";
    const pauseMs = Math.min(RETRY_MS * 2 ** Math.min(one.failures, 10), RETRY_MS_MAX);
    one.failures += 1;
    one.cancelRetry = clock.schedule(pauseMs, () => end(one));
    ports.delayed(standingOf(one));
  }

  function lingersMs({ unknownSince }: KeptExchange): number {
    return unknownSince === undefined ? 0 : Math.ceil((unknownSince + LINGER_MICROS - clock.now()) / 1_000);
  }

  /** @returns whether it was known what to end. */
  async function tellTarget(one: KeptExchange): Promise<boolean> {
    const { exchangeId, stepId, target } = one.exchange;
    const step = await ports.stepDirectory.byId(stepId);
    if (step === undefined) throw new RangeError("an exchange of no step");
    const handle = await vault.find(exchangeId);
    const order = { exchangeId, spiffeId: step.spiffeId, names: stepNamesOf(step), others: [] };
    const tell = targets.get(target)?.end;
    if (handle !== undefined) {
      await tell?.({ ...order, handle });
      return true;
    }
    const siblings = siblingsOf(one);
    if (siblings.some(({ exchange }) => exchange.state === "intended")) {
      throw new ExchangeFailure("unavailable", "is being asked for another secret of the step", { mayExist: true });
    }
    const handles = await Promise.all(siblings.map(({ exchange }) => vault.find(exchange.exchangeId)));
    const others = handles.filter((known) => known !== undefined);
    const telling = Promise.resolve(tell?.({ ...order, others }));
    const key = keyOf(stepId, target);
    blind.set(
      key,
      telling.catch(() => undefined).finally(() => blind.delete(key)),
    );
    await telling;
    return false;
  }

  /** Those of the same step at the same target that go on. */
  function siblingsOf(one: KeptExchange): readonly KeptExchange[] {
    const { stepId, target } = one.exchange;
    return kept.ofStep(stepId).filter((other) => other !== one && other.exchange.target === target);
  }

  function standingOf({ exchange, closedSequence, failure }: KeptExchange): StandingExchange {
    const { exchangeId, stepId, target, kind, expiresAt, state } = exchange;
    const isHeld = closedSequence === undefined && state !== "unknown";
    const isToldOf = targets.get(target)?.end !== undefined;
    return {
      ...{ exchangeId, stepId, target, kind, expiresAt },
      standing: isHeld ? "held" : isToldOf ? "ending" : "lapsing",
      ...(failure === undefined ? {} : { failure }),
    };
  }

  function closedBy(sequence: number): readonly StandingExchange[] {
    return kept.closedBy(sequence).map(standingOf);
  }

  function record(exchangeId: string, outcome: ExchangeOutcome): Promise<unknown> {
    return ledger.perform({ act: "answer-exchange", exchangeId, outcome, now: clock.now() });
  }

  function recordUnknown(exchangeId: string): void {
    if (isStopped) return;
    record(exchangeId, { kind: "failed", failure: "was not recorded", mayExist: true }).catch(() => {
      clock.schedule(RETRY_MS, () => recordUnknown(exchangeId));
    });
  }

  await vault.dropAllBut(new Set(value.map(({ exchangeId }) => exchangeId)));
  for (const exchange of value) keep(exchange);
  const following = ledger.follow({ name: "secrets of other systems", take }, through);
  /** Nobody waits any more for what was asked by this broker before it started, or by one that is gone. */
  function takeOver(among: Charge): void {
    for (const one of kept.all()) {
      const { exchangeId, state } = one.exchange;
      if (state === "intended" && chargeOf(one) === among) recordUnknown(exchangeId);
      end(one);
    }
  }
  takeOver("own");
  takeOver("orphan");
  const stopCharges = charges.onChange(() => takeOver("orphan"));

  return {
    following,
    async taken(sequence) {
      if (await following.reached(sequence)) return;
      throw new BrokerError("NOT_SERVING", "what the broker keeps of other systems' secrets is behind the ledger");
    },
    async blindEnding(stepId, target) {
      await blind.get(keyOf(stepId, target));
    },
    async answer(exchangeId, outcome) {
      try {
        await record(exchangeId, outcome);
      } catch (thrown) {
        recordUnknown(exchangeId);
        throw thrown;
      }
    },
    counts() {
      const counts = new Map<StandingExchange["standing"], number>();
      for (const one of kept.all()) {
        const { standing } = standingOf(one);
        counts.set(standing, (counts.get(standing) ?? 0) + 1);
      }
      return counts;
    },
    onChange: changes.onChange,
    ofStep: (stepId) => kept.ofStep(stepId).map(standingOf),
    afterClose(closedSequence, waitMs) {
      const isSettled = () => !closedBy(closedSequence).some(({ standing }) => standing === "ending");
      if (waitMs === 0 || isSettled()) return Promise.resolve(closedBy(closedSequence));
      return new Promise((resolve) => {
        const done = () => {
          cancel();
          unsubscribe();
          resolve(closedBy(closedSequence));
        };
        const cancel = clock.schedule(waitMs, done);
        const unsubscribe = changes.onChange(() => {
          if (isSettled()) done();
        });
      });
    },
    stop() {
      isStopped = true;
      following.end();
      stopCharges();
      for (const one of kept.all()) {
        one.unfollow();
        one.cancelRetry();
        one.cancelExpiry();
      }
    },
  };
}

/** Each has a broker of its own that looks after it, whatever looks after the step. */
function inChargeOf({ exchangeId, replica }: KeptExchange["exchange"]) {
  return { stepId: exchangeId, ...(replica === undefined ? {} : { keeper: replica }) };
}

function keyOf(stepId: string, target: string): string {
  return `${stepId} ${target}`;
}
