import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createCursorSeal } from "../../src/adapters/cursor-seal/cursor-seal.ts";
import { attest } from "../../src/attest/attest.ts";
import { keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import { createNotifier, type FeedBatch } from "../../src/close/notify.ts";
import { type Beginning, beginWatch, openCursor, scopeOf, sealCursor } from "../../src/close/watch.ts";
import { type EntryContentInput, entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { processOfNode } from "../../src/domain/process.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import type { DenyEntry, FeedReads } from "../../src/ports/ledger-reads.ts";
import { createEntryIndex } from "../../src/registry/entry-index.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { createKernel } from "../simulation/kernel.ts";

const [A, B, C] = ["https://a.example/mcp", "https://b.example/mcp", "https://c.example/mcp"] as const;
const UID = 1_001;

/** A caller that matches entries saying this. */
async function callerWith(...contents: readonly EntryContentInput[]) {
  const kernel = createKernel();
  const entries = createEntryIndex();
  for (const [index, own] of contents.entries()) {
    const content = parseEntryContent({ ...own, name: `n${index}` });
    const at = 0 as UnixMicros;
    const entry: RegistrationEntry = {
      entryId: `entry_${index}`,
      spiffeId: entrySpiffeId(parseTrustDomain("example.org"), content),
      origin: "api",
      disabled: false,
      revision: 1,
      createdAt: at,
      updatedAt: at,
      content,
    };
    entries.put(entry);
  }
  return attest(kernel.start(UID).peer, { attestor: kernel.attestor, entries });
}

const SAME = { name: "", selectors: [`unix:uid:${UID}`] };
const VERIFIER = {
  ...SAME,
  kind: "verifier",
  audiences: [A, B] as readonly string[],
  maxStalenessSeconds: 20,
} as const;
const RUNTIME = { ...SAME, kind: "runtime", agents: ["researcher"] } as const;
const AGENT = { ...SAME, kind: "agent" } as const;
const OPERATOR = { ...SAME, kind: "operator", role: "viewer" } as const;

const denied = (own: Partial<DenyEntry>): DenyEntry => ({
  sequence: 1,
  reason: "cessationOfOperation",
  state: "COMPLETED",
  latestExpiry: 0 as DenyEntry["latestExpiry"],
  deniedAt: 0 as DenyEntry["deniedAt"],
  audiences: [C],
  concernsAll: false,
  runEntryId: "entry_of_another",
  subject: { kind: "jwt", jti: "j" },
  ...own,
});

describe("which part of the feed a caller may watch", () => {
  const nothing = { audiences: [], maxStalenessSeconds: undefined };

  test.for([
    { who: "an agent", entries: [AGENT], asked: nothing, code: "NOT_ENTITLED" },
    {
      who: "a verifier, of a place of its own and another",
      entries: [VERIFIER],
      asked: { audiences: [A, C] },
      code: "AUDIENCE_INVALID",
    },
    {
      who: "a verifier, however patient an operator it is too",
      entries: [VERIFIER, OPERATOR],
      asked: { audiences: [C] },
      code: "AUDIENCE_INVALID",
    },
    {
      who: "a verifier, more stale than its entry",
      entries: [VERIFIER],
      asked: { maxStalenessSeconds: 21 },
      code: "INVALID_FIELD",
    },
    {
      who: "a verifier, without any bound",
      entries: [VERIFIER],
      asked: { maxStalenessSeconds: Number.NaN },
      code: "INVALID_FIELD",
    },
    {
      who: "an operator, more stale than anybody",
      entries: [OPERATOR],
      asked: { maxStalenessSeconds: 61 },
      code: "INVALID_FIELD",
    },
  ])("not $who: $code", async ({ entries, asked, code }) => {
    expect(scopeOf(await callerWith(...entries), { ...nothing, ...asked })).toMatchObject({ kind: "denial", code });
  });

  test.for([
    { who: "a verifier that asks for nothing", entries: [VERIFIER], audiences: [], own: [A, B], isVerifier: true },
    { who: "a verifier that asks for a part", entries: [VERIFIER], audiences: [B], own: [B], isVerifier: true },
    {
      who: "a verifier that is a runtime too",
      entries: [RUNTIME, VERIFIER],
      audiences: [A],
      own: [A],
      isVerifier: true,
    },
    {
      who: "a process of several verifiers, by the one that names what it asks for",
      entries: [VERIFIER, { ...VERIFIER, audiences: [C] }],
      audiences: [C],
      own: [C],
      isVerifier: true,
    },
  ])("$who", async ({ entries, audiences, own, isVerifier }) => {
    const scope = scopeOf(await callerWith(...entries), { ...nothing, audiences });
    if ("code" in scope) throw new TypeError(scope.message);
    expect(scope).toMatchObject({ audiences: own, isVerifier });
    for (const place of [A, B, C]) {
      expect(scope.concerns(denied({ audiences: [place] }))).toBe((own as readonly string[]).includes(place));
    }
    expect(scope.concerns(denied({ audiences: [], concernsAll: true }))).toBe(true);
    expect(scope.concerns(denied({ audiences: [], runEntryId: scope.entryId }))).toBe(false);
  });

  test("a runtime: its own runs, wherever their tokens go, and no certificate of another's", async () => {
    const scope = scopeOf(await callerWith(AGENT, RUNTIME), nothing);
    if ("code" in scope) throw new TypeError(scope.message);
    expect(scope).toMatchObject({ entryId: "entry_1", isVerifier: false });
    expect(scope.concerns(denied({ runEntryId: "entry_1" }))).toBe(true);
    expect(scope.concerns(denied({ concernsAll: true }))).toBe(false);
  });

  test("a runtime on a group of nodes: the runs of its own machine", async () => {
    const caller = await callerWith(AGENT, RUNTIME);
    const on = (node: string) => ({ ...caller, process: processOfNode(node as NodeName, caller.process) });
    const scopes = [on("pool/one"), on("pool/two"), caller].map((one) => scopeOf(one, nothing));
    const ofRun = [{ runMachine: "pool/one" as NodeName }, { runMachine: "pool/two" as NodeName }, {}];
    const heard = scopes.map((scope) =>
      ofRun.map((more) => !("code" in scope) && scope.concerns(denied({ runEntryId: "entry_1", ...more }))),
    );
    expect(heard).toEqual([
      [true, false, false],
      [false, true, false],
      [false, false, true],
    ]);
    expect(new Set(scopes.map((scope) => ("part" in scope ? scope.part : ""))).size).toBe(3);
  });

  test("an operator of any role: all of it", async () => {
    const scope = scopeOf(await callerWith(OPERATOR, RUNTIME), nothing);
    if ("code" in scope) throw new TypeError(scope.message);
    expect(scope.concerns(denied({ audiences: [] }))).toBe(true);
  });

  test("with the entry's bound of staleness where none is asked for", async () => {
    expect(scopeOf(await callerWith(VERIFIER), nothing)).toMatchObject({ maxStalenessSeconds: 20 });
    expect(scopeOf(await callerWith(VERIFIER), { ...nothing, maxStalenessSeconds: 3 })).toMatchObject({
      maxStalenessSeconds: 3,
    });
  });
});

test("a cursor comes back as it was given, and nothing else is taken for one", () => {
  const seal = createCursorSeal(Buffer.alloc(32, 1));
  const other = createCursorSeal(Buffer.alloc(32, 2));
  fc.assert(
    fc.property(fc.nat(), fc.uint8Array({ maxLength: 80 }), fc.nat(), (sequence, bytes, position) => {
      const cursor = { epoch: "epoch_1", sequence };
      const sealed = sealCursor(seal, cursor);
      expect(openCursor(seal, sealed)).toEqual(cursor);
      expect(openCursor(seal, bytes)).toBeUndefined();
      expect(openCursor(other, sealed)).toBeUndefined();
      const at = position % sealed.length;
      expect(
        openCursor(
          seal,
          sealed.map((byte, index) => (index === at ? byte ^ 1 : byte)),
        ),
      ).toBeUndefined();
    }),
  );
});

describe("a watch that begins", () => {
  let world: World;
  /** What reads wait for before they begin. */
  let gate: Promise<unknown>;
  let feed: Pick<FeedReads, "inForce">;
  const stops: (() => void)[] = [];

  beforeEach(async () => {
    const given = ports();
    const store = await openMemoryLedger(given);
    world = worldOf(store, given);
    gate = Promise.resolve();
    feed = {
      async *inForce(now) {
        await gate;
        yield* store.feed.inForce(now);
      },
    };
  });
  afterEach(async () => {
    for (const stop of stops.splice(0)) stop();
    await world.store.close();
  });

  function watchPorts() {
    const failed = (error: unknown) => expect.unreachable(String(error));
    const notifier = createNotifier({ ledger: world.ledger, feed: world.store.feed, failed });
    stops.push(notifier.close);
    const denyList = keepDenialsInForce({
      ...{ ledger: world.ledger, feed, notifier, clock: world.clock },
      formOf: ({ subject }) => (subject.kind === "step" ? subject.stepId : ""),
    });
    return { ledger: world.ledger, notifier, denyList };
  }

  async function closeOne(): Promise<string> {
    const step = await world.open(await world.agent());
    await world.issue(step);
    await world.close(step);
    return step.stepId;
  }

  const stepsOf = (batches: readonly FeedBatch[]) =>
    batches.flatMap(({ entries }) => entries.map(({ subject }) => (subject.kind === "step" ? subject.stepId : "")));
  const begunWith = ({ denials }: Beginning<string>) => denials.map(({ form }) => form);
  const cursorNow = () => ({ epoch: world.ledger.head().epoch, sequence: world.ledger.head().sequence });

  test("with a cursor is given what came after it", async () => {
    const ports = watchPorts();
    await closeOne();
    const cursor = cursorNow();
    const missed = [await closeOne(), await closeOne()];
    await ports.notifier.caughtUp();
    const { beginning, end } = await beginWatch(cursor, () => undefined, ports);
    expect(beginning.kind).toBe("resume");
    expect(begunWith(beginning)).toEqual(missed);
    end();
  });

  test.for([
    { cursor: "without a cursor", of: () => undefined },
    { cursor: "with one of another epoch", of: () => ({ ...cursorNow(), epoch: "epoch_other" }) },
  ])("$cursor is given the whole deny-list", async ({ of }) => {
    const ports = watchPorts();
    const closed = await closeOne();
    const { beginning, end } = await beginWatch(of(), () => undefined, ports);
    expect(beginning.kind).toBe("snapshot");
    expect(begunWith(beginning)).toEqual([closed]);
    end();
  });

  test.for([{ begins: "with a cursor" }, { begins: "with a snapshot" }])(
    "$begins misses nothing of what is closed while that is read, and is told of it afterwards",
    async ({ begins }) => {
      const ports = watchPorts();
      const before = await closeOne();
      const cursor = begins === "with a cursor" ? { ...cursorNow(), sequence: 0 } : undefined;
      const read = Promise.withResolvers<void>();
      gate = read.promise;
      const delivered: FeedBatch[] = [];
      const beginning = beginWatch(cursor, (batch) => delivered.push(batch), ports);
      const during = await closeOne();
      await ports.notifier.caughtUp();
      read.resolve();
      const begun = await beginning;
      const atFirst = begunWith(begun.beginning);
      const between = await closeOne();
      await ports.notifier.caughtUp();
      expect(delivered).toEqual([]);
      begun.go();
      expect(stepsOf(delivered)).toEqual([between]);
      const after = await closeOne();
      await ports.notifier.caughtUp();
      const seen = [...atFirst, ...stepsOf(delivered)];
      expect(new Set(seen)).toEqual(new Set([before, during, between, after]));
      expect(seen.at(-1)).toBe(after);
      begun.end();
      await closeOne();
      await ports.notifier.caughtUp();
      expect([...atFirst, ...stepsOf(delivered)]).toEqual(seen);
    },
  );
});
