import type { HistoryField } from "../../domain/history-filter.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { historyFieldMessageOf } from "../../wire/history-message.ts";
import { timestampOfMicros } from "../../wire/timestamps.ts";
import type { Period } from "./figure-command.ts";

type Where = { readonly [Field in HistoryField]?: string };

/** Asks for what was recorded in the period. */
export function filterOf(where: Where, { since, until }: Period) {
  return { terms: termsOf(where), since: instantOf(since), until: instantOf(until) };
}

/** Asks for what was alive at an instant, milliseconds since 1970. */
export function livingAt(where: Where, ms: number) {
  return { terms: termsOf(where), liveAt: instantOf(ms) };
}

function termsOf(where: Where) {
  return Object.entries(where).map(([field, value]) => ({
    field: historyFieldMessageOf(field as HistoryField),
    values: [value],
    excluded: false,
  }));
}

function instantOf(ms: number) {
  return timestampOfMicros((ms * 1_000) as UnixMicros);
}
