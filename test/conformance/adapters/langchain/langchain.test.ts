import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { inToolRun } from "../../../../src/sdk/adapters/index.ts";
import { stepTools } from "../../../../src/sdk/adapters/langchain/index.ts";
import { currentStep } from "../../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../../src/sdk/testing/index.ts";
import { tenMinutesOfWork } from "../../../sdk/adapters/long-work.ts";
import { INSTALL_MS_MAX } from "../../locked-packages.ts";
import { type StepScene, startStepScene } from "../step-scene.ts";
import { type Answer, type Building, scriptedGraphs } from "./scripted-graph.ts";

let langChain: Awaited<ReturnType<typeof scriptedGraphs>>;
let scene: StepScene;
beforeAll(async () => {
  langChain = await scriptedGraphs();
  scene = await startStepScene();
}, INSTALL_MS_MAX);
afterAll(() => scene[Symbol.asyncDispose]());

/** Of a token of the virtual broker. */
const TOKEN_MS = 120_000;
const BUILDINGS: readonly Building[] = ["ToolNode", "createAgent"];
const inThread = (thread: string, more: object = {}) => ({ configurable: { thread_id: thread }, ...more });
const said = ({ messages }: Answer) => messages.map((message) => `${message.getType()}: ${message.content}`);
const SEARCH = { name: "search", id: "c-1" };

/** Tools by these names in steps of their own. */
function inSteps(works: Readonly<Record<string, Parameters<typeof langChain.toolOf>[1]>>, more: object = {}) {
  const tools = Object.entries(works).map(([name, work]) => langChain.toolOf(name, work));
  const calls = Object.fromEntries(Object.keys(works).map((name) => [name, { grant: scene.grantFor(name) }]));
  return stepTools(tools, { opener: scene.stint, calls: { ...calls, ...more } });
}

