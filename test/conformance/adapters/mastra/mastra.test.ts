import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inToolRun } from "../../../../src/sdk/adapters/index.ts";
import { stepTool, unlessAborted } from "../../../../src/sdk/adapters/mastra/index.ts";
import { currentStep } from "../../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../../src/sdk/testing/index.ts";
import { tenMinutesOfWork } from "../../../sdk/adapters/long-work.ts";
import { thrownBy } from "../../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../../locked-packages.ts";
import { type StepScene, startStepScene } from "../step-scene.ts";
import { type Agent, type Call, type Execute, mastraScene, scriptedModel } from "./mastra-scene.ts";

let mastra: Awaited<ReturnType<typeof mastraScene>>;
let scene: StepScene;
let directory: string;
beforeAll(async () => {
  mastra = await mastraScene();
  scene = await startStepScene();
  directory = mkdtempSync(join(tmpdir(), "stint-mastra-"));
}, INSTALL_MS_MAX);
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

/** Of a token of the virtual broker. */
const TOKEN_MS = 120_000;
const SEARCH: Call = ["c-1", "search"];
let agents = 0;

/** An agent whose tools work in steps, and the model that asks for them. */
function agentWith(
  turns: readonly (readonly Call[])[],
  works: Readonly<Record<string, Execute>>,
  { opener = true, above = false } = {},
): { readonly agent: Agent; readonly model: ReturnType<typeof scriptedModel> } {
  const names = Object.keys(works);
  const calls = Object.fromEntries(names.map((name) => [name, { grant: above ? scene.above : scene.grantFor(name) }]));
  const inStep = stepTool(mastra.createTool, { calls, ...(opener && { opener: scene.stint }) });
  const tools = Object.entries(works).map(([id, execute]) => {
    return [id, inStep({ id, description: id, inputSchema: mastra.schema, execute })];
  });
  const model = scriptedModel(turns);
  agents += 1;
  return { model, agent: mastra.agentOf(model, Object.fromEntries(tools), join(directory, `${agents}.db`)) };
}

const toldLast = ({ seen }: { readonly seen: readonly unknown[] }) => JSON.stringify(seen.at(-1));

test("a tool works in a step for each call, in the agent's run, and with its credentials", async () => {
  const turns = [[SEARCH, ["c-2", "count"] as const]];
  const { agent, model } = agentWith(turns, { search: () => scene.look(), count: () => currentStep()?.name.step });
  expect(await agent.generate("how many owls?", { runId: "works" })).toMatchObject({ text: "done", runId: "works" });
  expect(toldLast(model)).toContain("three owls");
  expect((await scene.stepsOf("works")).toSorted()).toEqual(["count.c-2/1 COMPLETED", "search.c-1/1 COMPLETED"]);
});

test("a tool of a stream works in a step", async () => {
  const { agent } = agentWith([[SEARCH]], { search: () => scene.look() });
  const { fullStream } = await agent.stream("how many owls?", { runId: "streams" });
  for await (const _part of fullStream);
  expect(await scene.stepsOf("streams")).toEqual(["search.c-1/1 COMPLETED"]);
});

test("two runs of one agent at once do not mix", async () => {
  const both = Promise.withResolvers<void>();
  let working = 0;
  const seen: unknown[] = [];
  const search = async () => {
    working += 1;
    if (working === 2) both.resolve();
    await both.promise;
    seen.push(currentStep()?.name.runId);
    return scene.look();
  };
  // Each run has a model of its own, because a model counts its turns.
  const agentsOf = () => agentWith([[SEARCH]], { search }).agent;
  await Promise.all(["one", "other"].map((runId) => agentsOf().generate("how many owls?", { runId })));
  expect(seen.toSorted()).toEqual(["one", "other"]);
  for (const runId of ["one", "other"]) expect(await scene.stepsOf(runId)).toEqual(["search.c-1/1 COMPLETED"]);
});

