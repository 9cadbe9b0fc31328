import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { retentionSection } from "../../src/config/retention-section.ts";

test("the operator's guide: its times are taken, and none is shorter than a day", () => {
  const shown = readFileSync(join(import.meta.dirname, "retention.yaml"), "utf8");
  const day = 86_400;
  const times = { issuances: 90 * day, steps: 90 * day, decisions: 365 * day, calls: 90 * day, deliveries: 30 * day };
  expect(retentionSection.parse(parse(shown).retention)).toEqual(times);
  expect(retentionSection.parse({ steps: "1d" })).toMatchObject({ steps: day, issuances: "forever" });
  for (const steps of ["23h", "0s", "never"]) expect(retentionSection.safeParse({ steps }).success).toBe(false);
});
