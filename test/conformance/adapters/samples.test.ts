import { afterAll, beforeAll, expect, test } from "vitest";
import type { ToolSettings } from "../../../src/sdk/adapters/index.ts";
import { currentStep, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { thrownBy } from "../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../locked-packages.ts";
import { type AdapterScene, adapterFrameworks, adapterScene } from "./adapter-scene.ts";

let scene: AdapterScene;
let frameworks: Awaited<ReturnType<typeof adapterFrameworks>>;
beforeAll(async () => {
  frameworks = await adapterFrameworks();
  scene = await adapterScene();
}, INSTALL_MS_MAX);
afterAll(() => scene?.close());

// The adapters know frameworks by the parts that they use, and import none. What makes these parts fit the frameworks' own types is this.
test("the samples of the guide compile against the types of the frameworks", { timeout: INSTALL_MS_MAX }, async () => {
  expect(await frameworks.complaints()).toBe("");
});

test("the sample for MCP calls a tool", async () => {
  const { searcher } = (await frameworks.load("./samples/mcp.ts")) as {
    searcher(
      stint: Stint,
      where: { readonly url: URL; readonly grant: Grant },
    ): (runId: string, callId: string, query: string) => Promise<unknown>;
  };
  const search = searcher(scene.stint, { url: new URL("/mcp", scene.origin), grant: scene.grant("search") });
  expect(await search("run", "call", "owls")).toMatchObject({ content: [{ type: "text", text: "found owls" }] });
});

test("the sample for a stream calls its tools in the step of the run", async () => {
  const { stream } = (await frameworks.load("./samples/ai-stream.ts")) as {
    stream(stint: Stint, runId: string, options: object): Promise<void>;
  };
  const { MockLanguageModelV4, convertArrayToReadableStream } = (await frameworks.load("ai/test")) as {
    readonly MockLanguageModelV4: new (script: object) => object;
    convertArrayToReadableStream(parts: readonly object[]): unknown;
  };
  const { tool, jsonSchema } = (await frameworks.load("ai")) as {
    tool(options: object): object;
    jsonSchema(schema: object): unknown;
  };
  const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } };
  const answers = [
    [{ type: "tool-call", toolCallId: "one", toolName: "search", input: "{}" }],
    [
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta: "done" },
      { type: "text-end", id: "1" },
    ],
  ].map((parts) => ({
    stream: convertArrayToReadableStream([
      ...parts,
      { type: "finish", finishReason: { unified: "tool-calls" }, usage },
    ]),
  }));
  let named: string | undefined;
  const search = tool({
    inputSchema: jsonSchema({ type: "object" }),
    execute: () => {
      named = currentStep()?.name.step;
      return "found";
    },
  });
  const written: string[] = [];
  await stream(scene.stint, "stream", {
    model: new MockLanguageModelV4({ doStream: answers }),
    tools: { search },
    grant: scene.grant("search"),
    write: (text: string) => written.push(text),
  });
  expect([named, written.join("")]).toEqual(["answer", "done"]);
  expect(await scene.stateOf("stream", "answer")).toBe("COMPLETED");
});

test("the sample of an adapter works in a step, and its refusals are for a model; that of a scan finds what is kept", async () => {
  const own = (await frameworks.load("./samples/own.ts")) as {
    callTool(settings: ToolSettings, call: object): Promise<string>;
    scanned(stint: Stint, agent: object): Promise<readonly string[]>;
  };
  scene.answer((_request, response) => response.end("found"));
  const call = { name: "search", id: "one", signal: new AbortController().signal, url: `${scene.origin}/raw` };
  const run = { opener: scene.stint, runId: "own" };
  expect(await own.callTool({ calls: { search: { grant: scene.grant("search") } }, run }, call)).toBe("found");
  const refused = await thrownBy(own.callTool({ calls: { search: {} }, run }, call));
  expect(refused).toMatchObject({ name: "ToolRefusal", refusal: { reason: "NO_LOCATION" } });
  const token = await scene.stint.withStep({ runId: "own", step: "token", grant: scene.grant("search") }, (step) =>
    step.jwtSvid(`${scene.origin}/raw`),
  );
  const kept = { last: token.svid() };
  expect(await own.scanned(scene.stint, { run: async () => ({}), memory: kept })).toEqual(["jwt at $.memory.last"]);
});
