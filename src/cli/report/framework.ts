import type { Json } from "../output/view.ts";
import { type ExampleName, type FigureName, isExampleName, isFigureName } from "./figures.ts";
import type { FrameworkName } from "./framework-names.ts";

/** One thing that Stint does, and by what it is shown: the same words for every framework that asks for it. */
export type Claim = {
  readonly says: string;
  /** A row of the table in docs/security.md: who, a colon, and what they try to do. */
  readonly promise: string;
  readonly figures: readonly FigureName[];
  readonly examples: readonly ExampleName[];
};

export type Control = {
  /** As the framework numbers it. */
  readonly id: string;
  readonly title: string;
  /** Empty: nothing. */
  readonly does: readonly Claim[];
  readonly notCovered: string;
};

/** How Stint stands to a framework of others. */
export type Framework = {
  readonly id: FrameworkName;
  readonly name: string;
  readonly version: string;
  /** When that version was published, as far as is known: a year, a month or a day. */
  readonly date: string;
  readonly source: string;
  /** Who looked at ids and titles when, and what was left out for doubt. */
  readonly reviewed: string;
  readonly controls: readonly Control[];
  /** Ids of all other controls: Stint does nothing for them. */
  readonly nothingFor: readonly string[];
  readonly nothingBecause: string;
};

/** What Stint does, by the names that frameworks call it by. */
export type Claims = ReadonlyMap<string, Claim>;

/**
 * Reads the file of claims, once it is parsed.
 *
 * @throws TypeError naming the member that is not as it should be
 */
export function claimsFrom(file: Json): Claims {
  return new Map(Object.entries(objectOf(file, "claims")).map(([name, claim]) => [name, claimFrom(claim, name)]));
}

/**
 * Reads a framework's file, once it is parsed.
 *
 * @throws TypeError naming the member that is not as it should be
 */
export function frameworkFrom(id: FrameworkName, file: Json, claims: Claims): Framework {
  const members = membersOf(file, id, MEMBERS);
  const text = (member: (typeof MEMBERS)[number]) => textOf(members[member], `${id}: ${member}`);
  const controls = listOf(members["controls"], `${id}: controls`).map((control) => controlFrom(control, claims));
  const nothingFor = textsOf(members["nothing_for"], `${id}: nothing_for`);
  const ids = [...controls.map((control) => control.id), ...nothingFor];
  const twice = ids.find((one, index) => ids.indexOf(one) !== index);
  if (twice !== undefined) throw new TypeError(`${id}: the control ${twice} is there twice`);
  return {
    id,
    name: text("name"),
    version: text("version"),
    date: text("date"),
    source: text("source"),
    reviewed: text("reviewed"),
    controls,
    nothingFor,
    nothingBecause: text("nothing_because"),
  };
}

const MEMBERS = [
  "name",
  "version",
  "date",
  "source",
  "reviewed",
  "controls",
  "nothing_for",
  "nothing_because",
] as const;

function controlFrom(json: Json, claims: Claims): Control {
  const members = membersOf(json, "control", ["id", "title", "does", "not_covered"]);
  const id = textOf(members.id, "id");
  return {
    id,
    title: textOf(members.title, `${id}: title`),
    does: textsOf(members.does, `${id}: does`).map((name) => {
      const claim = claims.get(name);
      if (claim === undefined) throw new TypeError(`${id}: does: there is no claim ${name}`);
      return claim;
    }),
    notCovered: textOf(members.not_covered, `${id}: not_covered`),
  };
}

function claimFrom(json: Json, name: string): Claim {
  const { says, promise, figures, examples } = membersOf(json, name, ["says", "promise", "figures", "examples"]);
  const counted = namesOf(figures, `${name}: figures`, isFigureName);
  if (counted.length === 0) throw new TypeError(`${name}: figures: a claim is shown by one at least`);
  return {
    says: textOf(says, `${name}: says`),
    promise: textOf(promise, `${name}: promise`),
    figures: counted,
    examples: namesOf(examples, `${name}: examples`, isExampleName),
  };
}

function namesOf<Name extends string>(
  json: Json | undefined,
  where: string,
  isName: (name: string) => name is Name,
): readonly Name[] {
  return textsOf(json, where).map((name) => {
    if (!isName(name)) throw new TypeError(`${where}: there is no ${name}`);
    return name;
  });
}

function membersOf<Name extends string>(
  json: Json,
  where: string,
  names: readonly Name[],
): { readonly [member in Name]?: Json } {
  const members = objectOf(json, where);
  const unknown = Object.keys(members).find((member) => !(names as readonly string[]).includes(member));
  if (unknown !== undefined) throw new TypeError(`${where}: unknown member ${unknown}`);
  return members as { readonly [member in Name]?: Json };
}

function objectOf(json: Json, where: string): { readonly [member: string]: Json } {
  if (typeof json !== "object" || json === null || Array.isArray(json)) throw new TypeError(`${where}: no members`);
  return json as { readonly [member: string]: Json };
}

/** A list that is not there is empty. */
function listOf(json: Json | undefined, where: string): readonly Json[] {
  if (json === undefined) return [];
  if (!Array.isArray(json)) throw new TypeError(`${where}: no list`);
  return json as readonly Json[];
}

function textsOf(json: Json | undefined, where: string): readonly string[] {
  return listOf(json, where).map((one) => textOf(one, where));
}

function textOf(json: Json | undefined, where: string): string {
  if (typeof json !== "string" || json.trim() === "") throw new TypeError(`${where}: no text`);
  return json.trim();
}
