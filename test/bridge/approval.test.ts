import { spawn } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { type ApprovalDaemon, isRoot, startApprovalDaemon } from "../e2e/approval-daemon.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { STINT } from "../programs.ts";

const [SERVER = ""] = READ_SEARCH.locations;
const MODES = [
  { mode: "a client of its own", flags: ["--server", `search=${SERVER}`, "--", "echo", "has run"], ran: "has run\n" },
  { mode: "a client that started it", flags: ["--stdio", "--server", SERVER], ran: "" },
];

/** Each broker and each command is a process that starts. */
vi.setConfig({ testTimeout: 120_000 });

describe.skipIf(!isRoot)("stint bridge --accept-pending", () => {
  let broker: ApprovalDaemon;
  let runs = 0;
  beforeAll(async () => {
    broker = await startApprovalDaemon();
  });
  afterAll(() => broker?.[Symbol.asyncDispose]());

  function start(flags: readonly string[]) {
    runs += 1;
    const run = `run-${runs}`;
    const step = ["--run", run, "--step", "look-up", "--agent", "clerk", "--grant", JSON.stringify([READ_SEARCH])];
    const command = [
      STINT,
      "--socket",
      broker.daemon().workloadSocket,
      "bridge",
      ...step,
      "--accept-pending",
      ...flags,
    ];
    const child = spawn(process.execPath, command, { stdio: ["pipe", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    let out = "";
    child.stdout.on("data", (chunk) => {
      out += String(chunk);
    });
    const exited = once(child, "close").then(([status]) => status as number | null);
    return { run, child, out: () => out, exited };
  }

  test.for(MODES)("waits, for $mode, and goes on once the step is approved", async ({ flags, ran }) => {
    const { run, child, out, exited } = start(flags);
    await broker.approve(await broker.waiting(run));
    child.stdin.end();
    expect([await exited, out()]).toEqual([0, ran]);
    expect(await broker.stepOf(run)).toMatchObject({ state: "STEP_STATE_COMPLETED" });
  });

  test.for(MODES)("told to stop while it waits, for $mode, it takes the request back", async ({ flags }) => {
    const { run, child, out, exited } = start(flags);
    await broker.waiting(run);
    child.kill("SIGTERM");
    expect([await exited, out()]).toEqual([1, ""]);
    expect(await broker.stepOf(run)).toMatchObject({ state: "STEP_STATE_CANCELLED" });
  });
});
