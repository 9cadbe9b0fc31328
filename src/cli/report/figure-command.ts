import type { HistoryField } from "../../domain/history-filter.ts";
import type { Figure } from "./figures.ts";

/** What a report is about: what was recorded from `since` on, and before `until`; milliseconds since 1970. */
export type Period = { readonly since: number; readonly until: number };

/** The command that counts the same, for whoever does not take a report's word. */
export function figureCommand({ list, where, groupBy, howLong, liveAtEnd }: Figure, period: Period): string {
  const counted = groupBy === undefined ? ["--count"] : ["--group-by", flagOf(groupBy)];
  const told = howLong === undefined ? counted : ["--how-long", howLong];
  const when = liveAtEnd === true ? ["--live-at", instantText(period.until)] : periodFlags(period);
  return ["stint", "history", list, ...fieldFlags(where), ...told, ...when].join(" ");
}

/** An instant as flags take it. */
export function instantText(ms: number): string {
  return new Date(ms).toISOString();
}

function periodFlags({ since, until }: Period): readonly string[] {
  return ["--since", instantText(since), "--until", instantText(until)];
}

function fieldFlags(where: Figure["where"]): readonly string[] {
  return Object.entries(where).flatMap(([field, value]) => [`--${flagOf(field as HistoryField)}`, value]);
}

function flagOf(field: HistoryField): string {
  return field.replaceAll("_", "-");
}