describe.for(BUILDINGS)("tools of %s", (building) => {
  /** As ids of threads often are: no part of a SPIFFE ID as they stand. */
  const threadOf = (name: string) => `tenant 7/${name}/${building}`;

  test("work in a step for each call, in the thread's run, and with its credentials alone", async () => {
    const thread = threadOf("works");
    const tools = inSteps({ search: () => scene.look(), count: async () => `3 of ${await scene.look()}` });
    const { graph } = langChain.graphOf(building, [[SEARCH, { name: "count", id: "c-2" }]], tools);
    const answer = await graph.invoke(langChain.question(), inThread(thread));
    expect(said(answer)).toContain("tool: three owls");
    expect((await scene.stepsOf(thread)).toSorted()).toEqual(["count.c-2/1 COMPLETED", "search.c-1/1 COMPLETED"]);
  });

  test("of two threads at once do not mix", async () => {
    const bothAtWork = Promise.withResolvers<void>();
    let working = 0;
    const tools = inSteps({
      search: async () => {
        working += 1;
        if (working === 2) bothAtWork.resolve();
        await bothAtWork.promise;
        return scene.look();
      },
    });
    const threads = [threadOf("one"), threadOf("other")];
    const graphs = threads.map((thread) => ({ thread, ...langChain.graphOf(building, [[SEARCH]], tools) }));
    await Promise.all(graphs.map(({ thread, graph }) => graph.invoke(langChain.question(), inThread(thread))));
    for (const thread of threads) expect(await scene.stepsOf(thread)).toEqual(["search.c-1/1 COMPLETED"]);
  });

  test("that pause leave a cancelled step, and work in another attempt when the graph is resumed", async () => {
    const thread = threadOf("pauses");
    const tools = inSteps({ publish: async () => `${langChain.interrupt("sure?")}: ${await scene.look()}` });
    const { graph } = langChain.graphOf(building, [[{ name: "publish", id: "c-1" }]], tools);
    const paused = await graph.invoke(langChain.question(), inThread(thread));
    expect(paused.__interrupt__).toMatchObject([{ value: "sure?" }]);
    expect(await scene.stepsOf(thread)).toEqual(["publish.c-1/1 CANCELLED"]);
    const resumed = await graph.invoke(langChain.resume("yes"), inThread(thread));
    expect(said(resumed)).toContain("tool: yes: three owls");
    expect(await scene.stepsOf(thread)).toEqual(["publish.c-1/1 CANCELLED", "publish.c-1/2 COMPLETED"]);
  });

  test("that are refused tell the model which and why, and the graph goes on", async () => {
    const thread = threadOf("refused");
    const tools = inSteps({ search: () => scene.look() }, { search: { grant: scene.above } });
    const { graph, model } = langChain.graphOf(building, [[SEARCH]], tools);
    await graph.invoke(langChain.question(), inThread(thread));
    const told = String(model.seen.at(-1)?.at(-1)?.content);
    expect(told).toContain('The call of the tool "search" was not permitted (POLICY_DENIED).');
    expect(told).toContain("to write data");
    expect(model.seen.at(-1)?.at(-1)?.status).toBe("error");
  });

  test("that fail fail their step, and the model reads what they say", async () => {
    const thread = threadOf("fails");
    const tools = inSteps({
      search: () => {
        throw new Error("the index is gone");
      },
    });
    const { graph, model } = langChain.graphOf(building, [[SEARCH]], tools);
    await graph.invoke(langChain.question(), inThread(thread));
    expect(String(model.seen.at(-1)?.at(-1)?.content)).toContain("the index is gone");
    expect(await scene.stepsOf(thread)).toEqual(["search.c-1/1 FAILED"]);
  });

  test("that are aborted leave a cancelled step, also where they go on and return", async () => {
    const thread = threadOf("aborted");
    const caller = new AbortController();
    const released = Promise.withResolvers<void>();
    const tools = inSteps({
      search: async () => {
        caller.abort();
        await released.promise;
        return "found all the same";
      },
    });
    const { graph } = langChain.graphOf(building, [[SEARCH]], tools);
    await expect(graph.invoke(langChain.question(), inThread(thread, { signal: caller.signal }))).rejects.toThrow();
    // LangChain leaves the function to itself, and so the credentials must not wait for it.
    await expect.poll(() => scene.stepsOf(thread)).toEqual(["search.c-1/1 CANCELLED"]);
    released.resolve();
  });

  test("whose step an operator ends are stopped, and the model is told", async () => {
    const thread = threadOf("revoked");
    const tools = inSteps({
      search: async (_input, { signal }) => {
        await scene.revoke(thread, "search.c-1");
        await new Promise((stopped) => signal?.addEventListener("abort", stopped));
        return "found all the same";
      },
    });
    const { graph, model } = langChain.graphOf(building, [[SEARCH]], tools);
    await graph.invoke(langChain.question(), inThread(thread));
    expect(String(model.seen.at(-1)?.at(-1)?.content)).toContain("not permitted (STEP_CLOSED)");
    expect(await scene.stepsOf(thread)).toEqual(["search.c-1/1 REVOKED"]);
  });

  test("leave nothing of a credential in checkpoints, traces and prompts", async () => {
    const thread = threadOf("kept");
    const directory = mkdtempSync(join(tmpdir(), "stint-langgraph-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const before = scene.shown.length;
    let isFirst = true;
    const tools = inSteps({
      search: async () => {
        const found = await scene.look();
        // As careless as a client that puts the request into its error.
        if (isFirst) throw new Error(`GET /owls failed: Authorization: Bearer ${scene.shown.at(-1)}`);
        return found;
      },
      publish: async () => {
        isFirst = false;
        return `${langChain.interrupt("sure?")}: ${await scene.look()}`;
      },
    });
    const turns = [
      [SEARCH],
      [
        { name: "publish", id: "c-2" },
        { name: "search", id: "c-3" },
      ],
    ];
    for (const checkpointer of [langChain.memorySaver(), langChain.sqliteSaver(join(directory, "checkpoints.db"))]) {
      isFirst = true;
      const traces = langChain.traces();
      const { graph, model } = langChain.graphOf(building, turns, tools, checkpointer);
      const options = inThread(thread, { callbacks: [traces] });
      const paused = await graph.invoke(langChain.question(), options);
      const answer = await graph.invoke(langChain.resume("yes"), options);
      expect(traces.runs.length).toBeGreaterThan(0);
      const secrets = scene.shown.slice(before);
      expect(secrets.length).toBeGreaterThan(1);
      expect(findCredentials([checkpointer, traces.runs, model.seen, paused, answer], { secrets })).toEqual([]);
      for (const file of readdirSync(directory)) {
        expect(findCredentials(readFileSync(join(directory, file)), { secrets })).toEqual([]);
      }
    }
  });
});

test("a tool works for ten minutes with tokens that live two", async () => {
  const { settings, ages, work } = await tenMinutesOfWork("search");
  const tools = stepTools([langChain.toolOf("search", work)], settings);
  const { graph } = langChain.graphOf("createAgent", [[SEARCH]], tools);
  expect(said(await graph.invoke(langChain.question(), inThread("long")))).toContain("tool: ten minutes");
  expect(Math.max(...ages)).toBeLessThan(TOKEN_MS);
});

test("a call that LangChain makes again is the next attempt", async () => {
  let tries = 0;
  const search = () => {
    tries += 1;
    if (tries === 1) throw new Error("not yet");
    return scene.look();
  };
  const { graph } = langChain.graphOf("createAgent", [[SEARCH]], inSteps({ search }), undefined, langChain.retrying());
  expect(said(await graph.invoke(langChain.question(), inThread("again")))).toContain("tool: three owls");
  expect(await scene.stepsOf("again")).toEqual(["search.c-1/1 FAILED", "search.c-1/2 COMPLETED"]);
});

test("a sibling that is at work when the graph pauses is superseded by its own second run", async () => {
  const thread = "superseded";
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ends: unknown[] = [];
  let runs = 0;
  const count = langChain.toolOf("count", async () => {
    runs += 1;
    await (runs === 1 ? first : second).promise;
    return scene.look().then(
      (found) => ends.push(found) && found,
      (thrown: unknown) => ends.push(thrown) && Promise.reject(thrown),
    );
  });
  const publish = langChain.toolOf("publish", () => `${langChain.interrupt("sure?")}`);
  const calls = { count: { grant: scene.grantFor("count") }, publish: {} };
  const tools = stepTools([publish, count], { opener: scene.stint, calls });
  const { graph } = langChain.graphOf(
    "ToolNode",
    [
      [
        { name: "publish", id: "c-1" },
        { name: "count", id: "c-2" },
      ],
    ],
    tools,
  );
  await graph.invoke(langChain.question(), inThread(thread));
  expect(await scene.stepsOf(thread)).toEqual(expect.arrayContaining(["publish.c-1/1 CANCELLED", "count.c-2/1 OPEN"]));
  const resumed = graph.invoke(langChain.resume("yes"), inThread(thread));
  await expect.poll(() => scene.stepsOf(thread)).toContain("count.c-2/2 OPEN");
  first.resolve();
  await expect.poll(() => ends.length).toBe(1);
  second.resolve();
  expect(said(await resumed)).toContain("tool: three owls");
  expect(ends).toMatchObject([{ reason: "STEP_CLOSED" }, "three owls"]);
  expect(await scene.stepsOf(thread)).toEqual(
    expect.arrayContaining(["count.c-2/1 SUPERSEDED", "count.c-2/2 COMPLETED", "publish.c-1/2 COMPLETED"]),
  );
});

test("tools without an opener work in the run or the step that the graph is invoked in", async () => {
  const tool = langChain.toolOf("search", () => scene.look());
  const tools = stepTools([tool], { calls: { search: { grant: scene.grantFor("search") } } });
  const invoked = () =>
    langChain.graphOf("createAgent", [[SEARCH]], tools).graph.invoke(langChain.question(), inThread("t"));
  await inToolRun({ opener: scene.stint, runId: "given" }, invoked);
  expect(await scene.stepsOf("given")).toEqual(["search.c-1/1 COMPLETED"]);
  await scene.stint.withStep({ runId: "whole", step: "all", grant: scene.grantFor("search") }, invoked);
  expect(await scene.stepsOf("whole")).toEqual(["all/1 COMPLETED"]);
});

test("a tool that reports as it works does all of its work in the step", async () => {
  async function* reporting() {
    yield `asking as ${currentStep()?.name.step}`;
    return await scene.look();
  }
  const { graph } = langChain.graphOf("createAgent", [[SEARCH]], inSteps({ search: reporting }));
  const events: unknown[] = [];
  const callbacks = [{ handleToolEvent: (event: unknown) => events.push(event) }];
  const answer = await graph.invoke(langChain.question(), inThread("reports", { callbacks }));
  expect(said(answer)).toContain("tool: three owls");
  expect(events).toEqual(["asking as search.c-1"]);
  expect(await scene.stepsOf("reports")).toEqual(["search.c-1/1 COMPLETED"]);
});

test("calls of two subgraphs that count from the same number are two steps", async () => {
  const tools = inSteps({ search: () => scene.look() });
  const inner = () => langChain.graphOf("ToolNode", [[SEARCH]], tools, null).graph;
  const outer = langChain.together([inner(), inner()]);
  await outer.invoke(langChain.question(), inThread("subgraphs"));
  const steps = await scene.stepsOf("subgraphs");
  expect(steps).toHaveLength(2);
  for (const step of steps) expect(step).toMatch(/^search.+\/1 COMPLETED$/);
});

test("where errors of tools are not handed to the model, a refusal ends the graph, and no checkpoint holds more of it", async () => {
  const tools = inSteps({ search: () => scene.look() }, { search: { grant: scene.above } });
  const checkpointer = langChain.memorySaver();
  const { graph } = langChain.graphOf("ToolNode", [[SEARCH]], tools, checkpointer, [], { handleToolErrors: false });
  await expect(graph.invoke(langChain.question(), inThread("strict"))).rejects.toMatchObject({
    name: "ToolRefusal",
    refusal: { tool: "search", reason: "POLICY_DENIED" },
  });
  expect(findCredentials(checkpointer, { secrets: scene.shown })).toEqual([]);
});

test("a graph without a thread is refused, for its run has no name", async () => {
  const tools = inSteps({ search: () => scene.look() });
  const [search] = tools;
  await expect(search?.invoke({})).rejects.toMatchObject({ name: "ToolRefusal", refusal: { reason: "INVALID_FIELD" } });
});

// The adapter knows LangChain by the parts that it uses, and imports none of it; this holds it to the framework's own types.
test("the sample compiles against LangChain's types", { timeout: INSTALL_MS_MAX }, async () => {
  expect(await langChain.complaints()).toBe("");
});

test("the sample asks a person, and publishes with the credentials of the attempt after", async () => {
  const { model } = langChain.graphOf("createAgent", [[{ name: "publish", id: "c-1", args: { text: "owls" } }]], []);
  const where = { url: scene.resource, grant: scene.grantFor("publish") };
  const agent = langChain.sample.publisher(scene.stint, model, langChain.memorySaver(), where);
  const paused = await agent.invoke(langChain.question(), inThread("sample"));
  expect(paused.__interrupt__).toMatchObject([{ value: "Publish owls?" }]);
  expect(said(await agent.invoke(langChain.resume("yes"), inThread("sample")))).toContain("tool: three owls");
  expect(await scene.stepsOf("sample")).toEqual(["publish.c-1/1 CANCELLED", "publish.c-1/2 COMPLETED"]);
});

test("what is no tool that can be put into a step is refused when it is given", () => {
  const tool = { name: "search", description: "a retriever" };
  expect(() => stepTools([tool], {})).toThrow("search is no StructuredTool");
  expect(() => inSteps({ search: () => "found" }, { publish: {} })).toThrow("there is no tool publish");
});
