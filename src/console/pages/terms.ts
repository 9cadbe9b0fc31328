import { shellQuoted } from "../../cli/output/shell-quoted.ts";
import {
  HISTORY_FIELDS,
  type HistoryField,
  type HistoryList,
  hasField,
  hasLives,
} from "../../domain/history-filter.ts";
import { historyFieldMessageOf } from "../../wire/history-message.ts";
import type { Filter } from "./lists.ts";

/** One filter of a search, as a query of its address says it: `agent=reader`, `not-agent=reader`, `since=15m`. */
export type Term = { readonly name: string; readonly value: string };

const EXCLUDING = "not-";
const BEFORE = /^([0-9]{1,9})(s|m|h|d)$/;
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };
const INSTANT = /^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})$/;

/** The names that a list is filtered by: those of the flags of `stint history`. */
export function namesOf(list: HistoryList): readonly string[] {
  const fields = (Object.keys(HISTORY_FIELDS) as HistoryField[]).filter((field) => hasField(list, field)).map(flagOf);
  return [
    ...fields,
    ...(list === "usage" ? [] : ["since", "until"]),
    ...(hasLives(list) ? ["live-at"] : []),
    "descendants-of",
  ];
}

/** The terms of an address; what no search has is left out. */
export function termsOf(query: URLSearchParams): readonly Term[] {
  return [...query].map(([name, value]) => ({ name, value })).filter(({ name, value }) => name !== "" && value !== "");
}

/**
 * The request's filter.
 *
 * @throws RangeError that says which term is none
 */
export function filterOf(list: HistoryList, terms: readonly Term[], now: number): Filter {
  const of = (wanted: string) => terms.filter(({ name }) => name === wanted).map(({ value }) => value);
  const instant = (name: string) => of(name).map((value) => instantOf(name, value, now))[0];
  const [since, until, liveAt] = [instant("since"), instant("until"), instant("live-at")];
  const known = namesOf(list);
  const names = [...new Set(terms.map(({ name }) => name))].filter((name) => !SPECIAL.includes(name));
  const unknown = terms.find(({ name }) => !known.includes(name) && !known.includes(name.replace(EXCLUDING, "")));
  if (unknown !== undefined) throw new RangeError(`${list} are not filtered by ${unknown.name}`);
  return {
    terms: names.map((name) => ({ field: fieldOf(name), values: [...of(name)], excluded: name.startsWith(EXCLUDING) })),
    descendantsOf: [...of("descendants-of")],
    ...(since !== undefined && { since }),
    ...(until !== undefined && { until }),
    ...(liveAt !== undefined && { liveAt }),
  };
}

const SPECIAL = ["since", "until", "live-at", "descendants-of"];

function flagOf(field: HistoryField): string {
  return field.replaceAll("_", "-");
}

function fieldOf(name: string) {
  const field = name.startsWith(EXCLUDING) ? name.slice(EXCLUDING.length) : name;
  return historyFieldMessageOf(field.replaceAll("-", "_") as HistoryField);
}

/** A time before now is fixed once it is asked for: a page that grew while it is read would not be one list. */
function instantOf(name: string, text: string, now: number) {
  const [, count, unit = ""] = BEFORE.exec(text) ?? [];
  const millis =
    count === undefined
      ? INSTANT.test(text)
        ? Date.parse(text)
        : Number.NaN
      : now - Number(count) * (SECONDS[unit] ?? 0) * 1_000;
  if (Number.isNaN(millis) || !Number.isFinite(millis)) {
    throw new RangeError(`${name}: an instant such as 2026-01-31T12:00:00Z, or a time ago such as 15m`);
  }
  return {
    seconds: BigInt(Math.floor(millis / 1_000)),
    nanos: Math.floor((((millis % 1_000) + 1_000) % 1_000) * 1_000_000),
  };
}

/** The same search on the command line. */
export function commandOf(list: HistoryList, terms: readonly Term[]): string {
  const flags = terms.map(({ name, value }) => ` --${name} ${shellQuoted(value)}`);
  return `stint history ${list}${flags.join("")}`;
}
