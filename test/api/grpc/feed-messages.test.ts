import { fromBinary } from "@bufbuild/protobuf";
import { beforeEach, expect, test } from "vitest";
import { createCursorSeal } from "../../../src/adapters/cursor-seal/cursor-seal.ts";
import { createFeedMessages, type FeedMessages } from "../../../src/api/grpc/feed-messages.ts";
import type { KeptDenial } from "../../../src/close/denials-in-force.ts";
import type { Beginning, WatchScope } from "../../../src/close/watch.ts";
import { openCursor } from "../../../src/close/watch.ts";
import type { UnixMicros, UnixSeconds } from "../../../src/domain/time.ts";
import { type WatchResponse, WatchResponseSchema } from "../../../src/gen/stint/v1/revocations_pb.js";
import type { DenyEntry } from "../../../src/ports/ledger-reads.ts";
import type { EncodedMessage } from "../../../src/wire/encoded-message.ts";

const [HERE, THERE] = ["https://here.example/mcp", "https://there.example/mcp"] as const;
const seal = createCursorSeal(Buffer.alloc(32, 3));
let epoch: string;
let messages: FeedMessages;

beforeEach(() => {
  epoch = "epoch_1";
  const ledger = { head: () => ({ epoch, sequence: 1, rootHash: new Uint8Array(32) }) };
  messages = createFeedMessages({ ledger, seal, names: { issuer: "https://i.example", caNameOf: () => undefined } });
});

function scopeOf(audience: string): WatchScope {
  return {
    ...{
      entryId: `entry of ${audience}`,
      isVerifier: true,
      audiences: [audience],
      maxStalenessSeconds: 60,
      part: audience,
    },
    concerns: ({ audiences }) => audiences.includes(audience),
  };
}

const deniedAt = (sequence: number, audience: string = HERE): DenyEntry => ({
  sequence,
  reason: "cessationOfOperation",
  state: "COMPLETED",
  latestExpiry: 1_800_000_000 as UnixSeconds,
  deniedAt: 1_800_000_000_000_000 as UnixMicros,
  audiences: [audience],
  concernsAll: false,
  runEntryId: "entry_runtime",
  subject: { kind: "jwt", jti: `j${sequence}` },
});
const keptOf = (entry: DenyEntry): KeptDenial<Uint8Array> => ({ ...entry, form: messages.formOf(entry) });
const listOf = (count: number) => Array.from({ length: count }, (_, index) => keptOf(deniedAt(index + 1)));
const snapshotOf = (denials: readonly KeptDenial<Uint8Array>[], through = denials.length): Beginning<Uint8Array> => ({
  ...{ kind: "snapshot", denials, through },
});

const read = ({ bytes }: EncodedMessage): WatchResponse["message"] => fromBinary(WatchResponseSchema, bytes).message;
/** Of each message: its case, its denials by `jti`, and the sequence of its cursor. */
function shown(all: Iterable<EncodedMessage>) {
  return [...all].map((one) => {
    const { case: name, value } = read(one);
    if (name !== "snapshot" && name !== "denied") throw new TypeError(`${name}`);
    const ids = value.denials.map(({ subject }) => (subject.case === "jwt" ? subject.value.jti : ""));
    const end = openCursor(seal, value.cursor);
    return {
      name,
      count: ids.length,
      first: ids[0],
      end: end?.sequence,
      last: "last" in value ? value.last : undefined,
    };
  });
}

test("a snapshot is made once for all who watch the same part: the very same bytes", () => {
  const denials = listOf(2_500);
  const [one, other] = [scopeOf(HERE), scopeOf(HERE)];
  const made = [...messages.beginning(snapshotOf(denials), one)];
  expect(shown(made)).toEqual([
    { name: "snapshot", count: 1_000, first: "j1", end: undefined, last: false },
    { name: "snapshot", count: 1_000, first: "j1001", end: undefined, last: false },
    { name: "snapshot", count: 500, first: "j2001", end: 2_500, last: true },
  ]);
  // Events of others meanwhile change nothing of it.
  const again = [...messages.beginning(snapshotOf(denials, 2_700), other)];
  expect(again.map(({ bytes }) => bytes)).toEqual(made.map(({ bytes }) => bytes));
  for (const [index, { bytes }] of again.entries()) expect(bytes).toBe(made[index]?.bytes);
});

