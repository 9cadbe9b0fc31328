import { globSync } from "node:fs";
import { expect, test } from "vitest";
import { read, root } from "./documents.ts";

// Goal: the table of faults is all of them. That each file it names is there, `documents.test.ts` sees to.

const [head = [], , ...rows] = read("docs/faults.md")
  .split("\n")
  .filter((line) => line.startsWith("|"))
  .map((line) => line.split("|").map((cell) => cell.trim()));

test("each row says by which means, what holds and which test shows it", () => {
  expect(head.slice(1, -1)).toEqual(["fault", "how it is made", "what holds", "test", "figure"]);
  for (const [, , means, promise, tests] of rows) {
    expect(means).not.toBe("");
    expect(promise).not.toBe("");
    expect(tests).toMatch(/^`test\/[^`]+\.test\.ts`(, `test\/[^`]+\.test\.ts`)*$/);
  }
});

test("every test of faults has its row", () => {
  const named = rows.flatMap(([, , , , tests = ""]) => [...tests.matchAll(/`([^`]+)`/g)].map(([, path]) => path));
  const files = globSync("test/faults/*.test.ts", { cwd: root });
  expect(files.length).toBeGreaterThan(0);
  expect(files.filter((file) => !named.includes(file))).toEqual([]);
});
