import type { UnixMicros } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";

/** The longest delay that a timer of Node takes; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** What the clock reads; the machine's own unless a test says otherwise. */
export type TimeSource = {
  /** Milliseconds since 1970, UTC. May jump. */
  wallMs(): number;
  /** Milliseconds since any instant. Never goes back. */
  monotonicMs(): number;
};

const machine: TimeSource = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };

/**
 * The machine's time, anchored: the wall clock is read once, and from then on the monotonic clock counts. Where the two
 * clocks part, `skewSeconds` says how far, and `anchor` takes over the wall clock's time again.
 *
 * Timers do not keep the process alive.
 */
export function systemClock(source: TimeSource = machine): Clock & { anchor(): void } {
  // Micros of the wall minus micros of the monotonic clock.
  let offset = 0;
  const monotonicMicros = (): number => Math.floor(source.monotonicMs() * 1_000);
  const wallMicros = (): number => Math.floor(source.wallMs() * 1_000);
  const now = (): UnixMicros => (offset + monotonicMicros()) as UnixMicros;
  const anchor = (): void => {
    offset = wallMicros() - monotonicMicros();
  };
  anchor();

  return {
    now,
    anchor,
    skewSeconds: () => (wallMicros() - now()) / 1_000_000,
    monotonicMs: () => source.monotonicMs(),

    schedule(delayMs, call) {
      const due = source.monotonicMs() + delayMs;
      let timer: NodeJS.Timeout;
      const wait = (): void => {
        const leftMs = due - source.monotonicMs();
        timer = setTimeout(
          // A timer may fire a fraction too early, and a long delay takes several timers.
          () => (source.monotonicMs() < due ? wait() : call()),
          Math.min(Math.max(Math.ceil(leftMs), 0), TIMER_MS_MAX),
        );
        timer.unref();
      };
      wait();
      return () => clearTimeout(timer);
    },
  };
}
