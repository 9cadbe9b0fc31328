import { defineConfig } from "vitest/config";
import checkout from "../../vitest.config.ts";

// The tests that `scripts/mutants.ts` chose, told through the environment. StrykerJS has an option for it, `testFiles`, but with it a
// mutant of what a module holds is put in place after the module was loaded, and so is never noticed (stryker-js issue 6144).
const include = JSON.parse(process.env["STINT_MUTANTS_TESTS"] ?? "[]") as string[];

export default defineConfig({ ...checkout, test: { ...checkout.test, include } });
