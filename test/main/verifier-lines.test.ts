import { expect, test } from "vitest";
import type { ReceiptBook } from "../../src/close/receipts.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { verifierLines } from "../../src/main/verifier-lines.ts";

type Listening = ReturnType<ReceiptBook["listening"]>[number];

function scene() {
  const lines: unknown[] = [];
  const told = (what: string) => void lines.push(what);
  let listening: readonly Listening[] = [];
  let [head, nowMs] = [10, 0];
  const look = verifierLines(
    { info: told, recurring: told },
    {
      receipts: { listening: () => listening },
      entries: { all: () => [] },
      head: () => head,
      monotonicMs: () => nowMs,
    },
  );
  return {
    lines,
    /** Lets so much time pass, with the ledger at this sequence and the verifier, if there, at that. */
    at(ms: number, sequence: number, acknowledged?: number) {
      [nowMs, head] = [ms, sequence];
      const one = { watcherId: "w1", entryId: "entry_1", audiences: [], maxStalenessSeconds: 20, appliedBefore: 0 };
      const since = { connectedSince: 0 as UnixMicros, lastSeen: 0 as UnixMicros, isConnected: true };
      listening = acknowledged === undefined ? [] : [{ ...one, ...since, acknowledged }];
      look();
    },
  };
}

test("a verifier is told of when it comes and when it is gone", () => {
  const { lines, at } = scene();
  at(0, 10, 10);
  at(1_000, 10, 10);
  at(2_000, 10);
  at(3_000, 10);
  expect(lines).toEqual(["a verifier listens", "a verifier is gone"]);
});

test("a verifier is behind that has not applied for 15 s what was there before, once, until it has caught up", () => {
  const { lines, at } = scene();
  at(0, 10, 5);
  at(14_999, 50, 9);
  expect(lines).toEqual(["a verifier listens"]);
  at(15_000, 50, 9);
  at(30_000, 60, 9);
  at(31_000, 70, 10);
  expect(lines).toEqual(["a verifier listens", "a verifier is behind", "a verifier has caught up"]);
});

test("a verifier that always applies what was there a moment ago is never behind, however fast the ledger grows", () => {
  const { lines, at } = scene();
  for (let second = 0; second < 60; second += 1) at(second * 1_000, 100 + second * 100, second * 100);
  expect(lines).toEqual(["a verifier listens"]);
});
