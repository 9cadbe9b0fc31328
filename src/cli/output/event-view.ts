import { EVENT_TYPES } from "../../domain/event-types.ts";
import type { Event } from "../../gen/stint/v1/history_pb.js";
import { eventMembers } from "./event-members.ts";
import { hexField, instantCell, instantField, sequenceField } from "./fields.ts";
import type { Json, View } from "./view.ts";

/** Characters of the longest type, so that the last column of a stream begins at one place. */
const EVENT_TYPE_WIDTH = Math.max(...EVENT_TYPES.map((type) => type.length));

export const eventView: View<Event> = {
  fields: [
    ["sequence", (event) => sequenceField(event.sequence)],
    ["recorded_at", (event) => instantField(event.recordedAt)],
    ["type", (event) => event.type],
    ["event", (event) => readable(event)],
    ["canonical", (event) => canonicalOf(event)],
    ["leaf_hash", (event) => hexField(event.leafHash)],
  ],
  columns: [
    { header: "SEQUENCE", text: (event) => String(event.sequence), align: "right" },
    { header: "RECORDED", text: (event) => instantCell(event.recordedAt) },
    { header: "TYPE", text: (event) => event.type.padEnd(EVENT_TYPE_WIDTH) },
    { header: "EVENT", text: (event) => membersText(readable(event)) },
  ],
};

/** The very text that was hashed: `leaf_hash` is its SHA-256 behind a zero byte, RFC 9162 section 2.1.1. */
function canonicalOf(event: Event): string {
  return new TextDecoder().decode(event.canonical);
}

/** The event in the words of the other views. */
function readable(event: Event): Json {
  if (event.canonical.length === 0) return { pruned: true };
  return eventMembers(parsed(canonicalOf(event)));
}

/** Text that is no JSON stays text, for then something is very wrong and must be seen. */
function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

/** The members of an event that the other columns do not show. */
function membersText(event: Json): string {
  if (typeof event !== "object" || event === null || Array.isArray(event)) return JSON.stringify(event);
  const members = Object.entries(event).filter(([name]) => !["type", "v", "at"].includes(name));
  return JSON.stringify(Object.fromEntries(members));
}
