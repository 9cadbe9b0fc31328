import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Outcome } from "../../../src/gen/stint/v1/steps_pb.js";
import { inToolRun } from "../../../src/sdk/adapters/index.ts";
import { stepMcpTools } from "../../../src/sdk/adapters/mcp/index.ts";
import { isStintError } from "../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../src/sdk/testing/index.ts";
import { type BridgeScene, bridgeScene } from "../../bridge/bridge-scene.ts";
import { scriptedBroker, thrownBy } from "../runtime/scripted-broker.ts";
import { CLIENT_LINES, connected } from "./client-lines.ts";

let scene: BridgeScene;
beforeAll(async () => {
  scene = await bridgeScene({ agent: "researcher" });
});
afterAll(() => scene?.close());

const at = (path: string) => new URL(path, scene.origin);

/** What became of the newest attempt of a call's step. */
async function stateOf(runId: string, step: string): Promise<string | undefined> {
  const thrown = await thrownBy(scene.stint.resumeStep({ runId, step, hold: false }));
  return isStintError(thrown, "STEP_CLOSED") ? thrown.metadata.state : String(thrown);
}

let runs = 0;
function nextRun() {
  runs += 1;
  return { opener: scene.stint, runId: `mcp-${runs}` };
}

describe.for(CLIENT_LINES)("a client of line $line of the MCP SDK", ({ toolsAt }) => {
  const settings = () => ({
    calls: { search: { grant: scene.grant("search") }, wait: { grant: scene.grant("wait") } },
  });

  test.for(["/mcp", "/sessions"])("calls each tool in a step of its own, at %s", async (path) => {
    const run = nextRun();
    const tools = toolsAt(at(path), settings());
    const call = (callId: string) =>
      tools.callTool({ name: "search", arguments: { query: callId } }, { callId }).then((result) => result["content"]);
    const answers = await inToolRun(run, () => Promise.all([call("one"), call("two")]));
    expect(answers).toEqual([[{ type: "text", text: "found one" }], [{ type: "text", text: "found two" }]]);
    expect(await stateOf(run.runId, "search.one")).toBe("COMPLETED");
    expect(await stateOf(run.runId, "search.two")).toBe("COMPLETED");
  });

  test("a call outside of its grant is answered in words, and fails its step", async () => {
    const run = nextRun();
    const tools = toolsAt(at("/mcp"), { calls: { erase: { grant: scene.grant("search") } }, run });
    const refused = await tools.callTool({ name: "erase", arguments: {} }, { callId: "c" });
    expect(refused).toEqual({ isError: true, content: [{ type: "text", text: expect.any(String) }] });
    const [text] = refused["content"] as [{ text: string }];
    expect(text.text).toContain('The call of the tool "erase" was not permitted (GRANT_EXCEEDED). It takes a grant of');
    expect(text.text).toContain("to write data of the classes internal");
    expect(await stateOf(run.runId, "erase.c")).toBe("FAILED");
  });

  test("a call whose step is refused is answered in words too, or thrown where that is wanted", async () => {
    const grant = scene.grant("erase").map((element) => ({ ...element, actions: ["write"] as const }));
    const given = { calls: { erase: { grant } }, run: nextRun() };
    const answered = await toolsAt(at("/mcp"), given).callTool({ name: "erase", arguments: {} });
    expect(JSON.stringify(answered)).toContain("not permitted (POLICY_DENIED)");
    const thrown = await thrownBy(toolsAt(at("/mcp"), given, "throw").callTool({ name: "erase", arguments: {} }));
    expect(thrown).toMatchObject({ name: "ToolRefusal", refusal: { reason: "POLICY_DENIED", refused: grant } });
    expect(findCredentials([answered, thrown])).toEqual([]);
  });

  test("a result that says that the tool failed fails the step", async () => {
    const run = nextRun();
    const tools = toolsAt(at("/mcp"), { ...settings(), run });
    const result = await tools.callTool({ name: "search", arguments: { query: 5 } }, { callId: "c" });
    expect(result["isError"]).toBe(true);
    expect(await stateOf(run.runId, "search.c")).toBe("FAILED");
  });

  test("a call that is aborted is cancelled, at its server too", async () => {
    const run = nextRun();
    const tools = toolsAt(at("/mcp"), { ...settings(), run });
    const waiting = scene.waiting();
    const caller = new AbortController();
    const call = thrownBy(tools.callTool({ name: "wait", arguments: {} }, { callId: "c", signal: caller.signal }));
    const stopped = await waiting;
    caller.abort();
    if (!stopped.aborted) await once(stopped, "abort");
    await call;
    expect(await stateOf(run.runId, "wait.c")).toBe("CANCELLED");
  });

  test("a call that is made again is the one that counts", async () => {
    const tools = toolsAt(at("/mcp"), { ...settings(), run: nextRun() });
    const waiting = scene.waiting();
    const first = tools.callTool({ name: "wait", arguments: {} }, { callId: "c" });
    const stopped = await waiting;
    const again = scene.waiting();
    const caller = new AbortController();
    const second = thrownBy(tools.callTool({ name: "wait", arguments: {} }, { callId: "c", signal: caller.signal }));
    await again;
    if (!stopped.aborted) await once(stopped, "abort");
    expect(JSON.stringify(await first)).toContain("has ended (SUPERSEDED): its result does not count");
    caller.abort();
    await second;
  });

  test("with one step for the run all calls share a session, which no other run has", async () => {
    const grant = scene.grant("search");
    const { runId } = nextRun();
    const tools = toolsAt(at("/sessions"), {});
    const sessions = async (step: string) => {
      scene.seen.length = 0;
      await scene.stint.withStep({ runId, step, grant }, async () => {
        await tools.callTool({ name: "search", arguments: {} });
        await tools.callTool({ name: "search", arguments: {} });
      });
      return new Set(scene.seen.flatMap(({ headers }) => headers["mcp-session-id"] ?? []));
    };
    const [one] = [await sessions("one")];
    const [two] = [await sessions("two")];
    expect([one?.size, two?.size]).toEqual([1, 1]);
    expect(one).not.toEqual(two);
  });

  test("lists what the run's step may see, or what all calls may", async () => {
    const names = ({ tools }: { readonly tools: readonly { readonly name: string }[] }) =>
      tools.map(({ name }) => name);
    const grant = scene.grant("search");
    const tools = toolsAt(at("/mcp"), settings());
    const ofRun = await scene.stint.withStep({ ...nextRun(), step: "s", grant }, () => tools.listTools());
    expect(names(ofRun)).toEqual(["search"]);
    expect(names(await inToolRun(nextRun(), () => tools.listTools()))).toEqual(["search", "wait"]);
  });
});

