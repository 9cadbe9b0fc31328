import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { rulingOn } from "../../src/ledger/rules.ts";
import type { LedgerView } from "../../src/ledger/view.ts";
import type { PutEntryAct } from "../../src/ports/ledger-acts.ts";
import { CONFIG, ports, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";

/** What a rule asks of a ledger with so many entries, none of which is the one put. */
function viewOf(count: number, revision?: number): LedgerView {
  const view: Partial<LedgerView> = {
    entry: () => (revision === undefined ? undefined : { revision, isDisabled: false, isRetired: false, openSteps: 0 }),
    entryNamed: () => undefined,
    entriesCount: () => count,
    entriesOf: () => [],
    liveSteps: () => [],
  };
  return view as LedgerView;
}

async function putAct(expectedRevision: number): Promise<PutEntryAct & { readonly act: "put-entry" }> {
  const given = ports();
  const store = await openMemoryLedger(given);
  const world = worldOf(store, given);
  const entry = await world.agent();
  await store.close();
  const standing = {
    reason: "privilegeWithdrawn",
    usersApart: { users: [], groups: [] },
    by: CONFIG,
    now: given.clock.now(),
  } as const;
  return { act: "put-entry", entry, expectedRevision, closes: [], ...standing };
}

test("there are no more entries than the limit", async () => {
  const act = await putAct(0);
  expect(rulingOn(act, "epoch_1", viewOf(LIMITS.entriesMax - 1)).events).toHaveLength(1);
  const full = rulingOn(act, "epoch_1", viewOf(LIMITS.entriesMax));
  expect(full.events).toEqual([]);
  expect(full.answer(1)).toMatchObject({ kind: "denial", code: "LIMIT_EXCEEDED" });
});

test("those there are can be changed when there is no room for another", async () => {
  const act = await putAct(3);
  expect(rulingOn(act, "epoch_1", viewOf(LIMITS.entriesMax, 3)).events).toHaveLength(1);
});
