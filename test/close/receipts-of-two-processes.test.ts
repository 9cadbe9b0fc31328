import { describe, expect, test } from "vitest";
import type { DenySummary } from "../../src/close/deny-summary.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

const AUDIENCE = "https://mcp.example.org";
const STALENESS_SECONDS = 20;
const SEQUENCE = 5;

/** One verifier entry, with two processes that follow the feed; the credential that is denied to them lives for two minutes. */
function twoProcesses() {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const now = clock.now();
  const content = parseEntryContent({
    kind: "verifier",
    name: "mcp",
    selectors: ["unix:uid:21"],
    audiences: [AUDIENCE],
    maxStalenessSeconds: STALENESS_SECONDS,
  });
  const entry: RegistrationEntry = {
    entryId: "entry_mcp",
    spiffeId: entrySpiffeId(parseTrustDomain("example.org"), content),
    origin: "api",
    disabled: false,
    revision: 1,
    createdAt: now,
    updatedAt: now,
    content,
  };
  const entries = createEntryIndex();
  entries.put(entry);
  const book = createReceiptBook({ entries, clock });
  for (const watcherId of ["stays", "goes"]) {
    book.connected({
      watcherId,
      entryId: entry.entryId,
      audiences: [AUDIENCE],
      maxStalenessSeconds: STALENESS_SECONDS,
      connectedSince: now,
      appliedBefore: 0,
    });
  }
  const denied: DenySummary = {
    isAny: true,
    latestExpiry: addSeconds(secondsOf(now), 120),
    audiences: new Set([AUDIENCE]),
    concernsAll: false,
  };
  const receipts = (waitMs = 0) => book.settled(SEQUENCE, denied, waitMs);
  return { clock, book, receipts };
}

describe("a verifier of which one process is gone", () => {
  const shown = (book: ReturnType<typeof twoProcesses>["book"]) => book.watchers().map(({ watcherId }) => watcherId);

  test("is shown without it once it counts for nothing, and with its last one where none is left", () => {
    const { clock, book } = twoProcesses();
    book.disconnected("goes");
    clock.advance(STALENESS_SECONDS * 1_000 - 1);
    book.seen("stays");
    expect(shown(book)).toEqual(["stays", "goes"]);
    clock.advance(1);
    expect(shown(book)).toEqual(["stays"]);
    book.disconnected("stays");
    clock.advance(STALENESS_SECONDS * 1_000);
    expect(shown(book)).toHaveLength(1);
  });

  test("is shown once for a process that connected again, however often it did", () => {
    const { clock, book } = twoProcesses();
    const process = { bootId: "boot", pidNamespace: "1", pid: 7, startTimeTicks: 8 };
    const [own] = book.watchers();
    if (own === undefined) throw new TypeError("no watcher");
    for (const watcherId of ["first", "second", "third"]) {
      clock.advance(10);
      book.connected({ ...own, watcherId, process, connectedSince: clock.now() });
      if (watcherId !== "third") book.disconnected(watcherId);
    }
    expect(shown(book)).toEqual(["stays", "goes", "third"]);
  });

  test("has not applied what the gone one was not told, until that one refuses everything by itself", async () => {
    const { clock, book, receipts } = twoProcesses();
    clock.advance(3_000);
    book.seen("goes");
    const lapsesAt = clock.now() + STALENESS_SECONDS * 1_000_000;
    book.disconnected("goes");
    clock.advance(1_000);
    book.seen("stays");
    book.acknowledged("stays", SEQUENCE);
    const appliedAt = clock.now();

    expect(await receipts()).toEqual({
      expected: 1,
      applied: 0,
      verifiers: [{ verifier: "mcp", state: "DISCONNECTED", lapsesAt }],
      latestPossibleAcceptance: lapsesAt,
    });
    clock.advance(18_999);
    expect(await receipts()).toMatchObject({ applied: 0 });
    clock.advance(1);
    expect(clock.now()).toBe(lapsesAt);
    expect(await receipts()).toMatchObject({
      applied: 1,
      verifiers: [{ verifier: "mcp", state: "APPLIED", appliedAt }],
    });
  });

  test("is waited for as long as the gone one may still honor the credential", async () => {
    const { clock, book, receipts } = twoProcesses();
    book.disconnected("goes");
    book.acknowledged("stays", SEQUENCE);
    let isSettled = false;
    const waiting = receipts(60_000).finally(() => {
      isSettled = true;
    });
    clock.advance(STALENESS_SECONDS * 1_000 - 1);
    await new Promise(setImmediate);
    expect(isSettled).toBe(false);
    clock.advance(2);
    expect(await waiting).toMatchObject({ applied: 1 });
  });

  test("is pending while the one that is there has not applied it, and lapses with the later of the two", async () => {
    const { clock, book, receipts } = twoProcesses();
    book.disconnected("goes");
    clock.advance(5_000);
    book.seen("stays");
    const lapsesAt = clock.now() + STALENESS_SECONDS * 1_000_000;
    expect(await receipts()).toMatchObject({ applied: 0, verifiers: [{ state: "PENDING", lapsesAt }] });
  });
});
