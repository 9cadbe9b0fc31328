import { type Closure, closureOf, type Leeway, reachedClosure } from "../domain/closure.ts";
import { BrokerError } from "../domain/errors.ts";
import type { UnixMicros } from "../domain/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ClosedBy, HistoryReads } from "../ports/ledger-reads.ts";
import type { StandingExchanges } from "../ports/standing-exchanges.ts";
import type { ReceiptBook } from "./receipts.ts";

export type ClosurePorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly history: Pick<HistoryReads, "closedBy">;
  readonly receipts: Pick<ReceiptBook, "standings" | "onChange">;
  readonly exchanges: Pick<StandingExchanges, "onChange">;
  readonly leewayOf: Leeway;
  readonly clock: Clock;
};

/** What is certain of the close with a sequence. */
export type StepClosure = Closure & {
  readonly closedSequence: number;
  /** Since when it is recorded that nobody accepts anything of it. Absent where it is not CLOSED, or time alone made it so. */
  readonly reachedAt?: UnixMicros;
};

/** Among a thousand verifiers that acknowledge one after another, a closure is looked at once for all that did in this time. */
const LOOK_AGAIN_MS = 20;
/** The longest that a timer waits; it then looks when the next is due. */
const TIMER_MS_MAX = 60_000;

/**
 * The closure as it is now. That it is CLOSED before time alone would have made it so is recorded before it is told, so that
 * no restart and no change of registrations takes it back.
 *
 * @returns `undefined` where the event with this sequence closed nothing
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read
 */
export async function closureAfter(closedSequence: number, ports: ClosurePorts): Promise<StepClosure | undefined> {
  const closed = await ports.history.closedBy(closedSequence);
  return closed === undefined ? undefined : settled(closedSequence, closed, ports);
}

/**
 * The closure as it is now, and then whenever it changes; ends with the one that is CLOSED.
 *
 * @param signal - aborted when nobody listens any more.
 * @throws BrokerError LEDGER_UNAVAILABLE when the ledger can't be read, NOT_SERVING when it is closed meanwhile
 */
export async function* closuresAfter(
  closedSequence: number,
  signal: AbortSignal,
  ports: ClosurePorts,
): AsyncGenerator<StepClosure, void, void> {
  const { receipts, exchanges, clock } = ports;
  let wake = Promise.withResolvers<void>();
  const look = () => wake.resolve();
  const ends = [receipts.onChange(look), exchanges.onChange(look)];
  signal.addEventListener("abort", look);
  try {
    let closed = await ports.history.closedBy(closedSequence);
    let told = "";
    while (closed !== undefined && !signal.aborted) {
      // From here on a change wakes: it is seen by this look, or leads to the next.
      wake = Promise.withResolvers();
      const closure = await settled(closedSequence, closed, ports);
      const text = JSON.stringify(closure);
      if (text !== told) yield closure;
      told = text;
      if (closure.state === "CLOSED") return;
      const cancel = clock.schedule(msToNext(closure, clock.now()), look);
      await wake.promise;
      cancel();
      await new Promise<void>((resolve) => void clock.schedule(LOOK_AGAIN_MS, resolve));
      // What was closed stays what it was; only exchanges end.
      if (closed.exchanges.length > 0) closed = await ports.history.closedBy(closedSequence);
    }
  } finally {
    for (const end of ends) end();
    signal.removeEventListener("abort", look);
  }
}

/** Until time alone may change something: a verifier lapses, or credentials are past what their audience allows. */
function msToNext({ places, verifiers }: Closure, now: UnixMicros): number {
  const instants = [...places.map(({ until }) => until), ...verifiers.flatMap(({ lapsesAt = now }) => [lapsesAt])];
  const next = Math.min(...instants.filter((instant) => instant > now));
  return Math.min(Math.ceil((next - now) / 1_000), TIMER_MS_MAX);
}

async function settled(closedSequence: number, closed: ClosedBy, ports: ClosurePorts): Promise<StepClosure> {
  const { credentials, closedAt, exchanges } = closed;
  const { receipts, leewayOf, clock } = ports;
  const now = clock.now();
  const given = { closed: credentials, closedAt, exchanges, leewayOf, now };
  const closure = closureOf({ ...given, verifiers: receipts.standings(closedSequence, closedAt) });
  const reachedAt = closed.reachedAt ?? (await recorded(closure, given, closedSequence, ports));
  if (reachedAt === undefined) return { ...closure, closedSequence };
  return { ...reachedClosure(closure, reachedAt), closedSequence, reachedAt };
}

async function recorded(
  closure: Closure,
  given: Omit<Parameters<typeof closureOf>[0], "verifiers">,
  closedSequence: number,
  { ledger }: ClosurePorts,
): Promise<UnixMicros | undefined> {
  if (closure.state !== "CLOSED") return undefined;
  // Without any verifier only time closes, and what is past stays past without a record.
  if (closureOf({ ...given, verifiers: [] }).state === "CLOSED") return undefined;
  try {
    return (await ledger.perform({ act: "reach-closure", closedSequence, now: given.now })).reachedAt;
  } catch (thrown) {
    // It is true all the same, and whoever asks next finds it again.
    if (thrown instanceof BrokerError && thrown.code === "LEDGER_UNAVAILABLE") return undefined;
    throw thrown;
  }
}
