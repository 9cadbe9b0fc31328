import { expect, test } from "vitest";
import { cliScene, data, RESOURCE } from "./cli-scene.ts";

const { operator, openStep, issueBoth } = cliScene();

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
