import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { writePrograms } from "../../scripts/pack/bundle.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Three folders deep, as programs lie. */
const FOLDER = join(ROOT, "build/test/bundled");

beforeAll(async () => {
  await writePrograms(ROOT, FOLDER);
}, 120_000);

/** The files that a program is made of from its start on. */
function filesOf(name: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(name)) return found;
  found.add(name);
  const imports = readFileSync(join(FOLDER, name), "utf8").matchAll(/^import .*?"\.\/([^"]+)";$/gm);
  for (const [, imported = ""] of imports) filesOf(imported, found);
  return found;
}

function classesIn(files: Iterable<string>, name: string): number {
  const texts = [...files].map((file) => readFileSync(join(FOLDER, file), "utf8"));
  return texts.reduce(
    (sum, text) => sum + text.split(new RegExp(`\\b${name} = class\\b|\\bclass ${name}\\b`)).length - 1,
    0,
  );
}

// An error of a shared log was taken for one of the replica's own tables where both had a class of that name.
test("what is loaded into the ledger's thread has that thread's classes", () => {
  const files = ["writer-worker.js", "shared-log-worker.js", "commit-signer-worker.js"].flatMap((name) => [
    ...filesOf(name),
  ]);
  expect(classesIn(new Set(files), "BrokerError")).toBe(1);
});

test.each(["stint.js", "stintd.js", "history-worker.js"])("%s shares no file with another program", (name) => {
  const own = name.replace(".js", "");
  expect([...filesOf(name)].filter((file) => file !== name && !file.startsWith(`${own}-`))).toEqual([]);
});
