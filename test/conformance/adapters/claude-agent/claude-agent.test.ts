import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { stepTool } from "../../../../src/sdk/adapters/claude-agent/index.ts";
import { inToolRun } from "../../../../src/sdk/adapters/index.ts";
import { currentStep, type Grant, type Stint } from "../../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../../src/sdk/testing/index.ts";
import { type BridgeScene, bridgeScene } from "../../../bridge/bridge-scene.ts";
import { STINT } from "../../../programs.ts";
import { tenMinutesOfWork } from "../../../sdk/adapters/long-work.ts";
import { thrownBy } from "../../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../../locked-packages.ts";
import { adapterFrameworks } from "../adapter-scene.ts";
import { type StepScene, startStepScene } from "../step-scene.ts";
import { type MessagesApi, startMessagesApi, type ToolUse } from "./messages-api.ts";

// The real SDK and its real command, Claude Code; only the model's API is a stand-in.

type Result = {
  readonly content: readonly { readonly type: "text"; readonly text: string }[];
  readonly isError?: boolean;
};
type Handler = (input: object, extra: { readonly signal: AbortSignal }) => Promise<Result>;
type Message = { readonly type: string; readonly subtype?: string; readonly session_id?: string };
type Query = AsyncIterable<Message> & { interrupt(): Promise<void> };
type Claude = {
  query(given: { readonly prompt: unknown; readonly options: object }): Query;
  tool(name: string, description: string, schema: object, handler: Handler): object;
  createSdkMcpServer(options: object): object;
};
type Sample = {
  answerer(
    stint: Stint,
    where: { readonly url: string; readonly grant: Grant },
  ): (sessionId: string, prompt: string, options: object) => Query;
};

let claude: Claude;
let sample: Sample;
/** Claude Code, as the SDK brings it. */
let command: string;
let complaints: () => Promise<string>;
let schema: { object(shape: object): unknown; string(): unknown };
let scene: StepScene;
/** What Claude Code takes for its user's home, and where it works. */
let home: string;
beforeAll(async () => {
  const frameworks = await adapterFrameworks(import.meta.dirname);
  ({ complaints } = frameworks);
  const own = { cwd: frameworks.folder };
  command = join(own.cwd, globSync("node_modules/@anthropic-ai/claude-agent-sdk-*/claude", own)[0] ?? "");
  claude = (await frameworks.load("@anthropic-ai/claude-agent-sdk")) as Claude;
  sample = (await frameworks.load("./samples/claude-agent.ts")) as Sample;
  schema = ((await frameworks.load("zod")) as { readonly z: typeof schema }).z;
  scene = await startStepScene();
  home = mkdtempSync(join(tmpdir(), "stint-claude-"));
}, INSTALL_MS_MAX);
afterAll(async () => {
  await scene?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});

/** Of a token of the virtual broker. */
const TOKEN_MS = 120_000;
const use = (name: string, id = "toolu_1"): ToolUse => ({
  id,
  name: `mcp__library__${name}`,
  input: { query: "owls" },
});
const said = (text: string, more: Partial<Result> = {}): Result => ({ content: [{ type: "text", text }], ...more });

async function apiOf(...turns: readonly (readonly ToolUse[])[]): Promise<MessagesApi> {
  const api = await startMessagesApi(turns);
  onTestFinished(() => api.close());
  return api;
}

/** Nothing of this machine's user, and no request but those to the stand-in. */
function environmentOf({ url }: MessagesApi) {
  return {
    PATH: process.env["PATH"],
    HOME: home,
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "of-the-stand-in",
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  };
}

function optionsOf(api: MessagesApi): object {
  return { settingSources: [], tools: [], model: "scripted", cwd: home, env: environmentOf(api) };
}

