import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH } from "./entries.ts";

const STINT = fileURLToPath(new URL("../../src/cli/stint.ts", import.meta.url));
const uid = process.getuid?.() ?? 0;

let daemon: Daemon;
/** Where nobody matches: its entries are for other users. */
let strange: Daemon;
beforeAll(async () => {
  const entriesFor = (selectors: readonly string[]) => [
    { kind: "agent", name: "shell", selectors, ceiling: [READ_SEARCH], allow_executor_tree: true },
    { kind: "runtime", name: "graph", selectors, agents: ["shell"] },
    { kind: "agent", name: "secret-project", selectors: ["unix:uid:4999"] },
    // Without one, the daemon's own user would be an operator.
    { kind: "operator", name: "ops", selectors: ["unix:uid:4997"], role: "admin" },
  ];
  [daemon, strange] = await Promise.all([
    startDaemon({ entries: entriesFor([`unix:uid:${uid}`]) }),
    startDaemon({ entries: entriesFor(["unix:uid:4998"]) }),
  ]);
});
afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await strange[Symbol.asyncDispose]();
});

const stint = (at: Daemon, ...args: readonly string[]) =>
  promisify(execFile)(process.execPath, [STINT, "--socket", at.workloadSocket, "-o", "json", ...args]);

test("a process is told which entries it matches, and of no other", async () => {
  const { stdout, stderr } = await stint(daemon, "whoami");
  expect(stderr).toBe("");
  const seen = JSON.parse(stdout);
  expect(seen).toMatchObject({
    entries: [
      { entry: "agent/shell", spiffe_id: "spiffe://example.org/agent/shell" },
      { entry: "runtime/graph", spiffe_id: "spiffe://example.org/runtime/graph" },
    ],
    steps: [],
    uid,
  });
  expect(seen).toMatchObject({ without_step: null });
  expect(stdout).not.toContain("secret-project");
});

test("a process that matches none is told all that an entry for it could name", async () => {
  const { stdout, stderr } = await stint(strange, "whoami");
  const digest = createHash("sha256");
  await pipeline(createReadStream(process.execPath), digest);
  const sha256 = digest.digest("hex");
  expect(JSON.parse(stdout)).toMatchObject({
    entries: [],
    steps: [],
    uid,
    gid: process.getgid?.(),
    executable: "node",
    executable_sha256: sha256,
    selectors: expect.arrayContaining([`unix:uid:${uid}`, `unix:path:${process.execPath}`, `unix:sha256:${sha256}`]),
  });
  expect(stderr).toContain("no entry of the broker's matches this process");
  expect(stdout).not.toMatch(/secret-project|shell|graph/);
  expect((await stint(strange, "-o", "table", "whoami")).stdout).toMatch(/^entries +none$/m);
});

test("a command that runs as a step is told of the step, and a child of it why it has none", async () => {
  const whoami = [process.execPath, STINT, "--socket", daemon.workloadSocket, "-o", "json", "whoami"];
  const run = (...command: readonly string[]) =>
    stint(daemon, "step", "run", "--run", "w", "--step", "s", "--agent", "shell", "--", ...command);
  const within = JSON.parse((await run(...whoami)).stdout);
  expect(within.steps).toMatchObject([{ run_id: "w", step: "s", attempt: 1, state: "OPEN", executor_kind: "process" }]);
  const child = JSON.parse((await run("sh", "-c", '"$@"; true', "sh", ...whoami)).stdout);
  expect(child).toMatchObject({ steps: [], without_step: expect.stringContaining("executor tree") });
});
