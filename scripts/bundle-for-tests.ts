// Bundles the programs as the package `stint` has them, for the daemons and commands that tests start: `STINT_PROGRAMS` of test/programs.ts.
import { rmSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { writePrograms } from "./pack/bundle.ts";

const [, , directory] = process.argv;
// Whatever is there is removed: a path that is left out would be the checkout.
if (directory === undefined || directory === "")
  throw new Error("usage: bundle-for-tests.ts <folder below the checkout>");
const root = resolve(import.meta.dirname, "..");
// What an earlier build left under another hash would never be looked at, and would only fill the folder.
rmSync(resolve(root, directory), { recursive: true, force: true });
await writePrograms(root, resolve(root, directory));
