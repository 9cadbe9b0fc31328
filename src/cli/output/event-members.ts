import { processFrom } from "../../domain/process.ts";
import type { UnixMicros, UnixSeconds } from "../../domain/time.ts";
import { timestampOfMicros, timestampOfSeconds } from "../../wire/timestamps.ts";
import { instantField, processField } from "./fields.ts";
import type { Json } from "./view.ts";

/** Members whose values are instants. */
const INSTANT = /^at$|At$|^notBefore$|^stateSince$/;
/** Members whose values are one text for one process, see `formatProcess`. */
const PROCESS = /^(?:process|opener|executor)$/;
/** The ledger counts seconds in credentials and microseconds in what it did: until 1970-01-12 in one, from year 33,658 in the other. */
const FEWEST_MICROS = 1_000_000_000_000;

/**
 * An event in the words and units in which everything else is told: names in snake case, instants in RFC 3339, processes by their
 * parts. What a newer version says goes by the same rules.
 *
 * @param event - the event as it was hashed, parsed.
 */
export function eventMembers(event: Json, name = ""): Json {
  if (typeof event === "number") return INSTANT.test(name) ? instantOf(event) : event;
  if (typeof event === "string") return PROCESS.test(name) ? processOf(event) : event;
  if (typeof event !== "object" || event === null) return event;
  if (Array.isArray(event)) return event.map((one) => eventMembers(one as Json, name));
  return Object.fromEntries(Object.entries(event).map(([key, value]) => [snakeCase(key), eventMembers(value, key)]));
}

function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function instantOf(instant: number): Json {
  if (!Number.isSafeInteger(instant)) return instant;
  return instantField(
    instant < FEWEST_MICROS ? timestampOfSeconds(instant as UnixSeconds) : timestampOfMicros(instant as UnixMicros),
  );
}

function processOf(text: string): Json {
  try {
    const { startTimeTicks, ...process } = processFrom(text);
    return processField({ ...process, startTimeTicks: BigInt(startTimeTicks) });
  } catch {
    return text;
  }
}
