import { expect, test } from "vitest";
import { History, HistoryField, HistoryList, HistorySpan } from "../../src/gen/stint/v1/history_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { cliScene, data } from "./cli-scene.ts";

const { daemon, stint, operator, openStep, issueBoth } = cliScene();

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
  { args: ["issuances", "--how-long", "validity", "--count"], err: "--how-long goes without --count and --group-by" },
  { args: ["issuances", "--how-long", "validity", "--follow"], err: "--count and --group-by do not go with --follow" },
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
  const validity = (await of("--how-long", "validity")) as Record<string, number>;
  expect(Object.keys(validity)).toEqual(["count", "least_seconds", "mean_seconds", "most_seconds"]);
  expect(validity["count"]).toBe(2);
  expect(validity["least_seconds"]).toBeLessThanOrEqual(validity["mean_seconds"] ?? 0);
  expect(validity["mean_seconds"]).toBeLessThanOrEqual(validity["most_seconds"] ?? 0);
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

test.for([
  { of: "a span that the list has not", asked: { list: HistoryList.ISSUANCES, span: HistorySpan.OPEN }, field: "span" },
  { of: "a span that nobody knows", asked: { list: HistoryList.STEPS, span: 99 as HistorySpan }, field: "span" },
  {
    of: "a field that tells no events apart",
    asked: { list: HistoryList.EVENTS, groupBy: HistoryField.RUN },
    field: "group_by",
  },
])("a count by $of is refused", async ({ asked, field }) => {
  const channel = openChannel(daemon().operatorSocket);
  try {
    const refused = createClient(History, channel).countRows(asked);
    await expect(refused).rejects.toMatchObject({ reason: "INVALID_FIELD", metadata: { field } });
  } finally {
    channel.close();
  }
});

test("a follow that broke off goes on with the next event, and only with what passes its filter", async () => {
  const channel = openChannel(daemon().operatorSocket);
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
  const channel = openChannel(daemon().operatorSocket);
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