/** A query to an agent whose tools work in steps; in the run of its session unless it is started in another. */
function ask(
  api: MessagesApi,
  works: Readonly<Record<string, Handler>>,
  given: { above?: boolean; within?: boolean; prompt?: AsyncIterable<object>; abortController?: AbortController } = {},
) {
  const { above = false, within = false, prompt = "how many owls?", ...more } = given;
  const names = Object.keys(works);
  const calls = Object.fromEntries(names.map((name) => [name, { grant: above ? scene.above : scene.grantFor(name) }]));
  const inStep = stepTool(claude.tool, within ? {} : { calls });
  const tools = Object.entries(works).map(([name, work]) => inStep(name, name, { query: schema.string() }, work));
  const library = claude.createSdkMcpServer({ name: "library", tools });
  const sessionId = randomUUID();
  const allowedTools = names.map((name) => `mcp__library__${name}`);
  const options = { ...optionsOf(api), sessionId, mcpServers: { library }, allowedTools, ...more };
  const start = () => claude.query({ prompt, options });
  return { sessionId, query: within ? start() : inToolRun({ opener: scene.stint, runId: sessionId }, start) };
}

async function messagesOf(query: Query): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for await (const message of query) messages.push(message);
  return messages;
}

test("a tool works in a step for each call, in the session's run, and with its credentials", async () => {
  const api = await apiOf([use("search"), use("count", "toolu_2")]);
  const search: Handler = async () => said(await scene.look());
  const count: Handler = async () => said(`as ${currentStep()?.name.step}`);
  const { query, sessionId } = ask(api, { search, count });
  const messages = await messagesOf(query);
  expect(messages.at(-1)).toMatchObject({ type: "result", subtype: "success", session_id: sessionId });
  expect(JSON.stringify(api.toldLast())).toContain("three owls");
  expect(JSON.stringify(api.toldLast())).toContain("as count.toolu_2");
  expect((await scene.stepsOf(sessionId)).toSorted()).toEqual([
    "count.toolu_2/1 COMPLETED",
    "search.toolu_1/1 COMPLETED",
  ]);
});

test("two sessions at once in one process do not mix, also with the same ids of calls", async () => {
  const both = Promise.withResolvers<void>();
  const seen: unknown[] = [];
  const search: Handler = async () => {
    seen.push(currentStep()?.name.runId);
    if (seen.length === 2) both.resolve();
    await both.promise;
    return said(await scene.look());
  };
  const asked = await Promise.all([1, 2].map(async () => ask(await apiOf([use("search")]), { search })));
  await Promise.all(asked.map(({ query }) => messagesOf(query)));
  expect(seen.toSorted()).toEqual(asked.map(({ sessionId }) => sessionId).toSorted());
  for (const { sessionId } of asked) expect(await scene.stepsOf(sessionId)).toEqual(["search.toolu_1/1 COMPLETED"]);
});

test("a refused call is an error for the model, which is told which tool and why; the session goes on", async () => {
  const api = await apiOf([use("search")]);
  const { query, sessionId } = ask(api, { search: async () => said(await scene.look()) }, { above: true });
  expect((await messagesOf(query)).at(-1)).toMatchObject({ subtype: "success" });
  expect(api.toldLast()).toMatchObject([{ is_error: true }]);
  expect(JSON.stringify(api.toldLast())).toContain(
    'The call of the tool \\"search\\" was not permitted (POLICY_DENIED).',
  );
  expect(await scene.stepsOf(sessionId)).toEqual([]);
});

test("a tool works for ten minutes with tokens that live two", async () => {
  const api = await apiOf([use("search")]);
  const { settings, ages, work } = await tenMinutesOfWork("search");
  const inStep = stepTool(claude.tool, settings);
  const search = inStep("search", "search", { query: schema.string() }, async () => said(await work()));
  const library = claude.createSdkMcpServer({ name: "library", tools: [search] });
  const options = { ...optionsOf(api), mcpServers: { library }, allowedTools: ["mcp__library__search"] };
  await messagesOf(claude.query({ prompt: "how many owls?", options }));
  expect(JSON.stringify(api.toldLast())).toContain("ten minutes");
  expect(Math.max(...ages)).toBeLessThan(TOKEN_MS);
});