test("with one more denial the last message alone is made anew", () => {
  const denials = listOf(2_500);
  const before = [...messages.beginning(snapshotOf(denials), scopeOf(HERE))];
  denials.push(keptOf(deniedAt(2_501)));
  const after = [...messages.beginning(snapshotOf(denials), scopeOf(HERE))];
  expect(after.slice(0, 2).map(({ bytes }) => bytes)).toEqual(before.slice(0, 2).map(({ bytes }) => bytes));
  expect(after[0]?.bytes).toBe(before[0]?.bytes);
  expect(after[1]?.bytes).toBe(before[1]?.bytes);
  expect(shown(after).at(-1)).toEqual({ name: "snapshot", count: 501, first: "j2001", end: 2_501, last: true });
});

test("a list that something was taken out of is told as it is now", () => {
  const denials = listOf(3);
  expect(shown(messages.beginning(snapshotOf(denials), scopeOf(HERE)))).toMatchObject([{ count: 3 }]);
  const left = denials.slice(2);
  expect(shown(messages.beginning(snapshotOf(left, 9), scopeOf(HERE)))).toEqual([
    { name: "snapshot", count: 1, first: "j3", end: 9, last: true },
  ]);
});

test("after a new epoch begins, nobody is given a cursor of the old one", () => {
  const denials = listOf(1);
  const cursorOf = () => {
    const { value } = read([...messages.beginning(snapshotOf(denials), scopeOf(HERE))][0] as EncodedMessage);
    return value !== undefined && "cursor" in value ? openCursor(seal, value.cursor) : undefined;
  };
  expect(cursorOf()).toEqual({ epoch: "epoch_1", sequence: 1 });
  epoch = "epoch_2";
  expect(cursorOf()).toEqual({ epoch: "epoch_2", sequence: 1 });
});

test("each part of the feed holds what concerns it, an empty one a message with the cursor", () => {
  const denials = [deniedAt(1), deniedAt(2, THERE), deniedAt(3)].map(keptOf);
  expect(shown(messages.beginning(snapshotOf(denials), scopeOf(HERE)))).toMatchObject([{ count: 2, end: 3 }]);
  expect(shown(messages.beginning(snapshotOf(denials), scopeOf(THERE)))).toMatchObject([{ count: 1, first: "j2" }]);
  expect(shown(messages.beginning(snapshotOf(denials), scopeOf("https://none.example")))).toEqual([
    { name: "snapshot", count: 0, first: undefined, end: 3, last: true },
  ]);
});

test("parts that nobody asks for any more make room, and come back whole", () => {
  const denials = listOf(1);
  const [first] = messages.beginning(snapshotOf(denials), scopeOf(HERE));
  for (let other = 0; other < 64; other += 1)
    messages.beginning(snapshotOf(denials), scopeOf(`https://${other}.example`));
  const [again] = messages.beginning(snapshotOf(denials), scopeOf(HERE));
  expect(again?.bytes).toEqual(first?.bytes);
  expect(again?.bytes).not.toBe(first?.bytes);
});

test("who resumes is told what it missed of its part, one message after the other, the cursor in the last", () => {
  const denials = [...listOf(1_500), keptOf(deniedAt(1_501, THERE))];
  const resumed = (scope: WatchScope) => messages.beginning({ kind: "resume", denials, through: 1_600 }, scope);
  expect(shown(resumed(scopeOf(HERE)))).toEqual([
    { name: "denied", count: 1_000, first: "j1", end: undefined, last: undefined },
    { name: "denied", count: 500, first: "j1001", end: 1_600, last: undefined },
  ]);
  expect([...resumed(scopeOf("https://none.example"))]).toEqual([]);
});

test("a denial is told all who watch the same part in the very same bytes", () => {
  const batch = { entries: [deniedAt(7), deniedAt(8, THERE)], through: 8 };
  const [made] = messages.denied(batch, scopeOf(HERE));
  const [again] = messages.denied(batch, scopeOf(HERE));
  expect(made?.[1]).toBe(1);
  expect(shown(made === undefined ? [] : [made[0]])).toMatchObject([{ name: "denied", count: 1, first: "j7", end: 8 }]);
  expect(again?.[0].bytes).toBe(made?.[0].bytes);
  expect(messages.denied(batch, scopeOf("https://none.example"))).toEqual([]);
});
