import { create } from "@bufbuild/protobuf";
import { DurationSchema, TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { microsOf, type UnixMicros, type UnixSeconds } from "../../src/domain/time.ts";
import {
  durationOfMs,
  durationOfSeconds,
  microsOfTimestamp,
  msOfDuration,
  secondsOfDuration,
  secondsOfTimestamp,
  timestampOfMicros,
  timestampOfSeconds,
} from "../../src/wire/timestamps.ts";

const timestamp = (seconds: bigint, nanos = 0) => create(TimestampSchema, { seconds, nanos });
const duration = (seconds: bigint, nanos = 0) => create(DurationSchema, { seconds, nanos });

describe("instants", () => {
  test("keep every microsecond on the wire", () => {
    const micros = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER - 2_000_000 });
    fc.assert(
      fc.property(micros, (instant) => {
        expect(microsOfTimestamp(timestampOfMicros(instant as UnixMicros), "since")).toBe(instant);
      }),
    );
  });

  test("in seconds and in microseconds are the same on the wire", () => {
    const at = 1_790_000_000 as UnixSeconds;
    expect(timestampOfMicros(microsOf(at))).toEqual(timestampOfSeconds(at));
    expect(secondsOfTimestamp(timestampOfSeconds(at), "expires_at")).toBe(at);
  });

  test("are never later in whole seconds than what was said", () => {
    expect(secondsOfTimestamp(timestamp(100n, 999_999_999), "expires_at")).toBe(100);
  });

  test.for([
    { what: "before 1970", bad: timestamp(-1n) },
    { what: "after the year 9999", bad: timestamp(253_402_300_800n) },
    { what: "beyond any number", bad: timestamp(9_223_372_036_854_775_807n) },
    { what: "with a negative fraction", bad: timestamp(100n, -1) },
    { what: "with a fraction of a second or more", bad: timestamp(100n, 1_000_000_000) },
  ])("$what are refused by the field's name", ({ bad }) => {
    const refusal = { code: "INVALID_FIELD", metadata: { field: "expires_at" } };
    expect(() => secondsOfTimestamp(bad, "expires_at")).toThrow(expect.objectContaining(refusal));
    expect(() => microsOfTimestamp(bad, "expires_at")).toThrow(expect.objectContaining(refusal));
  });
});

describe("durations", () => {
  test("come back as they were", () => {
    expect(secondsOfDuration(durationOfSeconds(86_400), "lease")).toBe(86_400);
    expect(msOfDuration(durationOfMs(1_234), "await_receipts")).toBe(1_234);
  });

  test("of a lease are of whole seconds, and of a wait are rounded up", () => {
    expect(() => secondsOfDuration(duration(1n, 500_000_000), "lease")).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "lease" } }),
    );
    expect(msOfDuration(duration(0n, 1), "await_receipts")).toBe(1);
  });

  test.for([
    { what: "negative", bad: duration(-1n) },
    { what: "negative by their fraction", bad: duration(0n, -1) },
    { what: "longer than the standard allows", bad: duration(315_576_000_001n) },
  ])("that are $what are refused", ({ bad }) => {
    expect(() => secondsOfDuration(bad, "lease")).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
    expect(() => msOfDuration(bad, "lease")).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
  });
});
