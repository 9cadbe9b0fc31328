import { expect, test } from "vitest";
import type { UnixSeconds } from "../../src/domain/time.ts";
import { mergingLog } from "../../src/main/merging-log.ts";
import type { Log, RequestLine } from "../../src/ports/log.ts";
import { virtualClock } from "../memory/virtual-clock.ts";

function scene() {
  const lines: unknown[][] = [];
  const note =
    (kind: string) =>
    (...told: unknown[]) =>
      void lines.push([kind, ...told]);
  const inner: Log = {
    request: ({ method, uid, outcome }) => void lines.push(["request", method, uid, outcome]),
    fault: (what, error) => void lines.push(["fault", what, String(error)]),
    warning: note("warning"),
    recurring: note("recurring"),
    info: note("info"),
  };
  const clock = virtualClock(1_800_000_000 as UnixSeconds);
  return { lines, clock, ...mergingLog(inner, clock) };
}

function line(outcome: string, caller: readonly string[], uid = 1_000): RequestLine {
  return { method: "Steps.Open", uid, pid: 1, caller, outcome, durationMs: 0, ids: {} };
}

test("of connections refused again and again the log has the first of a minute, and then their count", () => {
  const { lines, clock, log } = scene();
  for (let times = 0; times < 1_000; times += 1) log.recurring("connection refused", { uid: 1_000 });
  log.recurring("connection refused", { uid: 1_001 });
  expect(lines).toEqual([
    ["recurring", "connection refused", { uid: 1_000 }],
    ["recurring", "connection refused", { uid: 1_001 }],
  ]);
  clock.advance(60_000);
  expect(lines.slice(2)).toEqual([
    ["warning", "connection refused, again within the last minute", { uid: 1_000, times: 999 }],
  ]);
  log.recurring("connection refused", { uid: 1_000 });
  expect(lines).toHaveLength(4);
});

test("a stranger's refusals are told ten times a minute, whoever is known is told of every time", () => {
  const { lines, flush, log } = scene();
  for (let times = 0; times < 50; times += 1) {
    log.request(line("NO_IDENTITY", []));
    log.request(line("POLICY_DENIED", ["runtime/flow"]));
    log.request(line("OK", []));
  }
  const told = (outcome: string) => lines.filter(([kind, , , of]) => kind === "request" && of === outcome);
  expect([told("NO_IDENTITY").length, told("POLICY_DENIED").length, told("OK").length]).toEqual([10, 50, 50]);
  flush();
  const facts = { method: "Steps.Open", uid: 1_000, outcome: "NO_IDENTITY", times: 40 };
  expect(lines.at(-1)).toEqual(["warning", "further requests of the last minute, each like those before", facts]);
});

test("a fault that comes again every second is told once a minute, another fault at once", () => {
  const { lines, clock, log } = scene();
  for (let second = 0; second < 60; second += 1) {
    log.fault("a background act failed", new Error("disk"));
    clock.advance(1_000);
  }
  log.fault("a background act failed", new Error("clock"));
  expect(lines).toEqual([
    ["fault", "a background act failed", "Error: disk"],
    ["warning", "the same fault came again within the last minute", { what: "a background act failed", times: 59 }],
    ["fault", "a background act failed", "Error: clock"],
  ]);
});

test("however many kinds of line are made up, only so many are written", () => {
  const { lines, log, clock } = scene();
  for (let uid = 0; uid < 100_000; uid += 1) log.recurring("connection refused", { uid });
  expect(lines.length).toBeLessThanOrEqual(1_001);
  clock.advance(60_000);
  expect(clock.pending()).toBe(0);
});
