import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { UnixMicros } from "../../domain/time.ts";

/** How far a standby is, asked at each scrape; what is not known is absent. */
export type StandbySample = {
  readonly head?: { readonly sequence: number };
  readonly heard?: { readonly newest: number; readonly at: UnixMicros };
  readonly why?: string;
  readonly now: UnixMicros;
};

const MICROS_PER_SECOND = 1_000_000;

/** What operators watch of a standby: whether it follows, how far it is, and since when its primary is not heard. Prometheus' text. */
export function createStandbyMetrics(sample: () => StandbySample): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = (name: string, help: string, read: (now: StandbySample) => number) =>
    new Gauge({
      ...{ name, help, registers: [registry] },
      collect() {
        this.set(read(sample()));
      },
    });
  gauge("stint_standby_following", "1 while the primary's ledger is followed.", ({ why }) => Number(why === undefined));
  gauge(
    "stint_standby_sequence",
    "Events in the copy; 0 until the first copy is whole.",
    ({ head }) => head?.sequence ?? 0,
  );
  const ofBehind = "Events that the primary had when it was heard last, and the copy has not; NaN until it was heard.";
  gauge("stint_standby_behind_events", ofBehind, ({ head, heard }) =>
    heard === undefined ? Number.NaN : Math.max(0, heard.newest - (head?.sequence ?? 0)),
  );
  const ofUnheard = "Time since the primary was heard last; NaN until it was.";
  gauge("stint_standby_unheard_seconds", ofUnheard, ({ heard, now }) =>
    heard === undefined ? Number.NaN : (now - heard.at) / MICROS_PER_SECOND,
  );
  return registry;
}
