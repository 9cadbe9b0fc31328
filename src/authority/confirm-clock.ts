import type { Actor } from "../domain/actor.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Suspensions } from "./suspensions.ts";

export type ConfirmClockPorts = {
  readonly ledger: Pick<Ledger, "perform">;
  /** The broker's time, which `anchor` begins anew from the wall clock's. */
  readonly clock: Pick<Clock, "now" | "skewSeconds"> & { anchor(): void };
  readonly suspensions: Pick<Suspensions, "lift">;
  /** Told by how much time changed, so that what lasts until an instant ends at that instant by the new time. */
  readonly clockChanged: (bySeconds: number) => void;
};

/**
 * Takes over the wall clock's time, by operator's order: the act is recorded first, and then takes effect.
 *
 * @returns how far the clock was off, in seconds
 * @throws BrokerError LEDGER_UNAVAILABLE, and nothing has changed
 */
export async function confirmClock(by: Actor, ports: ConfirmClockPorts): Promise<number> {
  const { ledger, clock } = ports;
  const departed = clock.skewSeconds();
  const what = { operation: "confirm-clock", target: "clock", reason: `${departed.toFixed(3)} s` };
  await ledger.perform({ act: "record-operation", ...what, by, now: clock.now() });
  clock.anchor();
  ports.suspensions.lift("clock");
  ports.clockChanged(departed);
  return departed;
}
