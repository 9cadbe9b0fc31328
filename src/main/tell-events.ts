import { eventLine } from "../audit/event-line.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { Log } from "../ports/log.ts";

/**
 * Tells the log what is recorded from here on that no request's line tells of.
 *
 * @returns ends it.
 */
export function tellEvents(ledger: Pick<Ledger, "follow" | "head">, log: Pick<Log, "info" | "warning">): () => void {
  const following = ledger.follow(
    {
      name: "log",
      take({ event }) {
        const line = eventLine(event);
        if (line?.isWarning === true) log.warning(line.what, line.facts);
        else if (line !== undefined) log.info(line.what, line.facts);
      },
    },
    ledger.head().sequence,
  );
  return () => following.end();
}
