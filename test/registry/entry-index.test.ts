import fc from "fast-check";
import { expect, test } from "vitest";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { matches, type Selector } from "../../src/domain/selector.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";

const SELECTORS = [
  "unix:uid:1",
  "unix:uid:2",
  "unix:gid:1",
  "unix:path:/usr/bin/agent",
  "unix:sha256:00",
  "unix:supplementary_gid:5",
] as Selector[];

function entry(number: number, selectors: readonly Selector[], disabled: boolean): RegistrationEntry {
  return {
    entryId: `entry_${number}`,
    spiffeId: `spiffe://example.org/runtime/r${number}` as SpiffeId,
    origin: "api",
    disabled,
    revision: 1,
    createdAt: 0 as UnixMicros,
    updatedAt: 0 as UnixMicros,
    content: { kind: "runtime", name: `r${number}` as Segment, selectors, agents: [], openStepsMax: 1 },
  };
}

test("finds exactly the enabled entries all of whose selectors were attested, whatever was put and removed", () => {
  const put = fc.record({
    number: fc.integer({ min: 0, max: 8 }),
    selectors: fc.subarray(SELECTORS),
    disabled: fc.boolean(),
    removed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(put, { maxLength: 30 }), fc.subarray(SELECTORS), (changes, attested) => {
      const directory = createEntryIndex();
      const model = new Map<string, RegistrationEntry>();
      for (const { number, selectors, disabled, removed } of changes) {
        const one = entry(number, selectors, disabled);
        if (removed) {
          directory.remove(one.entryId);
          model.delete(one.entryId);
        } else {
          directory.put(one);
          model.set(one.entryId, one);
        }
      }
      const set = new Set(attested);
      const expected = [...model.values()].filter((one) => !one.disabled && matches(one.content.selectors, set));
      expect(new Set(directory.matching(set))).toEqual(new Set(expected));
      expect(directory.wantsExecutableDigest()).toBe(
        [...model.values()].some((one) => one.content.selectors.includes("unix:sha256:00" as Selector)),
      );
    }),
  );
});

test("an entry without selectors matches nobody", () => {
  const directory = createEntryIndex();
  directory.put(entry(1, [], false));
  expect(directory.matching(new Set(SELECTORS))).toEqual([]);
});
