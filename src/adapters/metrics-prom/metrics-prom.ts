import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Log } from "../../ports/log.ts";

export type Metrics = {
  readonly registry: Registry;
  /** A log that passes all lines on to the given log, and counts each request. */
  counting(log: Log): Log;
};

/** From a step of the hot path, a fraction of a millisecond, to a call that waits for receipts. */
const SECONDS_BUCKETS = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 60];

/** What operators watch: requests by method and outcome, how far the ledger is, who listens. Prometheus' text. */
export function createMetrics(sources: {
  readonly ledgerSequence: () => number;
  readonly watchers: () => number;
  readonly isReady: () => boolean;
}): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests = new Counter({
    name: "stint_requests_total",
    help: "Calls answered, by method and outcome (OK, or the reason of the refusal).",
    labelNames: ["method", "outcome"],
    registers,
  });
  const seconds = new Histogram({
    name: "stint_request_seconds",
    help: "Time from a call's arrival to its answer.",
    labelNames: ["method"],
    buckets: SECONDS_BUCKETS,
    registers,
  });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge("stint_ledger_sequence", "Events in the ledger.", sources.ledgerSequence);
  gauge("stint_watchers", "Watches of the revocation feed that are connected.", sources.watchers);
  gauge("stint_ready", "1 while credentials are issued.", () => Number(sources.isReady()));

  return {
    registry,
    counting(log) {
      return {
        ...log,
        request(line) {
          requests.inc({ method: line.method, outcome: line.outcome });
          seconds.observe({ method: line.method }, line.durationMs / 1_000);
          log.request(line);
        },
      };
    },
  };
}
