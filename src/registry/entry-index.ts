import type { EntryContent, EntryKind, RegistrationEntry } from "../domain/registration-entry.ts";
import { kindOf, matches, type Selector } from "../domain/selector.ts";
import type { EntryDirectory } from "../ports/directories.ts";

/** The rarer a kind of selector is among workloads, the fewer entries share a bucket. */
const MOST_TELLING: readonly string[] = [
  "unix:sha256",
  "unix:path",
  "systemd:unit",
  "unix:uid",
  "unix:user",
  "unix:gid",
  "unix:group",
  "unix:supplementary_gid",
];

function bucketOf(entry: RegistrationEntry): Selector | undefined {
  const rank = (one: Selector) =>
    (MOST_TELLING.indexOf(kindOf(one)) + MOST_TELLING.length + 1) % (MOST_TELLING.length + 1);
  return [...entry.content.selectors].sort((a, b) => rank(a) - rank(b))[0];
}

export type EntryIndex = EntryDirectory & {
  put(entry: RegistrationEntry): void;
  remove(entryId: string): void;
};

/** Entries by one telling selector each, so that ten thousand entries cost a caller no more than ten. */
export function createEntryIndex(): EntryIndex {
  const byId = new Map<string, RegistrationEntry>();
  const byName = new Map<string, RegistrationEntry>();
  const buckets = new Map<Selector, Set<RegistrationEntry>>();
  /** How many entries have a selector of a kind that is costly to attest. */
  const wanting = { "unix:sha256": 0, "systemd:unit": 0 };

  function count(entry: RegistrationEntry, by: 1 | -1): void {
    for (const kind of ["unix:sha256", "systemd:unit"] as const) {
      if (entry.content.selectors.some((one) => kindOf(one) === kind)) wanting[kind] += by;
    }
  }

  function take(entryId: string): void {
    const entry = byId.get(entryId);
    if (entry === undefined) return;
    byId.delete(entryId);
    byName.delete(`${entry.content.kind}/${entry.content.name}`);
    const bucket = bucketOf(entry);
    if (bucket !== undefined) {
      buckets.get(bucket)?.delete(entry);
      if (buckets.get(bucket)?.size === 0) buckets.delete(bucket);
    }
    count(entry, -1);
  }

  return {
    put(entry) {
      take(entry.entryId);
      byId.set(entry.entryId, entry);
      byName.set(`${entry.content.kind}/${entry.content.name}`, entry);
      const bucket = bucketOf(entry);
      if (bucket !== undefined) {
        const members = buckets.get(bucket) ?? new Set();
        buckets.set(bucket, members.add(entry));
      }
      count(entry, 1);
    },
    remove: take,
    matching(attested) {
      const found: RegistrationEntry[] = [];
      for (const one of attested) {
        for (const entry of buckets.get(one) ?? []) {
          if (!entry.disabled && matches(entry.content.selectors, attested)) found.push(entry);
        }
      }
      return found;
    },
    byId: (entryId) => byId.get(entryId),
    byName<Kind extends EntryKind>(kind: Kind, name: string) {
      return byName.get(`${kind}/${name}`) as RegistrationEntry<Extract<EntryContent, { kind: Kind }>> | undefined;
    },
    all: () => [...byId.values()],
    wantsExecutableDigest: () => wanting["unix:sha256"] > 0,
    wantsSystemdUnit: () => wanting["systemd:unit"] > 0,
  };
}
