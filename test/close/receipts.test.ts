import { describe, expect, test } from "vitest";
import type { DenySummary } from "../../src/close/deny-summary.ts";
import { createReceiptBook } from "../../src/close/receipts.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { Segment, SpiffeId } from "../../src/domain/spiffe-id.ts";
import { addSeconds, microsOf, secondsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

const AUDIENCE = "https://a.example/mcp";

function verifier(name: string, audiences: readonly string[] = [AUDIENCE]): VerifierEntry {
  return {
    entryId: `entry_${name}`,
    spiffeId: `spiffe://example.org/verifier/${name}` as SpiffeId,
    origin: "api",
    disabled: false,
    revision: 1,
    createdAt: 1_800_000_000_000_000 as UnixMicros,
    updatedAt: 0 as UnixMicros,
    content: { kind: "verifier", name: name as Segment, selectors: [], audiences, maxStalenessSeconds: 20 },
  };
}

function setUp(...entries: readonly VerifierEntry[]) {
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  const directory = { ...createEntryIndex() };
  for (const entry of entries) directory.put(entry);
  const book = createReceiptBook({ entries: directory, clock });
  const connect = (watcherId: string, entry: VerifierEntry, appliedBefore = 0) =>
    book.connected({
      watcherId,
      entryId: entry.entryId,
      audiences: entry.content.audiences,
      maxStalenessSeconds: 20,
      connectedSince: clock.now(),
      appliedBefore,
    });
  const denied: DenySummary = {
    isAny: true,
    latestExpiry: addSeconds(secondsOf(clock.now()), 120),
    audiences: new Set([AUDIENCE]),
    concernsAll: false,
  };
  return { clock, directory, book, connect, denied };
}

describe("receipts say who applied a close, and by when everyone else must have lapsed", () => {
  test("a verifier that acknowledged has applied; nothing is acceptable after that", async () => {
    const one = verifier("mcp-1");
    const { clock, book, connect, denied } = setUp(one);
    connect("w1", one);
    clock.advance(1_000);
    book.acknowledged("w1", 5);
    const receipts = await book.settled(5, denied, 0);
    expect(receipts).toEqual({
      expected: 1,
      applied: 1,
      verifiers: [{ verifier: "mcp-1", state: "APPLIED", appliedAt: clock.now() }],
      latestPossibleAcceptance: clock.now(),
    });
  });

  test("a verifier that resumes has applied what its cursor covers, though it acknowledges nothing anew", async () => {
    const one = verifier("mcp-1");
    const { book, connect, denied } = setUp(one);
    connect("w1", one, 5);
    expect(await book.settled(5, denied, 0)).toMatchObject({ applied: 1, verifiers: [{ state: "APPLIED" }] });
    expect(await book.settled(6, denied, 0)).toMatchObject({ applied: 0, verifiers: [{ state: "PENDING" }] });
  });

  test("one of an entry's two processes is not enough", async () => {
    const one = verifier("mcp-1");
    const { book, connect, denied } = setUp(one);
    connect("w1", one);
    connect("w2", one);
    book.acknowledged("w1", 5);
    expect(await book.settled(5, denied, 0)).toMatchObject({ applied: 0, verifiers: [{ state: "PENDING" }] });
  });

  test("a silent verifier is pending until its staleness bound, counted from its last ping, has passed", async () => {
    const one = verifier("mcp-1");
    const { clock, book, connect, denied } = setUp(one);
    connect("w1", one);
    clock.advance(3_000);
    book.seen("w1");
    const lastSeen = clock.now();
    book.disconnected("w1");
    clock.advance(19_000);
    expect(await book.settled(5, denied, 0)).toMatchObject({
      verifiers: [{ state: "DISCONNECTED", lapsesAt: lastSeen + 20_000_000 }],
      latestPossibleAcceptance: lastSeen + 20_000_000,
    });
    clock.advance(1_000);
    expect(await book.settled(5, denied, 0)).toMatchObject({ applied: 0, verifiers: [{ state: "LAPSED" }] });
  });

  test("a verifier that is connected and says nothing lapses like one that has left", async () => {
    const one = verifier("mcp-1");
    const { clock, book, connect, denied } = setUp(one);
    clock.advance(5_000);
    connect("w1", one);
    const lastSeen = clock.now();
    clock.advance(19_999);
    expect(await book.settled(5, denied, 0)).toMatchObject({ verifiers: [{ state: "PENDING" }] });
    clock.advance(1);
    expect(await book.settled(5, denied, 0)).toMatchObject({
      applied: 0,
      verifiers: [{ state: "LAPSED", lapsesAt: lastSeen + 20_000_000 }],
      latestPossibleAcceptance: lastSeen + 20_000_000,
    });
    book.acknowledged("w1", 5);
    expect(await book.settled(5, denied, 0)).toMatchObject({ applied: 1 });
  });

  test("after a restart a registered verifier that is not back yet counts until its bound has passed", async () => {
    const { clock, book, denied } = setUp(verifier("mcp-1"));
    expect(await book.settled(5, denied, 0)).toMatchObject({ expected: 1, verifiers: [{ state: "DISCONNECTED" }] });
    clock.advance(20_000);
    expect(await book.settled(5, denied, 0)).toMatchObject({ verifiers: [{ state: "LAPSED" }] });
  });

  test("an audience that nobody watches is acceptable until the latest expiry and leeway", async () => {
    const { clock, book, denied } = setUp(verifier("mcp-2", ["https://b.example/mcp"]));
    clock.advance(60_000);
    const receipts = await book.settled(5, denied, 0);
    expect(receipts).toMatchObject({
      expected: 0,
      latestPossibleAcceptance: microsOf(addSeconds(denied.latestExpiry, 5)),
    });
  });

  test("a step that holds a certificate concerns every verifier", async () => {
    const { book, denied } = setUp(verifier("mcp-2", ["https://b.example/mcp"]));
    expect(await book.settled(5, { ...denied, concernsAll: true }, 0)).toMatchObject({ expected: 1 });
  });
});

describe("waiting for receipts", () => {
  test("ends as soon as the last acknowledgement is in", async () => {
    const [one, two] = [verifier("mcp-1"), verifier("mcp-2")];
    const { book, connect, denied } = setUp(one, two);
    connect("w1", one);
    connect("w2", two);
    const settled = book.settled(5, denied, 10_000);
    book.acknowledged("w1", 5);
    book.acknowledged("w2", 6);
    expect(await settled).toMatchObject({ expected: 2, applied: 2 });
  });

  test("ends when the time is up, and says who is missing", async () => {
    const [one, two] = [verifier("mcp-1"), verifier("mcp-2")];
    const { clock, book, connect, denied } = setUp(one, two);
    connect("w1", one);
    connect("w2", two);
    const settled = book.settled(5, denied, 5_000);
    book.acknowledged("w1", 5);
    clock.advance(5_000);
    expect(await settled).toMatchObject({
      applied: 1,
      verifiers: [
        { verifier: "mcp-1", state: "APPLIED" },
        { verifier: "mcp-2", state: "PENDING" },
      ],
    });
  });

  test("ends when the missing one has lapsed, which nobody announces", async () => {
    const one = verifier("mcp-1");
    const { clock, book, connect, denied } = setUp(one);
    connect("w1", one);
    book.disconnected("w1");
    const settled = book.settled(5, denied, 60_000);
    clock.advance(20_001);
    expect(await settled).toMatchObject({ verifiers: [{ state: "LAPSED" }] });
  });

  test("goes on for as long as the missing one is heard of, and ends when that is over", async () => {
    const one = verifier("mcp-1");
    const { clock, book, connect, denied } = setUp(one);
    connect("w1", one);
    let receipts: unknown;
    void book.settled(5, denied, 60_000).then((settled) => {
      receipts = settled;
    });
    clock.advance(15_000);
    book.seen("w1");
    clock.advance(19_000);
    await Promise.resolve();
    expect(receipts).toBeUndefined();
    clock.advance(1_001);
    await Promise.resolve();
    expect(receipts).toMatchObject({ verifiers: [{ state: "LAPSED" }] });
    expect(clock.pending()).toBe(0);
  });
});

test("entries that can't be relied on for a while are told to whoever waits, and disturb nobody else", async () => {
  const one = verifier("mcp-1");
  const { clock, directory, book, connect, denied } = setUp(one);
  connect("w1", one);
  connect("w2", one);
  let isBehind = false;
  const { all } = directory;
  directory.all = () => {
    if (isBehind) throw new BrokerError("NOT_SERVING", "behind the ledger");
    return all();
  };
  const [early, late] = [book.settled(5, denied, 10_000), book.settled(5, denied, 10_000)];
  isBehind = true;
  book.acknowledged("w1", 5);
  await expect(early).rejects.toMatchObject({ code: "NOT_SERVING" });
  await expect(late).rejects.toMatchObject({ code: "NOT_SERVING" });
  expect(clock.pending()).toBe(0);
  isBehind = false;
  book.acknowledged("w2", 5);
  expect(await book.settled(5, denied, 0)).toMatchObject({ applied: 1 });
});

describe("what an entry has applied", () => {
  test("is what the slowest of its watchers has, one that has only just come or left among them", () => {
    const [one, two] = [verifier("mcp-1"), verifier("mcp-2")];
    const { clock, book, connect } = setUp(one, two);
    connect("w1", one);
    connect("w2", one);
    connect("w3", two);
    book.acknowledged("w1", 9);
    book.acknowledged("w3", 7);
    expect(book.applied()).toEqual([
      { entryId: one.entryId, sequence: 0 },
      { entryId: two.entryId, sequence: 7 },
    ]);
    book.acknowledged("w2", 8);
    book.disconnected("w2");
    expect(book.applied()[0]).toEqual({ entryId: one.entryId, sequence: 8 });
    clock.advance(10_000);
    book.seen("w1");
    clock.advance(10_000);
    expect(book.applied()).toEqual([{ entryId: one.entryId, sequence: 9 }]);
  });
});

test("who left and has lapsed is forgotten when the next connects, and nobody before", () => {
  const [one, two, three] = [verifier("mcp-1"), verifier("mcp-2"), verifier("mcp-3")];
  const { clock, book, connect } = setUp(one, two, three);
  const ids = () => book.watchers().map(({ watcherId }) => watcherId);
  connect("w1", one);
  book.disconnected("w1");
  clock.advance(10_000);
  connect("w2", two);
  book.disconnected("w2");
  clock.advance(9_999);
  connect("w3", three);
  expect(ids().toSorted()).toEqual(["w1", "w2", "w3"]);
  clock.advance(1);
  connect("w4", three);
  expect(ids().toSorted()).toEqual(["w2", "w3", "w4"]);
  clock.advance(10_000);
  connect("w5", three);
  expect(ids().toSorted()).toEqual(["w3", "w4", "w5"]);
});

describe("where verifiers stand to a close", () => {
  const earlier = (name: string): VerifierEntry => ({ ...verifier(name), createdAt: 0 as UnixMicros });
  const standing = ({ book }: Pick<ReturnType<typeof setUp>, "book">) => book.standings(5)[0];

  test("nobody counts as having applied while a process may be left from before the broker started", () => {
    const one = earlier("mcp-1");
    const { clock, book, connect } = setUp(one);
    const left = addSeconds(secondsOf(clock.now()), 20);
    connect("w1", one, 9);
    expect(standing({ book })).toMatchObject({ state: "DISCONNECTED", lapsesAt: microsOf(left), watches: true });
    expect(book.applied()).toEqual([]);
    clock.advance(19_000);
    book.seen("w1");
    clock.advance(1_000);
    expect(standing({ book })).toMatchObject({ state: "APPLIED" });
    expect(book.applied()).toEqual([{ entryId: one.entryId, sequence: 9 }]);
  });

  test("what was recorded before the broker started holds after it, and a later one takes nothing back", () => {
    const one = earlier("mcp-1");
    const { clock, book, connect } = setUp(one);
    const at = (clock.now() - 1_000_000) as UnixMicros;
    book.recorded({ entryId: one.entryId, sequence: 5, at });
    expect(standing({ book })).toMatchObject({ state: "APPLIED", appliedAt: at });
    connect("w1", one);
    expect(standing({ book })).toMatchObject({ state: "APPLIED", appliedAt: at });
    expect(book.standings(6)[0]).toMatchObject({ state: "PENDING" });
  });

  test("a verifier that was never on the feed watches for nobody", () => {
    const { book } = setUp(verifier("mcp-1"));
    expect(standing({ book })).toMatchObject({ watches: false, state: "LAPSED" });
  });

  test("one that was on the feed watches also when it is gone, unless its entry is disabled", () => {
    const one = verifier("mcp-1");
    const { clock, directory, book, connect } = setUp(one);
    connect("w1", one);
    book.disconnected("w1");
    expect(standing({ book })).toMatchObject({ watches: true, state: "DISCONNECTED" });
    clock.advance(20_000);
    expect(standing({ book })).toMatchObject({ watches: true, state: "LAPSED", lapsesAt: clock.now() });
    directory.put({ ...one, disabled: true, revision: 2 });
    expect(standing({ book })).toMatchObject({ watches: false });
  });

  test("whoever listens is told of what changes, until it does not want to be", () => {
    const one = verifier("mcp-1");
    const { book, connect } = setUp(one);
    let changes = 0;
    const stop = book.onChange(() => {
      changes += 1;
    });
    connect("w1", one);
    book.acknowledged("w1", 5);
    expect(changes).toBe(2);
    stop();
    book.acknowledged("w1", 6);
    expect(changes).toBe(2);
  });

  test("what is signed counts for what it covers, and for all processes only when each has signed", () => {
    const one = verifier("mcp-1");
    const { book, connect } = setUp(one);
    const signed = (sequence: number) => ({
      ...{ verifier: one.spiffeId, epoch: "e", at: 0 as UnixMicros, key: "k", signature: "s" },
      sequence,
    });
    connect("w1", one);
    connect("w2", one);
    book.acknowledged("w1", 6, signed(6));
    book.acknowledged("w2", 5);
    expect(standing({ book })).not.toHaveProperty("signed");
    book.acknowledged("w2", 5, signed(5));
    expect(standing({ book })).toMatchObject({ state: "APPLIED", signed: { sequence: 5 } });
    expect(book.applied()).toEqual([{ entryId: one.entryId, sequence: 5, signed: signed(5) }]);
    book.acknowledged("w2", 9);
    expect(book.standings(6)[0]).toMatchObject({ state: "APPLIED" });
    expect(book.standings(6)[0]).not.toHaveProperty("signed");
  });
});
