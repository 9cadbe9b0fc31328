import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { STINT } from "../programs.ts";
import { READ_SEARCH } from "./entries.ts";

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

// From here on the process of the tests opens steps itself, and what it starts descends from it.

test("a process that descends from one with a part in steps is told that it opens none, by which entry, from which process, and what to do", async () => {
  using stintClient = createStint({ endpoint: daemon.workloadSocket, agent: "shell" });
  await using _ = await stintClient.openStep({ runId: "kin", step: "s", grant: [READ_SEARCH] as never });
  const { stdout, stderr } = await stint(daemon, "whoami");
  expect(JSON.parse(stdout)).toMatchObject({
    opens_not_by: ["runtime/graph"],
    descends_from: { pid: process.pid },
    without_opening: expect.stringMatching(/parent_step_id.*Steps\.Enroll.*allow_descendants/),
  });
  expect(stderr).toMatch(
    new RegExp(`^stint: this process opens no steps by runtime/graph \\(process ${process.pid}\\): .*Steps.Enroll`),
  );
});

test("a process whose entry allows descendants, or that descends from none, is told nothing of the kind", async () => {
  const { stdout, stderr } = await stint(strange, "whoami");
  expect(JSON.parse(stdout)).toMatchObject({ without_opening: null, opens_not_by: [], descends_from: null });
  expect(stderr).not.toContain("opens no steps");
  await using lenient = await startDaemon({
    entries: [
      { kind: "agent", name: "shell", selectors: [`unix:uid:${uid}`], ceiling: [READ_SEARCH] },
      { kind: "runtime", name: "graph", selectors: [`unix:uid:${uid}`], agents: ["shell"], allow_descendants: true },
    ],
  });
  using stintClient = createStint({ endpoint: lenient.workloadSocket, agent: "shell" });
  await using _ = await stintClient.openStep({ runId: "kin", step: "s", grant: [READ_SEARCH] as never });
  const seen = await stint(lenient, "whoami");
  expect([seen.stderr, JSON.parse(seen.stdout)]).toMatchObject(["", { without_opening: null, descends_from: null }]);
});
