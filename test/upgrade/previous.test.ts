import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isWithoutPrevious, previousFile } from "./previous.ts";

const ROOT = join(import.meta.dirname, "../..");
const PAGE = "docs/settings.md";

const versionIn = (manifest: string) => (JSON.parse(manifest) as { readonly version: string }).version;

/**
 * Of each key, under its heading, its default and its variable; what it takes may have become more. The page is made from the schema that
 * checks the file.
 */
function settingsIn(page: string): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {};
  let heading = "";
  let columns: readonly string[] = [];
  for (const line of page.split("\n")) {
    if (line.startsWith("#")) heading = line;
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    const [, key = ""] = cells;
    if (key === "key") columns = cells;
    if (!key.startsWith("`")) continue;
    for (const column of ["default", "variable"]) {
      const at = columns.indexOf(column);
      if (at >= 0) settings[`${heading} ${key} ${column}`] = cells[at] ?? "";
    }
  }
  return settings;
}

test.skipIf(isWithoutPrevious)("what is upgraded from is the minor before this one", () => {
  const [major, minor = 0] = versionIn(readFileSync(join(ROOT, "package.json"), "utf8"))
    .split(".")
    .map(Number);
  expect(versionIn(previousFile("package.json"))).toBe(`${major}.${minor - 1}.0`);
});

test.skipIf(isWithoutPrevious)(
  "every setting of the previous version is one of this, with the same default and variable",
  () => {
    const before = settingsIn(previousFile(PAGE));
    expect(Object.keys(before).length).toBeGreaterThan(200);
    expect(settingsIn(readFileSync(join(ROOT, PAGE), "utf8"))).toMatchObject(before);
  },
);
