import { execFile } from "node:child_process";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { adapterFrameworks } from "./adapter-scene.ts";

const tsc = resolve(import.meta.dirname, "../../../node_modules/.bin/tsc");

// The adapters know frameworks by the parts that they use, and import none. What makes these parts fit the frameworks' own types is this.
test("the samples of the guide compile against the types of the frameworks", { timeout: INSTALL_MS_MAX }, async () => {
  const { folder } = await adapterFrameworks();
  const compiled = promisify(execFile)(process.execPath, [tsc, "--project", join(folder, "tsconfig.json")]);
  const complaints = await compiled.then(
    ({ stdout }) => stdout,
    (failed: { readonly stdout: string }) => failed.stdout,
  );
  expect(complaints).toBe("");
});
