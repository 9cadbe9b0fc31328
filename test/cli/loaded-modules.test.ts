import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";

// Guards the time that a command takes to start, by what it is made of: it loads what it runs, and nothing for other commands.

const STINT = fileURLToPath(new URL("../../src/cli/stint.ts", import.meta.url));
const NOWHERE = ["--operator-socket", "/nowhere/operator.sock", "--socket", "unix:///nowhere/workload.sock"];

/** Run in the process before all else: keeps which modules are loaded. */
const WATCH = `import { registerHooks } from "node:module";
import { writeFileSync } from "node:fs";
const urls = [];
registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
process.on("exit", () => writeFileSync(process.env.LOADED_FILE, JSON.stringify(urls)));`;

/** Packages, and modules of the command line's commands, that a run of `stint` loads. */
async function loadedBy(args: readonly string[]) {
  const directory = await mkdtemp(join(tmpdir(), "stint-loaded-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, "loaded.json");
  const watch = `--import=data:text/javascript,${encodeURIComponent(WATCH)}`;
  const child = spawn(process.execPath, [watch, STINT, ...args], {
    stdio: "ignore",
    env: { ...process.env, LOADED_FILE: file },
  });
  await once(child, "exit");
  const urls = JSON.parse(readFileSync(file, "utf8")) as readonly string[];
  const named = (pattern: RegExp) =>
    [...new Set(urls.flatMap((url) => pattern.exec(url)?.slice(1) ?? []))].toSorted((a, b) => (a < b ? -1 : 1));
  return {
    packages: named(/\/node_modules\/((?:@[^/]+\/)?[^/]+)\//),
    commands: named(/\/src\/cli\/(?:commands|dev|doctor|init)\/([^/]+)\.ts$/),
    rooms: named(/\/src\/([^/]+)\//),
  };
}

const CALLING = ["@bufbuild/protobuf", "@grpc/grpc-js", "@js-sdsl/ordered-map", "commander"];

test.for([
  { args: ["--version"], packages: ["commander"], commands: [] },
  { args: ["--help"], packages: ["commander"], commands: [] },
  { args: ["help"], packages: ["commander"], commands: [] },
  { args: ["unknown"], packages: ["commander"], commands: [] },
  { args: ["dev", "--help"], packages: ["commander"], commands: ["dev"] },
  { args: ["doctor", "--help"], packages: ["commander"], commands: ["doctor"] },
  { args: ["init", "--help"], packages: ["commander"], commands: ["init"] },
  { args: ["status"], packages: CALLING, commands: ["status"] },
  { args: ["healthcheck"], packages: CALLING, commands: ["healthcheck"] },
  { args: ["whoami"], packages: CALLING, commands: ["whoami"] },
  { args: ["entry", "list"], packages: CALLING, commands: ["entry"] },
  {
    args: ["step", "list"],
    packages: CALLING,
    commands: ["answering", "history", "step", "step-approval", "step-run"],
  },
  { args: ["ledger", "show"], packages: CALLING, commands: ["ledger", "ledger-proofs", "ledger-retention"] },
  // The mapping is YAML; nothing that renders is loaded before there is something to render.
  { args: ["report", "--framework", "maestro"], packages: [...CALLING, "yaml"], commands: ["report"] },
  { args: ["policy", "list"], packages: CALLING, commands: ["policy", "policy-replay", "policy-sets"] },
])("stint $args loads nothing of other commands", async ({ args, packages, commands }) => {
  const loaded = await loadedBy([...NOWHERE, ...args]);
  expect(loaded).toMatchObject({ packages, commands });
  expect(loaded.rooms).not.toContain("adapters");
});

test("a command that is the value of a flag, or comes behind one, is found all the same", async () => {
  expect((await loadedBy(["--output", "json", ...NOWHERE, "status"])).commands).toEqual(["status"]);
});