test("a tool that suspends leaves a cancelled step, and works in another attempt when it is resumed", async () => {
  const publish: Execute = async (_input, { agent }) => {
    if (agent?.resumeData !== undefined) return `${agent.resumeData.answer}: ${await scene.look()}`;
    await agent?.suspend({ why: "a person decides" });
    // Mastra does not end a tool that suspends; what it returns from here on is dropped.
    return "published all the same";
  };
  const { agent, model } = agentWith([[["c-1", "publish"]]], { publish });
  expect(await agent.generate("publish it", { runId: "pauses" })).toMatchObject({ finishReason: "suspended" });
  expect(await scene.stepsOf("pauses")).toEqual(["publish.c-1/1 CANCELLED"]);
  expect(await agent.resumeGenerate({ answer: "yes" }, { runId: "pauses" })).toMatchObject({ text: "done" });
  expect(toldLast(model)).toContain("yes: three owls");
  expect(await scene.stepsOf("pauses")).toEqual(["publish.c-1/1 CANCELLED", "publish.c-1/2 COMPLETED"]);
});

test("a tool that a person has to approve has no step until it is approved", async () => {
  const inStep = stepTool(mastra.createTool, {
    opener: scene.stint,
    calls: { publish: { grant: scene.grantFor("publish") } },
  });
  const { schema: inputSchema } = mastra;
  const execute = () => scene.look();
  const publish = inStep({ id: "publish", description: "publish", inputSchema, requireApproval: true, execute });
  const model = scriptedModel([[["c-1", "publish"]]]);
  const agent = mastra.agentOf(model, { publish }, join(directory, "approved.db"));
  expect(await agent.generate("publish it", { runId: "approved" })).toMatchObject({ finishReason: "suspended" });
  expect(await scene.stepsOf("approved")).toEqual([]);
  await agent.approveToolCallGenerate({ runId: "approved", toolCallId: "c-1" });
  expect(toldLast(model)).toContain("three owls");
  expect(await scene.stepsOf("approved")).toEqual(["publish.c-1/1 COMPLETED"]);
});

test("an aborted run leaves a cancelled step, and its caller is made to notice", async () => {
  const caller = new AbortController();
  const search: Execute = (_input, { abortSignal }) => {
    caller.abort(new Error("enough"));
    return `aborted: ${abortSignal?.aborted}`;
  };
  const { agent } = agentWith([[SEARCH]], { search });
  const generating = agent.generate("how many owls?", { runId: "aborted", abortSignal: caller.signal });
  expect(await generating).toMatchObject({ finishReason: "aborted" });
  expect(await thrownBy(unlessAborted(generating, caller.signal))).toMatchObject({ message: "enough" });
  expect(await scene.stepsOf("aborted")).toEqual(["search.c-1/1 CANCELLED"]);
});

test("a tool whose step an operator ends is stopped, and the model is told", async () => {
  let heard: boolean | undefined;
  const search: Execute = async (_input, { abortSignal }) => {
    await scene.revoke("revoked", "search.c-1");
    if (abortSignal?.aborted === false) await once(abortSignal, "abort");
    heard = abortSignal?.aborted;
    return "found all the same";
  };
  const { agent, model } = agentWith([[SEARCH]], { search });
  await agent.generate("how many owls?", { runId: "revoked" });
  expect(heard).toBe(true);
  expect(toldLast(model)).toContain("not permitted (STEP_CLOSED)");
  expect(toldLast(model)).not.toContain("found all the same");
  expect(await scene.stepsOf("revoked")).toEqual(["search.c-1/1 REVOKED"]);
});

test("a refused call tells the model which tool and why, and the agent goes on", async () => {
  const { agent, model } = agentWith([[SEARCH]], { search: () => scene.look() }, { above: true });
  expect(await agent.generate("how many owls?", { runId: "refused" })).toMatchObject({ text: "done" });
  expect(toldLast(model)).toContain('The call of the tool \\"search\\" was not permitted (POLICY_DENIED).');
  expect(toldLast(model)).toContain("to write data");
});

test("a tool works for ten minutes with tokens that live two", async () => {
  const { settings, ages, work } = await tenMinutesOfWork("search");
  const inStep = stepTool(mastra.createTool, settings);
  const search = inStep({ id: "search", description: "search", inputSchema: mastra.schema, execute: work });
  const model = scriptedModel([[SEARCH]]);
  const agent = mastra.agentOf(model, { search }, join(directory, "long.db"));
  await agent.generate("how many owls?", { runId: "long" });
  expect(toldLast(model)).toContain("ten minutes");
  expect(Math.max(...ages)).toBeLessThan(TOKEN_MS);
});

