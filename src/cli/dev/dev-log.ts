import type { Writable } from "node:stream";
import { BrokerError } from "../../domain/errors.ts";
import type { openBroker } from "../../main.ts";
import { showControls } from "../output/show-controls.ts";

type Log = Parameters<typeof openBroker>[1];
type Facts = Parameters<Log["recurring"]>[1];

/** What a throw-away broker tells the person in front of it: faults, and each request when asked for. */
export function devLog(err: Writable, verbose: boolean): Log {
  const say = (text: string) => void err.write(`stint dev: ${showControls(text)}\n`);
  return {
    request({ method, outcome, caller, pid, durationMs }) {
      if (verbose) say(`${method} ${outcome} ${durationMs.toFixed(1)} ms pid ${pid} as ${caller.join(", ")}`);
    },
    fault(what, error) {
      const detail = error instanceof BrokerError && error.detail !== undefined ? ` (${error.detail})` : "";
      say(`${what}: ${error instanceof Error ? error.message : "not an error"}${detail}`);
    },
    warning(what, facts = {}) {
      say(withFacts(what, facts));
    },
    recurring(what, facts) {
      say(withFacts(what, facts));
    },
    info() {
      // `runDev` says what is of use once the broker serves.
    },
  };
}

/** `a verifier listens (verifier dev, maxStalenessSeconds 60)` */
function withFacts(what: string, facts: Facts): string {
  const told = Object.entries(facts).map(([name, value]) => `${name} ${String(value)}`);
  return told.length === 0 ? what : `${what} (${told.join(", ")})`;
}
