import { covers, type Grant, type GrantElement, limitedTo } from "../domain/grant.ts";
import type { LeftOut } from "./explanation.ts";

/** A request with less in it: its elements at their places, `undefined` for one that is left out. */
export type Reduced = readonly (GrantElement | undefined)[];

type Member = "actions" | "locations" | "datatypes";
const MEMBERS: readonly Member[] = ["actions", "locations", "datatypes"];

/**
 * Every request with one thing less: an element; an action, a server or a data class of one element, or of all. The one
 * that loses least comes first. None is empty.
 *
 * @param refused - places of what was refused: leaving all of it out counts as one thing.
 * @param limits - what each refused element could be narrowed to, where that is known.
 */
export function reductionsOf(
  requested: Grant,
  refused: readonly number[],
  limits: readonly Grant[],
): readonly Reduced[] {
  const found: Reduced[] = [requested.map((element, index) => (refused.includes(index) ? undefined : element))];
  for (const [index, element] of requested.entries()) {
    const replaced = (by: GrantElement | undefined) => requested.map((one, at) => (at === index ? by : one));
    found.push(replaced(undefined));
    for (const member of MEMBERS)
      for (const value of element[member]) found.push(replaced(less(element, member, value)));
    for (const limit of limits) for (const wide of limit) found.push(replaced(narrowed(element, wide)));
  }
  // Budgets are drawn on together: what is left for one element hangs on the others.
  for (const limit of limits) found.push(limitedTo(requested, limit, true));
  for (const member of MEMBERS) {
    for (const value of new Set(requested.flatMap((element) => element[member] as readonly string[]))) {
      found.push(requested.map((element) => less(element, member, value)));
    }
  }
  return byLoss(requested, found);
}

/** Each two reductions together, the pair that loses least first. */
export function pairsOf(requested: Grant, reductions: readonly Reduced[]): readonly Reduced[] {
  const found = reductions.flatMap((one, index) =>
    reductions.slice(index + 1).map((other) => one.map((element, at) => common(element, other[at]))),
  );
  return byLoss(requested, found);
}

/** What of a request is not in its reduction. */
export function leftOut(requested: Grant, reduced: Reduced): readonly LeftOut[] {
  return requested.flatMap((element, index): LeftOut[] => {
    const kept = reduced[index];
    if (kept === undefined) return [{ element, actions: [], locations: [], datatypes: [] }];
    const missing = (member: Member) =>
      (element[member] as readonly string[]).filter((one) => !(kept[member] as readonly string[]).includes(one));
    const [actions, locations, datatypes] = [missing("actions"), missing("locations"), missing("datatypes")];
    const isFewer = kept.max_calls !== undefined && kept.max_calls !== element.max_calls;
    if (actions.length + locations.length + datatypes.length === 0 && !isFewer) return [];
    const fewer = isFewer ? { maxCalls: kept.max_calls } : {};
    return [{ element, ...fewer, actions, locations, datatypes }];
  });
}

/** How many combinations of server, action and data class a request has. */
export function sizeOf(reduced: Reduced): number {
  return reduced.reduce((sum, element) => sum + (element === undefined ? 0 : combinations(element)), 0);
}

function combinations({ locations, actions, datatypes }: GrantElement): number {
  return locations.length * actions.length * datatypes.length;
}

/** How many calls a request is for, as far as it says. */
function callsOf(reduced: Reduced): number {
  return reduced.reduce((sum, element) => sum + (element?.max_calls ?? 0), 0);
}

/** Without what is empty or unchanged, and each once. */
function byLoss(requested: Grant, found: readonly Reduced[]): readonly Reduced[] {
  const size = sizeOf(requested);
  const different = new Map(found.map((one) => [JSON.stringify(one.map((element) => element ?? null)), one]));
  const isSame = (one: GrantElement | undefined, other: GrantElement | undefined) =>
    one === other || JSON.stringify(one) === JSON.stringify(other);
  const touched = (one: Reduced) => one.filter((element, index) => !isSame(element, requested[index])).length;
  return [...different.values()]
    .map((one) => ({ one, size: sizeOf(one), touched: touched(one), calls: callsOf(one) }))
    .filter((candidate) => candidate.size > 0 && (candidate.size < size || candidate.touched > 0))
    .sort((a, b) => b.size - a.size || a.touched - b.touched || b.calls - a.calls)
    .map(({ one }) => one);
}

/** An element without one value of a member; `undefined` where nothing is left of it. */
function less(element: GrantElement, member: Member, value: string): GrantElement | undefined {
  const values: readonly string[] = element[member];
  if (!values.includes(value)) return element;
  const kept = values.filter((one) => one !== value);
  return kept.length === 0 ? undefined : ({ ...element, [member]: kept } as GrantElement);
}

/** The largest part of an element that another covers. */
function narrowed(element: GrantElement, wide: GrantElement): GrantElement | undefined {
  const calls = Math.min(element.max_calls ?? Number.POSITIVE_INFINITY, wide.max_calls ?? Number.POSITIVE_INFINITY);
  const { definition_sha256: definition } = wide;
  const part: GrantElement = {
    ...element,
    ...(definition === undefined || element.definition_sha256 !== undefined ? {} : { definition_sha256: definition }),
    ...(calls === Number.POSITIVE_INFINITY ? {} : { max_calls: calls }),
    locations: wide.locations.includes("*")
      ? element.locations
      : element.locations.filter((one) => wide.locations.includes(one)),
    actions: element.actions.filter((one) => wide.actions.includes(one)),
    datatypes: element.datatypes.filter((one) => wide.datatypes.includes(one)),
  };
  return combinations(part) > 0 && covers(wide, part) ? part : undefined;
}

function common(a: GrantElement | undefined, b: GrantElement | undefined): GrantElement | undefined {
  return a === undefined || b === undefined ? undefined : narrowed(a, b);
}
