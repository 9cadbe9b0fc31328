import { describe, expect, test } from "vitest";
import { executorFlag, stepArgument } from "../../src/cli/commands/step.ts";
import { countFlag, durationFlag, instantFlag, listFlag, serialFlag } from "../../src/cli/flags.ts";

const usage = expect.objectContaining({ code: "commander.invalidArgument" });

describe("a time", () => {
  test.for([
    { text: "90", seconds: 90 },
    { text: "90s", seconds: 90 },
    { text: "5m", seconds: 300 },
    { text: "1h", seconds: 3_600 },
    { text: "7d", seconds: 604_800 },
  ])("$text is $seconds seconds", ({ text, seconds }) => {
    expect(durationFlag(text)).toBe(seconds);
  });

  test.for(["", "m", "-5m", "1.5h", "5 m", "5M", "1w", "9999999999s"])("%j is none", (text) => {
    expect(() => durationFlag(text)).toThrow(usage);
  });
});

describe("an instant", () => {
  const now = Date.parse("2026-01-31T12:00:00Z");
  test.for([
    { text: "2026-01-31T11:00:00Z", instant: "2026-01-31T11:00:00.000Z" },
    { text: "2026-01-31T11:00Z", instant: "2026-01-31T11:00:00.000Z" },
    { text: "2026-01-31T11:00:00.250+01:00", instant: "2026-01-31T10:00:00.250Z" },
    { text: "2026-01-31", instant: "2026-01-31T00:00:00.000Z" },
    { text: "15m", instant: "2026-01-31T11:45:00.000Z" },
  ])("$text is $instant", ({ text, instant }) => {
    expect(new Date(instantFlag(text, now)).toISOString()).toBe(instant);
  });

  test.for(["yesterday", "2026-01-31T11:00:00", "2026-13-01", "1769860800", "01/02/2026", ""])("%j is none", (text) => {
    expect(() => instantFlag(text, now)).toThrow(usage);
  });
});

test.for(["", "-1", "1.5", "1e3", "0x10", "ten"])("%j is no count", (text) => {
  expect(() => countFlag(text)).toThrow(usage);
});

test.for([
  { text: "0a1b", serial: "0a1b" },
  { text: "0A:1B", serial: "0a1b" },
  { text: "00:ff:00", serial: "ff00" },
])("the serial number $text is $serial", ({ text, serial }) => {
  expect(serialFlag(text)).toBe(serial);
});

test.for(["", "0a1", "xyz", "0x0a"])("%j is no serial number", (text) => {
  expect(() => serialFlag(text)).toThrow(usage);
});

test("a flag that is repeated gathers its values", () => {
  expect(listFlag("b", listFlag("a", undefined))).toEqual(["a", "b"]);
});

describe("a step", () => {
  test.for([
    { text: "step_01", by: { case: "stepId", value: "step_01" } },
    { text: "run-1/search", by: { case: "name", value: { runId: "run-1", step: "search", attempt: 0 } } },
    { text: "run-1/search/2", by: { case: "name", value: { runId: "run-1", step: "search", attempt: 2 } } },
  ])("is named by $text", ({ text, by }) => {
    expect(stepArgument(text)).toEqual(by);
  });

  test.for(["", "/", "run/", "/step", "run/step/0", "run/step/x", "run/step/1/2"])("is not named by %j", (text) => {
    expect(() => stepArgument(text)).toThrow(usage);
  });
});

describe("an executor", () => {
  test("is any process of the agent, or one by its pid", () => {
    expect([executorFlag("any"), executorFlag("42")]).toEqual([
      { case: "any", value: {} },
      { case: "pid", value: 42 },
    ]);
  });

  test.for(["self", "0", "-1", "", "42x"])("is not %j", (text) => {
    expect(() => executorFlag(text)).toThrow(usage);
  });
});
