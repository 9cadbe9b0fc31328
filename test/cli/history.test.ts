import { afterAll, beforeAll, expect, test } from "vitest";
import { Credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { History, HistoryField } from "../../src/gen/stint/v1/history_pb.js";
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

function ofType(...values: readonly string[]) {
  return { field: HistoryField.TYPE, values: [...values] };
}

async function taken<One>(stream: AsyncIterable<One>, count: number): Promise<readonly One[]> {
  const all: One[] = [];
  for await (const one of stream) {
    all.push(one);
    if (all.length === count) break;
  }
  return all;
}

test.for([
  { args: ["events", "--follow", "--count"], err: "--count and --group-by do not go with --follow" },
  { args: ["steps", "--follow", "--page-token", "x"], err: "--follow takes --resume instead of --page-token" },
  { args: ["steps", "--resume", "x"], err: "--resume goes with --follow" },
  { args: ["events", "--after", "1"], err: "--after goes with --follow" },
  { args: ["exchanges", "--count", "--alive"], err: "--alive is not counted by; --live-at is" },
])("refuses $args.1 where it would have no effect", async ({ args, err }) => {
  expect(await operator(["history", ...args])).toEqual({ status: 2, out: "", err: `stint: ${err}\n` });
});

test("counts what a filter leaves, in all and by a field, and takes any flag's opposite", async () => {
  const stepId = await openStep("run-counted");
  await issueBoth(stepId);
  const of = async (...flags: readonly string[]) =>
    data(operator(["-o", "json", "history", "issuances", "--run", "run-counted", ...flags]));
  expect(await of("--count")).toEqual({ count: 2 });
  expect(await of("--count", "--not-kind", "x509")).toEqual({ count: 1 });
  expect(await of("--group-by", "kind")).toEqual([
    { kind: "jwt-svid", count: 1 },
    { kind: "x509-svid", count: 1 },
  ]);
  expect(await of("--tool", "search", "--not-kind", "jwt")).toMatchObject([{ step_id: stepId }]);
  const oldest = await data(
    operator(["-o", "json", "history", "events", "--descendants-of", stepId, "--oldest-first", "--limit", "2"]),
  );
  expect(oldest.map((event) => event["type"])).toEqual(["decision.made", "step.opened"]);
});

test("a follow that broke off goes on with the next event, and only with what passes its filter", async () => {
  const channel = openChannel(daemon.operatorSocket);
  const history = createClient(History, channel);
  const filter = {
    terms: [{ field: HistoryField.RUN, values: ["run-followed"] }, ofType("step.opened", "step.closed")],
  };
  const begin = { filter, afterSequence: 0n };
  try {
    const first = await openStep("run-followed");
    const [opened] = await taken(history.tailEvents(begin), 1);
    await stint(["step", "close", first]);
    await openStep("run-not-followed");
    const second = await openStep("run-followed", ["--attempt", "2"]);
    const resumed = await taken(history.tailEvents({ filter, resumeToken: opened?.resumeToken ?? "" }), 2);
    expect([opened, ...resumed].map((one) => one?.event?.type)).toEqual(["step.opened", "step.closed", "step.opened"]);
    expect(Buffer.from(resumed[1]?.event?.canonical ?? []).toString()).toContain(second);
    const page = await history.listSteps({ filter: { runId: "run-followed", oldestFirst: true } });
    await openStep("run-followed", ["--attempt", "3"]);
    const { steps } = await history.listSteps({
      filter: { runId: "run-followed", oldestFirst: true, pageToken: page.resumeToken },
    });
    expect([page.steps.length, steps.map((step) => step.name?.attempt)]).toEqual([2, [3]]);
  } finally {
    channel.close();
  }
});

test("a place that no answer gave, or of another ledger, is refused", async () => {
  const channel = openChannel(daemon.operatorSocket);
  const history = createClient(History, channel);
  const place = (text: string) => Buffer.from(text).toString("base64url");
  try {
    for (const resumeToken of ["x", place(">1 another-epoch"), place(">1")]) {
      await expect(history.tailEvents({ resumeToken }).next()).rejects.toMatchObject({ reason: "INVALID_FIELD" });
      const filter = { oldestFirst: true, pageToken: resumeToken };
      await expect(history.listSteps({ filter })).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    }
    const terms = [{ field: HistoryField.TOOL, values: ["search"] }];
    await expect(history.listEvents({ filter: { terms } })).rejects.toMatchObject({ reason: "INVALID_FIELD" });
  } finally {
    channel.close();
  }
});
