import type { Actor } from "../domain/actor.ts";
import { canonicalJson } from "../domain/canonical-json.ts";
import type { EntryContent, RegistrationEntry } from "../domain/registration-entry.ts";
import type { Registry } from "./registry.ts";

/** What declaring entries would change. */
export type Difference = {
  readonly created: readonly EntryContent[];
  readonly updated: readonly { readonly entry: RegistrationEntry; readonly content: EntryContent }[];
  /** Entries that were declared once and are declared no more. */
  readonly removed: readonly RegistrationEntry[];
  /** Declared under a name that an entry made by API has. */
  readonly conflicting: readonly RegistrationEntry[];
};

/** Compares the declared entries with those in force. */
export function differenceOf(declared: readonly EntryContent[], inForce: readonly RegistrationEntry[]): Difference {
  const known = new Map(inForce.map((entry) => [nameOf(entry.content), entry]));
  const names = new Set(declared.map(nameOf));
  const counterparts = declared.map((content) => ({ content, entry: known.get(nameOf(content)) }));
  return {
    created: counterparts.filter(({ entry }) => entry === undefined).map(({ content }) => content),
    updated: counterparts.flatMap(({ content, entry }) =>
      entry !== undefined && entry.origin === "config" && !saysTheSame(entry.content, content)
        ? [{ entry, content }]
        : [],
    ),
    removed: inForce.filter((entry) => entry.origin === "config" && !names.has(nameOf(entry.content))),
    conflicting: counterparts.flatMap(({ entry }) => (entry !== undefined && entry.origin === "api" ? [entry] : [])),
  };
}

/**
 * Brings the registry to what the configuration declares. Entries made by API are left alone, and so is whether an entry
 * is disabled: a restart must not lift what an operator barred.
 *
 * @throws BrokerError when a declared entry can't be put
 */
export async function declareEntries(
  declared: readonly EntryContent[],
  inForce: readonly RegistrationEntry[],
  registry: Registry,
): Promise<Difference> {
  const by: Actor = { kind: "broker", cause: "config" };
  const difference = differenceOf(declared, inForce);
  for (const entry of difference.removed) await registry.remove(entry.entryId, by);
  for (const content of difference.created) await registry.create(content, "config", by);
  for (const { entry, content } of difference.updated) await registry.update(entry.entryId, content, 0, by);
  return difference;
}

function nameOf(content: EntryContent): string {
  return `${content.kind}/${content.name}`;
}

function saysTheSame(a: EntryContent, b: EntryContent): boolean {
  return Buffer.compare(canonicalJson(a), canonicalJson(b)) === 0;
}