test("a tool of which nothing is said is refused when it is made", () => {
  const inStep = stepTool(mastra.createTool, { opener: scene.stint, calls: {} });
  const make = () => inStep({ id: "search", description: "", inputSchema: mastra.schema, execute: () => "found" });
  expect(make).toThrow("nothing is said of the tool search");
});

test("a tool that fails fails its step, and the model reads what it says", async () => {
  const search = () => {
    throw new Error("the index is gone");
  };
  const { agent, model } = agentWith([[SEARCH]], { search });
  await agent.generate("how many owls?", { runId: "fails" });
  expect(toldLast(model)).toContain("the index is gone");
  expect(await scene.stepsOf("fails")).toEqual(["search.c-1/1 FAILED"]);
});

test("without an opener a tool works in the run or the step that the agent is run in", async () => {
  const generated = () => {
    const { agent } = agentWith([[SEARCH]], { search: () => scene.look() }, { opener: false });
    return agent.generate("how many owls?", { runId: "own" });
  };
  await inToolRun({ opener: scene.stint, runId: "given" }, generated);
  await scene.stint.withStep({ runId: "whole", step: "all", grant: scene.grantFor("search") }, generated);
  expect([await scene.stepsOf("given"), await scene.stepsOf("whole")]).toEqual([
    ["search.c-1/1 COMPLETED"],
    ["all/1 COMPLETED"],
  ]);
  expect(await scene.stepsOf("own")).toEqual([]);
});

test("a tool that is a workflow's step works in the workflow's run", async () => {
  const inStep = stepTool(mastra.createTool, {
    opener: scene.stint,
    calls: { search: { grant: scene.grantFor("search") } },
  });
  const { schema: inputSchema, text: outputSchema } = mastra;
  const tool = inStep({ id: "search", description: "", inputSchema, outputSchema, execute: () => scene.look() });
  const run = await mastra.workflowRun(tool);
  expect(await run.start({ inputData: {} })).toMatchObject({ status: "success" });
  expect(await scene.stepsOf(run.runId)).toEqual([expect.stringMatching(/^search\..+\/1 COMPLETED$/)]);
});

test("store, memory, traces and prompts have nothing of a credential, also of a tool that puts one into its error", async () => {
  const works: Readonly<Record<string, Execute>> = {
    search: async () => {
      await scene.look();
      throw new Error(`GET /owls failed: Authorization: Bearer ${scene.shown.at(-1)}`);
    },
    publish: async (_input, { agent }) => {
      const found = await scene.look();
      if (agent?.resumeData === undefined) await agent?.suspend({ found });
      return found;
    },
  };
  const { agent, model } = agentWith([[SEARCH], [["c-2", "publish"]]], works);
  // What tests before have left is theirs: a search takes time for all that it is given.
  const before = { shown: scene.shown.length, traced: mastra.traced.length };
  const memory = { thread: "thread", resource: "user" };
  const generated = await agent.generate("publish it", { runId: "kept", memory });
  expect(generated.finishReason).toBe("suspended");
  const resumed = await agent.resumeGenerate({ answer: "yes" }, { runId: "kept", memory });
  expect(resumed.text).toBe("done");
  expect(toldLast(model)).toContain("[credential]");
  const files = readdirSync(directory).filter((file) => file.startsWith(`${agents}.db`));
  const traced = mastra.traced.slice(before.traced);
  const secrets = scene.shown.slice(before.shown);
  for (const { length } of [files, traced, secrets]) expect(length).toBeGreaterThan(0);
  const stored = files.map((file) => readFileSync(join(directory, file)));
  const kept = [stored, traced, model.seen, generated, resumed];
  expect(findCredentials(kept, { secrets })).toEqual([]);
});

// The adapter knows Mastra by the parts that it uses, and imports none of it; this holds it to Mastra's own types.
test("the sample compiles against Mastra's types", { timeout: INSTALL_MS_MAX }, async () => {
  expect(await mastra.complaints()).toBe("");
});

test("the sample answers in a step", async () => {
  const where = { url: scene.resource, grant: scene.grantFor("search") };
  const model = scriptedModel([[["c-1", "search", { query: "owls" }]]]);
  const answer = mastra.sample.answerer(scene.stint, model, where);
  await answer("sample", "how many owls?", new AbortController().signal);
  expect(await scene.stepsOf("sample")).toEqual(["search.c-1/1 COMPLETED"]);
});