test("a tool of which nothing is said is refused when it is made", () => {
  const inStep = stepTool(claude.tool, { calls: {} });
  expect(() => inStep("search", "", {}, async () => said("found"))).toThrow("nothing is said of the tool search");
});

test("a tool that fails fails its step, by an error or by its result", async () => {
  const api = await apiOf([use("broken"), use("empty", "toolu_2")]);
  const broken: Handler = () => Promise.reject(new Error("the index is gone"));
  const empty: Handler = async () => said("there is nothing", { isError: true });
  const { query, sessionId } = ask(api, { broken, empty });
  await messagesOf(query);
  expect(JSON.stringify(api.toldLast())).toContain("the index is gone");
  expect((await scene.stepsOf(sessionId)).toSorted()).toEqual(["broken.toolu_1/1 FAILED", "empty.toolu_2/1 FAILED"]);
});

test("an aborted query leaves a cancelled step, also where the tool goes on and says that it failed", async () => {
  const api = await apiOf([use("search")]);
  const abortController = new AbortController();
  const search: Handler = async (_input, { signal }) => {
    abortController.abort();
    if (!signal.aborted) await once(signal, "abort");
    return said("stopped", { isError: true });
  };
  const { query, sessionId } = ask(api, { search }, { abortController });
  expect(await thrownBy(messagesOf(query))).toMatchObject({ message: "Operation aborted" });
  await expect.poll(() => scene.stepsOf(sessionId)).toEqual(["search.toolu_1/1 CANCELLED"]);
});

test("an interrupted turn leaves a cancelled step", async () => {
  const api = await apiOf([use("search")]);
  const ended = Promise.withResolvers<void>();
  async function* prompt() {
    yield { type: "user", message: { role: "user", content: "how many owls?" }, parent_tool_use_id: null };
    await ended.promise;
  }
  const search: Handler = async (_input, { signal }) => {
    void asked.query.interrupt();
    if (!signal.aborted) await once(signal, "abort");
    return said("found all the same");
  };
  const asked = ask(api, { search }, { prompt: prompt() });
  for await (const { type } of asked.query) {
    if (type === "result") break;
  }
  ended.resolve();
  expect(await scene.stepsOf(asked.sessionId)).toEqual(["search.toolu_1/1 CANCELLED"]);
});

test("a tool whose step an operator ends is stopped, and the model is told", async () => {
  const api = await apiOf([use("search")]);
  const search: Handler = async (_input, { signal }) => {
    await scene.revoke(sessionId, "search.toolu_1");
    if (!signal.aborted) await once(signal, "abort");
    return said("found all the same");
  };
  const { query, sessionId } = ask(api, { search });
  await messagesOf(query);
  expect(JSON.stringify(api.toldLast())).toContain("not permitted (STEP_CLOSED)");
  expect(await scene.stepsOf(sessionId)).toEqual(["search.toolu_1/1 REVOKED"]);
});

test("tools work in the step of the run that the query is made in", async () => {
  const api = await apiOf([use("search")]);
  const search: Handler = async () => said(await scene.look());
  const run = { runId: "whole", step: "all", grant: scene.grantFor("search") };
  await scene.stint.withStep(run, () => messagesOf(ask(api, { search }, { within: true }).query));
  expect(JSON.stringify(api.toldLast())).toContain("three owls");
  expect(await scene.stepsOf("whole")).toEqual(["all/1 COMPLETED"]);
});

