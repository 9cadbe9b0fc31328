import { expect, test } from "vitest";
import { conditionLines } from "../../src/main/condition-lines.ts";
import type { Condition } from "../../src/main/readiness.ts";

function skew(seconds: number): Condition {
  return { kind: "suspension", key: "skew", why: `the wall clock departs by ${seconds} s` };
}
const FULL: Condition = { kind: "ledger", key: "full", why: "the disk is full" };

test("what stands in the way is told when it begins and when it ends, and not in between, though its words change", () => {
  const lines: unknown[] = [];
  const told = (level: string) => (what: string, facts?: object) => void lines.push([level, what, facts]);
  const tell = conditionLines({ warning: told("warn"), info: told("info") });
  for (const conditions of [[], [skew(6)], [skew(7)], [skew(8), FULL], [FULL], [], []]) tell(conditions);
  expect(lines).toEqual([
    ["warn", "issuance is suspended", { why: "the wall clock departs by 6 s" }],
    ["warn", "the ledger can't record everything: issuance stands still", { why: "the disk is full" }],
    ["info", "a reason for suspending issuance is gone", { why: "the wall clock departs by 8 s" }],
    ["info", "the ledger records again", { why: "the disk is full" }],
    ["info", "everything is issued again", undefined],
  ]);
});
