import { isExampleName, EXAMPLES as KNOWN } from "./figures.ts";
import type { Report, ReportedFigure } from "./report.ts";

/*
 * What a report says in words of its own, the same in HTML and PDF.
 */

export function titleOf({ framework, trust_domain: trustDomain }: Report): string {
  return `Stint at ${trustDomain}: evidence for ${framework.name} ${framework.version}`;
}

export function factsOf(report: Report): readonly (readonly [term: string, said: string])[] {
  const { framework, ledger } = report;
  const kept = Object.entries(ledger.kept_for).map(([name, seconds]) => `${name} ${seconds / SECONDS_PER_DAY} days`);
  return [
    ["Trust domain", report.trust_domain],
    ["Framework", `${framework.name} ${framework.version}, ${framework.date} (${framework.id})`],
    ["Source", framework.source],
    ["Mapping reviewed", framework.reviewed],
    ["Period", `from ${report.period.since} on, and before ${report.period.until}`],
    ["Made", `${report.made_at} by ${report.made_by}`],
    ["Ledger", `${ledger.epoch}; its first event is of ${ledger.begins_at ?? "no time"}`],
    ["Content of events is kept for", kept.length === 0 ? "as long as there is the ledger" : kept.join(", ")],
  ];
}
const SECONDS_PER_DAY = 86_400;

export const READING: readonly string[] = [
  "For each control: what Stint does for it, what the ledger shows for the period, and what Stint does not cover. It is no statement of conformity: most of every framework is for people and other systems, and is listed here as not covered.",
  "A figure is what the broker answered when this report was made. With each stands the command that gives it: whoever has the role of a viewer runs it and compares. That the ledger which it counts was not rewritten is for stint ledger verify, and for a proof of consistency with an earlier checkpoint.",
  "Examples are proved: the bytes of the event, its place, and a signed checkpoint of the tree. Check them without the broker, by the ledger's key, which is to be had from the operator by a way that you trust and not from this file. What stands in this file beside the proven events is proved by nothing.",
  "What Stint promises, against whom, and by which tests it is shown, is in docs/security.md, in whose words promises are named here.",
];

export const CHECK_COMMANDS = "stint ledger check <this file> --key <key from the operator>\nstint ledger verify";

export const NOTHING = "Stint does nothing for this.";
export const NO_OTHERS = "There are none: every control is above.";
export const FIGURES =
  "Each with the command that gives it. Groups are the largest 20; a row that has several values is in the group of each.";
export const EXAMPLES =
  "The newest of its kind in the period, each as it was recorded, with its proof. They say who did what: give them to nobody who should not know that.";
export const CHECKPOINT =
  "The newest signed one when the figures were counted. Keep it: later the ledger can prove that it continues it.";
export const VERIFIER_KEY = "The key that the broker gave. Compare it with the one that you have from the operator:";
export const DATA =
  "All that this page shows, as JSON. Whoever checks the page has it made anew of these data, and compares. The digest names what the report says, in whatever format: ask whoever made it for theirs.";
export const MAY_CHANGE =
  "This number may be another when it is asked for again: what is open yet will come out somehow.";

/** Which program made a report: one of another version may show the same data otherwise. */
export function madeBy(version: string): string {
  return `stint ${version}`;
}

export function does(claims: number): string {
  return claims === 0 ? "nothing" : claims === 1 ? "one thing" : `${claims} things`;
}

export function promise(text: string): string {
  const [who = "", what = ""] = text.split(/: (.*)/s);
  return `The promise: what stands in the way where ${who} tries to ${what} (docs/security.md).`;
}

export function exampleTitle(id: string): string {
  return isExampleName(id) ? KNOWN[id].title : id;
}

export function groupValue(value: string | null): string {
  return value ?? "none";
}

/** What a figure comes to, beside its title. */
export function amount({ count, seconds }: ReportedFigure): string {
  if (seconds === undefined) return String(count);
  const { least, mean, most } = seconds;
  return least === null || mean === null || most === null
    ? "of none"
    : `at most ${shownSeconds(most)}, on average ${shownSeconds(mean)}, at least ${shownSeconds(least)}, of ${count}`;
}

function shownSeconds(seconds: number): string {
  return seconds < 1 ? `${Math.round(seconds * 1_000_000) / 1_000} ms` : `${Math.round(seconds * 1_000) / 1_000} s`;
}

export function inAll({ groups_left_out: groups = 0, count_left_out: count = 0 }: ReportedFigure): string {
  return groups === 0 ? " in all" : ` in all; ${groups} groups are left out, of ${count} together`;
}

export function noExample(why: string): string {
  return `There is no example: ${why}.`;
}