test("transcripts, logs, messages and requests to the model have nothing of a credential", async () => {
  const api = await apiOf([use("search"), use("careless", "toolu_2")]);
  const search: Handler = async () => said(await scene.look());
  const careless: Handler = async () => {
    await scene.look();
    throw new Error(`GET /owls failed: Authorization: Bearer ${scene.shown.at(-1)}`);
  };
  const messages = await messagesOf(ask(api, { search, careless }).query);
  expect(JSON.stringify(api.toldLast())).toContain("[credential]");
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const kept = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name)));
  expect(kept.some((content) => content.includes("three owls"))).toBe(true);
  expect(findCredentials([kept, messages, api.seen], { secrets: scene.shown })).toEqual([]);
});

// The adapter knows the SDK by the parts that it uses, and imports none of it; this holds it to the SDK's own types.
test("the sample compiles against the SDK's types", { timeout: INSTALL_MS_MAX }, async () => {
  expect(await complaints()).toBe("");
});

test("the sample answers in a step", async () => {
  const api = await apiOf([use("search")]);
  const answer = sample.answerer(scene.stint, { url: scene.resource, grant: scene.grantFor("search") });
  const sessionId = randomUUID();
  await messagesOf(answer(sessionId, "how many owls?", optionsOf(api)));
  expect(JSON.stringify(api.toldLast())).toContain("three owls");
  expect(await scene.stepsOf(sessionId)).toEqual(["search.toolu_1/1 COMPLETED"]);
});

/** Asks Claude Code as it is installed, by the bridge, with a configuration in which it has a key of its own. */
async function askedByBridge(bridged: BridgeScene, runId: string, ...uses: readonly ToolUse[]) {
  const api = await apiOf(uses);
  const library = { type: "http", url: `${bridged.origin}/mcp`, headers: { Authorization: "Bearer sk-of-the-client" } };
  const config = join(home, `${runId}.json`);
  writeFileSync(config, JSON.stringify({ mcpServers: { library } }), { mode: 0o600 });
  const grant = JSON.stringify(bridged.grant("search"));
  const step = ["--run", runId, "--step", "chat", "--agent", "clerk", "--grant", grant];
  const client = ["-p", "what is there?", "--model", "scripted", "--strict-mcp-config", "--mcp-config", "{config}"];
  const allowed = ["--allowedTools", "mcp__library__search,mcp__library__erase"];
  const alone = ["--tools", "", "--setting-sources", ""];
  const bridge = ["bridge", ...step, "--mcp-config", config, "--", command, ...client, ...allowed, ...alone];
  const child = spawn(process.execPath, [STINT, "--socket", bridged.endpoint, ...bridge], {
    cwd: home,
    stdio: ["ignore", "pipe", "pipe"],
    env: environmentOf(api),
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk) => {
      said += String(chunk);
    });
  }
  const [status] = (await once(child, "close")) as [number | null];
  return { status, said, api };
}

test("Claude Code calls a guarded server by the bridge, is told what it may not call, and holds no credential", async () => {
  const bridged = await bridgeScene();
  onTestFinished(() => bridged.close());
  const { status, said, api } = await askedByBridge(bridged, "claude", use("search"), use("erase", "toolu_2"));
  expect([status, said]).toEqual([0, expect.stringContaining("done")]);
  const told = JSON.stringify(api.seen.map(({ body }) => body.messages));
  expect(told).toContain("found owls");
  // A tool that the step was not granted is not in the list that the model is given.
  expect(JSON.stringify(api.seen[0]?.body.tools)).toContain("mcp__library__search");
  expect(JSON.stringify(api.seen.map(({ body }) => body.tools))).not.toContain("mcp__library__erase");
  const tokens = bridged.seen.flatMap(({ headers }) => headers.authorization?.split(" ")[1] ?? []);
  expect(tokens.length).toBeGreaterThan(0);
  expect(findCredentials([api.seen, said], { secrets: tokens })).toEqual([]);
  expect(tokens).not.toContain("sk-of-the-client");
  const ended = await thrownBy(bridged.stint.resumeStep({ runId: "claude", step: "chat", hold: false }));
  expect(ended).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "COMPLETED" } });
});
