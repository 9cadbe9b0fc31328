import type { Cancel, Clock } from "../ports/clock.ts";
import type { Facts, Log, RequestLine } from "../ports/log.ts";

const WINDOW_MS = 60_000;
/** As many equal refusals of a stranger as the ledger records one by one. */
const STRANGER_LINES_MAX = 10;
/** Kinds of line told apart at one time; past this number all further kinds of a method of the log are one. */
const WINDOWS_MAX = 1_000;

type Window = { lines: number; unwritten: number; readonly cancel: Cancel; readonly summary: (times: number) => void };

/**
 * A log in which equal lines of a minute that others can cause without end (connections refused, calls of strangers,
 * faults that come again and again) are written once, and then counted in one line when the minute is over: neither a
 * flood nor a disk that fails for hours may fill the log's disk.
 */
export function mergingLog(log: Log, clock: Pick<Clock, "schedule">): { readonly log: Log; flush(): void } {
  const windows = new Map<string, Window>();

  function end(key: string): void {
    const window = windows.get(key);
    windows.delete(key);
    window?.cancel();
    if (window !== undefined && window.unwritten > 0) window.summary(window.unwritten);
  }

  function merged(of: string, key: string, linesMax: number, write: () => void, summary: Window["summary"]): void {
    const isKnown = windows.has(`${of} ${key}`) || windows.size < WINDOWS_MAX;
    const name = isKnown ? `${of} ${key}` : of;
    let window = windows.get(name);
    if (window === undefined) {
      window = { lines: 0, unwritten: 0, cancel: clock.schedule(WINDOW_MS, () => end(name)), summary };
      windows.set(name, window);
    }
    if (window.lines < linesMax) {
      window.lines += 1;
      write();
    } else window.unwritten += 1;
  }

  function stranger(line: RequestLine): void {
    const { method, uid, outcome } = line;
    merged(
      "request",
      JSON.stringify([method, uid, outcome]),
      STRANGER_LINES_MAX,
      () => log.request(line),
      (times) => log.warning("further requests of the last minute, each like those before", facts({ times })),
    );
    function facts(more: Facts): Facts {
      return { method, uid, outcome, ...more };
    }
  }

  return {
    log: {
      ...log,
      request(line) {
        if (line.caller.length === 0 && line.outcome !== "OK") stranger(line);
        else log.request(line);
      },
      fault(what, error) {
        const why = error instanceof Error ? `${error.name} ${error.message}` : "";
        const summary = (times: number) =>
          log.warning("the same fault came again within the last minute", { what, times });
        merged("fault", `${what} ${why}`, 1, () => log.fault(what, error), summary);
      },
      recurring(what, facts) {
        const summary = (times: number) => log.warning(`${what}, again within the last minute`, { ...facts, times });
        merged("recurring", `${what} ${JSON.stringify(facts)}`, 1, () => log.recurring(what, facts), summary);
      },
    },
    flush() {
      for (const key of [...windows.keys()]) end(key);
    },
  };
}
