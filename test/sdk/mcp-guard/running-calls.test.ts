import { expect, test } from "vitest";
import { type CallCancelled, createRunningCalls } from "../../../src/sdk/mcp-guard/running-calls.ts";

test("in a session of several steps a call is stopped by the step that made it alone", () => {
  const calls = createRunningCalls();
  const stopped: CallCancelled[] = [];
  calls.begin({ step: "one", sessionId: "s", id: 1 })?.onCancelled((why) => stopped.push(why));
  calls.cancel({ step: "two", sessionId: "s", id: 1 });
  expect(stopped).toEqual([]);
  calls.cancel({ step: "one", sessionId: "s", id: 1 });
  expect(stopped).toEqual([expect.objectContaining({ name: "AbortError" })]);
});

test("an id is taken in its session for as long as its call runs, whichever step asks", () => {
  const calls = createRunningCalls();
  const call = calls.begin({ step: "one", sessionId: "s", id: 1 });
  expect(calls.begin({ step: "two", sessionId: "s", id: 1 })).toBeUndefined();
  expect(calls.begin({ step: "one", sessionId: "t", id: 1 })).toBeDefined();
  call?.[Symbol.dispose]();
  const next = calls.begin({ step: "two", sessionId: "s", id: 1 });
  call?.[Symbol.dispose]();
  expect([next !== undefined, calls.begin({ step: "one", sessionId: "s", id: 1 })]).toEqual([true, undefined]);
});
