import { expect, test } from "vitest";
import type { BrokerError } from "../../src/domain/errors.ts";
import { fence } from "../../src/open/fence.ts";

test.for([
  { asked: undefined, newest: undefined, answer: { attempt: 1, supersedes: false }, when: "the first" },
  { asked: 7, newest: undefined, answer: { attempt: 7, supersedes: true }, when: "a first with a number" },
  {
    asked: undefined,
    newest: { stepId: "step_3", attempt: 3, state: "FAILED" as const },
    answer: { attempt: 4, supersedes: false },
    when: "the next after a closed one",
  },
  {
    asked: 5,
    newest: { stepId: "step_3", attempt: 3, state: "OPEN" as const },
    answer: { attempt: 5, supersedes: true, replaces: "step_3" },
    when: "a later one, fencing off the open one",
  },
])("$when", ({ asked, newest, answer }) => {
  expect(fence(asked, newest === undefined ? [] : [newest])).toEqual(answer);
});

test("an attempt that waits for approval, or was refused it, does not hide the one that is open", () => {
  const open = { stepId: "step_1", attempt: 1, state: "OPEN" as const };
  for (const state of ["PENDING_APPROVAL", "REFUSED"] as const) {
    const standing = [{ stepId: "step_2", attempt: 2, state }, open];
    expect(() => fence(undefined, standing)).toThrow(expect.objectContaining({ code: "STEP_EXISTS" }) as BrokerError);
    expect(fence(3, standing)).toEqual({ attempt: 3, supersedes: true, replaces: "step_1" });
  }
});

test.for([
  { asked: undefined, state: "OPEN" as const, code: "STEP_EXISTS" },
  { asked: undefined, state: "PENDING_APPROVAL" as const, code: "STEP_EXISTS" },
  { asked: 3, state: "OPEN" as const, code: "STALE_ATTEMPT" },
  { asked: 2, state: "COMPLETED" as const, code: "STALE_ATTEMPT" },
])("attempt $asked after one that is $state is refused as $code", ({ asked, state, code }) => {
  expect(() => fence(asked, [{ stepId: "step_3", attempt: 3, state }])).toThrow(
    expect.objectContaining({ code, metadata: { attempt: "3" } }) as BrokerError,
  );
});
