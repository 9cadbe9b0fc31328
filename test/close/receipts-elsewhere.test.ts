import { beforeEach, expect, test } from "vitest";
import { createKnownReplicas, type KnownReplicas } from "../../src/adapters/ledger-sqlite/known-replicas.ts";
import type { DenySummary } from "../../src/close/deny-summary.ts";
import { createReceiptBook, type ReceiptBook } from "../../src/close/receipts.ts";
import { receiptsElsewhere } from "../../src/close/receipts-elsewhere.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { ReceiptReport } from "../../src/domain/replica-report.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import { addSeconds, secondsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { type VirtualClock, virtualClock } from "../memory/virtual-clock.ts";

// Goal: among brokers that share a ledger, a verifier has applied a close when all its processes have, at whichever broker; and no broker
// says so while a process may be left anywhere that accepts what was closed.

const AUDIENCE = "https://a.example/mcp";
const STALENESS_SECONDS = 20;
const MACHINE = { bootId: "boot", pidNamespace: "4026531836" };
const VERIFIER: VerifierEntry = {
  entryId: "entry_mcp",
  spiffeId: "spiffe://example.org/verifier/mcp" as SpiffeId,
  origin: "api",
  disabled: false,
  revision: 1,
  createdAt: 1_700_000_000_000_000 as UnixMicros,
  updatedAt: 0 as UnixMicros,
  content: {
    kind: "verifier",
    name: "mcp" as Segment,
    selectors: [],
    audiences: [AUDIENCE],
    maxStalenessSeconds: STALENESS_SECONDS,
  },
};
const NOBODY: ReceiptReport = { through: 5, verifiers: [], unknown: [] };

let clock: VirtualClock;
let known: KnownReplicas;
let book: ReceiptBook;

beforeEach(() => {
  clock = virtualClock(1_800_000_000 as UnixSeconds);
  const entries = createEntryIndex();
  entries.put(VERIFIER);
  known = createKnownReplicas("a", () => undefined);
  tell({ through: 0, verifiers: [], unknown: [] });
  book = createReceiptBook({ entries, clock, elsewhere: receiptsElsewhere({ replicas: known, clock }) });
  // Nothing is left from before this broker started.
  clock.advance(STALENESS_SECONDS * 1_000);
});

/** What the other broker says; `undefined`: nothing of verifiers. */
function tell(receipts: ReceiptReport | undefined, isAlive = true): void {
  const report = { nodes: [], ...(receipts === undefined ? {} : { receipts }) };
  known.told([
    { name: "a", machine: MACHINE, isAlive: true, report: { nodes: [] } },
    { name: "b", machine: MACHINE, isAlive, report },
  ]);
}

const at = (applied: number, isConnected = true) => ({
  ...NOBODY,
  verifiers: [{ entryId: VERIFIER.entryId, applied, isConnected }],
});

function connectHere(appliedBefore: number): void {
  const { entryId } = VERIFIER;
  const { audiences, maxStalenessSeconds } = VERIFIER.content;
  const watch = { watcherId: "w", connectedSince: clock.now(), appliedBefore };
  book.connected({ ...watch, entryId, audiences, maxStalenessSeconds });
}

function deniedNow(): DenySummary {
  const latestExpiry = addSeconds(secondsOf(clock.now()), 120);
  return { isAny: true, latestExpiry, audiences: new Set([AUDIENCE]), concernsAll: false };
}

/** How the verifier stands to the close with sequence 5, which was just now. */
async function stateAfterClose(): Promise<readonly (string | undefined)[]> {
  const [receipt] = (await book.settled(5, deniedNow(), 0)).verifiers;
  const [standing] = book.standings(5, clock.now());
  return [receipt?.state, standing?.state];
}

test("a verifier that is at another broker has applied what its processes there have", async () => {
  tell(at(4));
  expect(await stateAfterClose()).toEqual(["PENDING", "PENDING"]);
  tell(at(4, false));
  expect(await stateAfterClose()).toEqual(["DISCONNECTED", "DISCONNECTED"]);
  tell(at(5));
  expect(await stateAfterClose()).toEqual(["APPLIED", "APPLIED"]);
});

test("a verifier with a process at each broker has applied what both have", async () => {
  connectHere(5);
  tell(at(4));
  expect(await stateAfterClose()).toEqual(["PENDING", "PENDING"]);
  tell(at(5));
  expect(await stateAfterClose()).toEqual(["APPLIED", "APPLIED"]);
  book.disconnected("w");
  connectHere(4);
  expect(await stateAfterClose()).toEqual(["PENDING", "PENDING"]);
});

test.each([
  ["has not told its verifiers of the close yet", { ...NOBODY, through: 4 }],
  ["says nothing of verifiers", undefined],
  ["started a moment ago", { ...NOBODY, unknown: [VERIFIER.entryId] }],
  ["has a process that is behind", at(4, false)],
])("no verifier has applied while another broker %s, until its bound has passed", async (_, said) => {
  connectHere(5);
  tell(said);
  const closedAt = clock.now();
  expect(await stateAfterClose()).toEqual(["DISCONNECTED", "DISCONNECTED"]);
  clock.advance(STALENESS_SECONDS * 1_000);
  book.seen("w");
  // The close may have been stamped by a clock that is behind, and this one be ahead.
  expect(book.standings(5, closedAt)).toMatchObject([{ state: "DISCONNECTED" }]);
  clock.advance(2 * LIMITS.clockSkewSecondsMax * 1_000);
  book.seen("w");
  expect(book.standings(5, closedAt)).toMatchObject([{ state: "APPLIED" }]);
});

test("a verifier that is behind elsewhere has lapsed by its bound, and not applied", () => {
  tell(at(4));
  const closedAt = clock.now();
  clock.advance((STALENESS_SECONDS + 2 * LIMITS.clockSkewSecondsMax) * 1_000);
  expect(book.standings(5, closedAt)).toMatchObject([{ state: "LAPSED" }]);
});

test("what a broker that is gone had may be left for as long as its bound, and not longer", async () => {
  connectHere(5);
  tell(NOBODY);
  expect(await stateAfterClose()).toEqual(["APPLIED", "APPLIED"]);
  tell(NOBODY, false);
  expect(await stateAfterClose()).toEqual(["DISCONNECTED", "DISCONNECTED"]);
  clock.advance(STALENESS_SECONDS * 1_000);
  book.seen("w");
  expect(await stateAfterClose()).toEqual(["APPLIED", "APPLIED"]);
});

test("whoever waits is answered when the other broker says that its verifiers have applied", async () => {
  tell(at(4));
  const settled = book.settled(5, deniedNow(), 10_000);
  clock.advance(1_000);
  tell(at(5));
  expect(await settled).toMatchObject({ applied: 1, verifiers: [{ state: "APPLIED", appliedAt: clock.now() }] });
});

test("the others are told of each verifier that is here, and of those that may be left from before the start", () => {
  expect(book.report(7)).toEqual({ through: 7, verifiers: [], unknown: [] });
  connectHere(4);
  book.acknowledged("w", 6);
  expect(book.report(7).verifiers).toEqual([{ entryId: VERIFIER.entryId, applied: 6, isConnected: true }]);
  book.disconnected("w");
  expect(book.report(7).verifiers).toEqual([{ entryId: VERIFIER.entryId, applied: 6, isConnected: false }]);
  clock.advance(STALENESS_SECONDS * 1_000);
  expect(book.report(7).verifiers).toEqual([]);
  const entries = createEntryIndex();
  entries.put(VERIFIER);
  const started = createReceiptBook({ entries, clock });
  expect(started.report(7).unknown).toEqual([VERIFIER.entryId]);
  clock.advance(STALENESS_SECONDS * 1_000);
  expect(started.report(7).unknown).toEqual([]);
});
