import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, expect, test } from "vitest";
import { whyTooOld } from "../../src/cli/oldest-node.ts";
import { STINT, STINTD } from "../programs.ts";

const engines = (
  JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as Record<string, { node: string }>
)["engines"];

test.for([
  { version: "22.15.0", isTooOld: false },
  { version: "24.20.0", isTooOld: false },
  { version: "100.0.0", isTooOld: false },
  { version: "22.14.0", isTooOld: true },
  { version: "20.20.2", isTooOld: true },
  { version: "9.99.9", isTooOld: true },
])("Node.js $version is too old: $isTooOld", ({ version, isTooOld }) => {
  expect(whyTooOld(version) !== undefined).toBe(isTooOld);
});

test("the oldest is the one that the package says", () => {
  const oldest = engines?.node.replace(">=", "") ?? "";
  expect(whyTooOld(`${oldest}.0`)).toBe(undefined);
  expect(whyTooOld("22.14.99")).toContain(`: ${oldest} or later is needed`);
});

describe.for([
  { name: "stint", program: STINT },
  { name: "stintd", program: STINTD },
])("$name", ({ name, program }) => {
  /** A Node.js that takes itself for another, and shows what was loaded. */
  const AS_OLD = `import { registerHooks } from "node:module";
    Object.defineProperty(process.versions, "node", { value: "20.20.2" });
    registerHooks({ load: (url, context, next) => (console.log(url), next(url, context)) });`;

  test("says in a sentence that its Node.js is too old, before it loads what such a one could not", () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [`--import=data:text/javascript,${encodeURIComponent(AS_OLD)}`, program, "--version"],
      { encoding: "utf8" },
    );
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `${name}: Node.js 20.20.2 is too old: 22.15 or later is needed, and 24 is what it is tested with\n`,
    });
    const loaded = stdout.split("\n").filter((url) => url.startsWith("file:"));
    // A program that is bundled has them in fewer files.
    expect(loaded.length).toBeLessThanOrEqual(6);
    // Names of Node.js that an old one does not have would end it while the program is linked.
    for (const url of loaded)
      expect(readFileSync(new URL(url), "utf8")).not.toMatch(/import \{[^}]*(enableCompileCache|registerHooks)/);
  });
});