test("a client is closed with its step: with that of the call, or with that of the run, in which a failed connecting is tried again", async () => {
  const closed: string[] = [];
  let attempts = 0;
  const tools = stepMcpTools({
    async connect(fetch) {
      attempts += 1;
      if (attempts === 1) throw new Error("not yet");
      const client = await connected(at("/mcp"), fetch);
      client.onclose = () => void closed.push(`client ${attempts}`);
      return client;
    },
    calls: { search: { grant: scene.grant("search") } },
  });
  const search = () => tools.callTool({ name: "search", arguments: {} });
  await scene.stint.withStep({ ...nextRun(), step: "s", grant: scene.grant("search") }, async () => {
    expect(await thrownBy(search())).toMatchObject({ message: "not yet" });
    await search();
    await search();
    expect([attempts, closed]).toEqual([2, []]);
  });
  await expect.poll(() => closed).toEqual(["client 2"]);
  await inToolRun(nextRun(), search);
  expect(closed).toEqual(["client 2", "client 3"]);
});

test("a call that was aborted is cancelled, also when its result says that the tool failed", async () => {
  const broker = await scriptedBroker();
  const caller = new AbortController();
  const client = {
    async callTool(_params: { readonly name: string }, _options?: object) {
      caller.abort();
      return { isError: true };
    },
    listTools: async () => ({ tools: [] }),
    close: async () => undefined,
  };
  const run = { opener: broker.stint(), runId: "r" };
  const tools = stepMcpTools({ connect: async () => client, calls: { search: {} }, run });
  await tools.callTool({ name: "search" }, { signal: caller.signal });
  expect(broker.seen.closed).toMatchObject([{ outcome: Outcome.CANCELLED }]);
});
