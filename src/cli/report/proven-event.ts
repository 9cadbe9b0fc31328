import { eventMembers } from "../output/event-members.ts";
import type { Json } from "../output/view.ts";

/**
 * An event in the words of everything else.
 *
 * @param entry - its bytes in the ledger: canonical JSON.
 */
export function provenEvent(entry: Uint8Array): Json {
  return eventMembers(JSON.parse(Buffer.from(entry).toString("utf8")) as Json);
}
