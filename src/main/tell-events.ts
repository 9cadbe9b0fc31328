import { createEventCounts, type EventCounts } from "../audit/event-counts.ts";
import { eventLine } from "../audit/event-line.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Log } from "../ports/log.ts";

/** Tells the log what is recorded from here on that no request's line tells of, and counts it for the metrics. */
export function tellEvents(
  ledger: Pick<Ledger, "follow" | "head">,
  log: Pick<Log, "info" | "warning">,
): { readonly counts: EventCounts; readonly end: () => void } {
  const counts = createEventCounts();
  const following = ledger.follow(
    {
      name: "log",
      take({ event }) {
        counts.take(event);
        const line = eventLine(event);
        if (line?.isWarning === true) log.warning(line.what, line.facts);
        else if (line !== undefined) log.info(line.what, line.facts);
      },
    },
    ledger.head().sequence,
  );
  return { counts, end: () => following.end() };
}
