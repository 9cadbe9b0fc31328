import { afterAll, beforeAll, expect, test } from "vitest";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Ran, runStint } from "./running.ts";

const RESOURCE = "https://mcp.example.org";
const tool = {
  type: "mcp_tool",
  locations: [RESOURCE],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
const grant = JSON.stringify([tool]);
const self = [`unix:uid:${process.getuid?.()}`];

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors: self, ceiling: [tool], allow_any_executor: true },
      { kind: "runtime", name: "graph", selectors: self, agents: ["researcher"] },
      { kind: "verifier", name: "mcp-1", selectors: self, audiences: [RESOURCE], max_staleness: "15s" },
    ],
  });
});
afterAll(() => daemon[Symbol.asyncDispose]());

type Given = Parameters<typeof runStint>[1];
const stint = (args: readonly string[], given?: Given) =>
  runStint(["--operator-socket", daemon.operatorSocket, "--socket", daemon.workloadSocket, ...args], given);
const operator = (args: readonly string[], given?: Given) =>
  runStint(["--operator-socket", daemon.operatorSocket, ...args], given);

/** The data of a command that has to succeed. */
async function data(ran: Promise<Ran>): Promise<Record<string, unknown> & Record<string, unknown>[]> {
  const { status, out, err } = await ran;
  expect([status, err]).toEqual([0, err]);
  return JSON.parse(out) as never;
}

/** Opens a step of its own for a test, and gives its id. */
async function openStep(run: string, more: readonly string[] = []): Promise<string> {
  const args = ["-o", "json", "step", "open", "--run", run, "--step", "search", "--agent", "researcher"];
  const opened = await data(stint([...args, "--executor", "any", "--grant", grant, ...more]));
  return String(opened["step_id"]);
}

/** One JWT-SVID and one X.509-SVID of the step. */
async function issueBoth(stepId: string): Promise<void> {
  const channel = openChannel(daemon.workloadSocket);
  const credentials = createClient(Credentials, channel);
  try {
    await credentials.issueJwtSvid({ stepId, wanted: { audiences: [RESOURCE] } });
    await credentials.issueX509Svid({ stepId, csr: certificateRequestOf(await generateKey()) });
  } finally {
    channel.close();
  }
}

/** The rows of a command in JSON lines, by what each of them is. */
async function told(...args: readonly string[]) {
  const { status, out, err } = await operator(["-o", "jsonl", "descendants", ...args]);
  expect([status, err]).toEqual([0, err]);
  const lines = out.trim().split("\n");
  const rows = lines.map((line) => JSON.parse(line) as { kind: string; descendant: Record<string, unknown> });
  const of = (kind: string) => rows.filter((row) => row.kind === kind).map((row) => row.descendant);
  return { steps: of("step"), issuances: of("issuance"), reach: of("reach"), summary: of("summary")[0], err };
}

test.for([
  { args: [], err: "one of --step, --run, --entry, --process, --principal, --decision, --key says from what to go on" },
  {
    args: ["--step", "a", "--run", "b"],
    err: "one of --step, --run, --entry, --process, --principal, --decision, --key says from what to go on",
  },
  { args: ["--step", "a", "--dry-run"], err: "--dry-run goes with --revoke" },
  { args: ["--step", "a", "--reason", "keyCompromise"], err: "--reason goes with --revoke" },
  { args: ["--step", "a", "--revoke", "--since", "1h"], err: "--revoke ends all that is open, whenever it was opened" },
])("$args is a mistake of usage", async ({ args, err }) => {
  expect(await operator(["descendants", ...args])).toEqual({ status: 2, out: "", err: `stint: ${err}\n` });
});

test("all that descends from a step is told, would end on a dry run, and ends with --revoke, in one close", async () => {
  const stepId = await openStep("run-descended");
  const child = await openStep("run-descended", ["--step", "below", "--parent", stepId]);
  await issueBoth(stepId);
  await issueBoth(child);

  const live = await told("--step", stepId);
  expect(live.steps.map((step) => step["step_id"])).toEqual([stepId, child]);
  expect(live.issuances.map((one) => one["state"])).toEqual(["LIVE", "LIVE", "LIVE", "LIVE"]);
  expect(live.reach).toMatchObject([{ tool: "search", location: RESOURCE, steps: 2, calls: 0 }]);
  expect(live.summary).toMatchObject({
    steps: 2,
    steps_open: 2,
    credentials: 4,
    credentials_live: 4,
    audiences: [RESOURCE],
  });

  const dry = await told("--step", stepId, "--revoke", "--dry-run");
  expect(dry).toEqual({ ...live, err: expect.stringContaining("--revoke would close 2 steps; nothing was done") });

  const ended = await told("--step", stepId, "--revoke", "--reason", "keyCompromise");
  expect(ended.err).toMatch(/closed 2 steps and revoked 4 credentials; sequence \d+/);
  expect(ended.err).toMatch(/nothing is live; the last credential died at 2/);
  expect(ended.issuances.map((one) => [one["state"], one["revocation_reason"]])).toEqual(
    Array.from({ length: 4 }, () => ["REVOKED", "keyCompromise"]),
  );
  expect(ended.summary).toMatchObject({ steps_open: 0, credentials_live: 0 });
  expect(new Set(ended.issuances.map((one) => one["revoked_at"])).size).toBe(1);
});

test("what descends from a decision, a key and a process ends by each of their names", async () => {
  const pid = String(process.pid);
  for (const named of ["decision", "key", "process"] as const) {
    const stepId = await openStep(`run-by-${named}`);
    await issueBoth(stepId);
    const issued = await data(operator(["-o", "json", "history", "issuances", "--step-id", stepId, "--kind", "x509"]));
    const [step] = await data(operator(["-o", "json", "history", "steps", "--step-id", stepId]));
    const key = String((await keyOf(issued[0]?.["serial_number"]))[0]);
    const name = { decision: String(step?.["decision_id"]), key, process: pid }[named];
    const before = await told(`--${named}`, name);
    expect(before.steps.map((one) => one["step_id"])).toContain(stepId);
    const after = await told(`--${named}`, name, "--revoke");
    expect(after.steps.find((one) => one["step_id"] === stepId)).toMatchObject({ state: "REVOKED" });
    expect(after.summary).toMatchObject({ steps_open: 0, credentials_live: 0 });
  }
});

/** Of one credential, as the ledger itself has it. */
async function keyOf(serial: unknown): Promise<readonly string[]> {
  const events = await data(operator(["-o", "json", "history", "events", "--serial", String(serial)]));
  return events.flatMap(({ canonical }) => {
    const { issuance } = JSON.parse(String(canonical)) as { issuance?: { publicKeySha256?: string } };
    return issuance?.publicKeySha256 ?? [];
  });
}

test("what is granted and not used is told for each step and agent", async () => {
  await openStep("run-granted");
  const uses = await data(operator(["-o", "json", "history", "grant-use", "--run", "run-granted"]));
  const search = { agent: "researcher", tool: "search", granted_actions: ["read"], used_actions: [], calls: 0 };
  expect(uses).toMatchObject([{ ...search, run_id: "run-granted", steps_granted: 1, steps_used: 0 }]);
  const byAgent = await data(operator(["-o", "json", "history", "grant-use", "--run", "run-granted", "--by-agent"]));
  expect(byAgent).toMatchObject([{ ...search, step_id: null }]);
});
