import { create } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { receiptsSentence } from "../../src/cli/receipts-sentence.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { ReceiptState, ReceiptsSchema } from "../../src/gen/stint/v1/types_pb.js";
import { timestampOfMicros } from "../../src/wire/timestamps.ts";

// The sentence speaks in the reader's own time.
const zone = process.env["TZ"];
beforeAll(() => {
  process.env["TZ"] = "UTC";
});
afterAll(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

const now = Date.parse("2026-01-31T03:12:00Z");
const at = (text: string) => timestampOfMicros((Date.parse(text) * 1_000) as UnixMicros);
const applied = (verifier: string) => ({
  verifier,
  state: ReceiptState.APPLIED,
  appliedAt: at("2026-01-31T03:11:59Z"),
});
const silent = (verifier: string, lapsesAt: string, state: ReceiptState = ReceiptState.PENDING) => ({
  verifier,
  state,
  lapsesAt: at(lapsesAt),
});
const three = ["mcp-1", "mcp-3", "mcp-4"].map(applied);

test.for([
  {
    what: "all applied",
    receipts: { expected: 3, applied: 3, verifiers: three, latestPossibleAcceptance: at("2026-01-31T03:11:59Z") },
    sentence: "applied 3 of 3",
  },
  {
    what: "one is silent",
    receipts: {
      expected: 4,
      applied: 3,
      verifiers: [...three, silent("mcp-2", "2026-01-31T03:12:40Z")],
      latestPossibleAcceptance: at("2026-01-31T03:12:40Z"),
    },
    sentence: "applied 3 of 4; mcp-2 silent; acceptable there until 03:12:40",
  },
  {
    what: "two are silent, until the later of them",
    receipts: {
      expected: 2,
      applied: 0,
      verifiers: [
        silent("mcp-1", "2026-01-31T03:12:10Z"),
        silent("mcp-2", "2026-01-31T03:12:20Z", ReceiptState.DISCONNECTED),
      ],
      latestPossibleAcceptance: at("2026-01-31T03:12:20Z"),
    },
    sentence: "applied 0 of 2; mcp-1, mcp-2 silent; acceptable there until 03:12:20",
  },
  {
    what: "the credentials expire before the silent one lapses",
    receipts: {
      expected: 1,
      applied: 0,
      verifiers: [silent("mcp-2", "2026-01-31T03:12:40Z")],
      latestPossibleAcceptance: at("2026-01-31T03:12:05Z"),
    },
    sentence: "applied 0 of 1; mcp-2 silent; acceptable there until 03:12:05",
  },
  {
    what: "one has lapsed and so refuses everything",
    receipts: {
      expected: 2,
      applied: 1,
      verifiers: [applied("mcp-1"), silent("mcp-2", "2026-01-31T03:11:00Z", ReceiptState.LAPSED)],
      latestPossibleAcceptance: at("2026-01-31T03:11:59Z"),
    },
    sentence: "applied 1 of 2; mcp-2 lapsed",
  },
  {
    what: "a silent one's time is over",
    receipts: {
      expected: 1,
      applied: 0,
      verifiers: [silent("mcp-2", "2026-01-31T03:11:00Z")],
      latestPossibleAcceptance: at("2026-01-31T03:11:00Z"),
    },
    sentence: "applied 0 of 1; mcp-2 silent",
  },
  {
    what: "nobody watches an audience of it",
    receipts: {
      expected: 1,
      applied: 1,
      verifiers: [applied("mcp-1")],
      latestPossibleAcceptance: at("2026-01-31T03:14:05Z"),
    },
    sentence: "applied 1 of 1; acceptable where nobody listens until 03:14:05",
  },
  {
    what: "nobody is concerned",
    receipts: { expected: 0, applied: 0, verifiers: [], latestPossibleAcceptance: at("2026-01-31T03:12:00Z") },
    sentence: "no verifier concerned",
  },
  {
    what: "it takes until the day after",
    receipts: { expected: 0, applied: 0, verifiers: [], latestPossibleAcceptance: at("2026-02-01T03:12:00Z") },
    sentence: "no verifier concerned; acceptable where nobody listens until 2026-02-01 03:12:00",
  },
  {
    what: "a state is not known here, which is no word of having applied anything",
    receipts: {
      expected: 1,
      applied: 0,
      verifiers: [silent("mcp-2", "2026-01-31T03:12:40Z", 99 as ReceiptState)],
      latestPossibleAcceptance: at("2026-01-31T03:12:40Z"),
    },
    sentence: "applied 0 of 1; mcp-2 silent; acceptable there until 03:12:40",
  },
])("$what: $sentence", ({ receipts, sentence }) => {
  expect(receiptsSentence(create(ReceiptsSchema, receipts), now)).toBe(sentence);
});
