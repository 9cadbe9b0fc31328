import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, onTestFinished, test, vi } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { connectOperator } from "../../src/sdk/operator/index.ts";
import { STINT } from "../programs.ts";
import { bridgeScene } from "./bridge-scene.ts";

const START_MS_MAX = 30_000;

test("a broker that is killed and comes back finds the step held, its calls going on, and its end told", async () => {
  const scene = await bridgeScene();
  onTestFinished(() => scene.close());
  const step = [
    "--run",
    "lasting",
    "--step",
    "chat",
    "--agent",
    "clerk",
    "--grant",
    JSON.stringify(scene.grant("search")),
  ];
  const bridge = ["bridge", "--stdio", "--server", `${scene.origin}/mcp`, ...step];
  const client = new Client({ name: "unchanged", version: "1" });
  const args = [STINT, "--socket", scene.endpoint, ...bridge];
  const transport = new StdioClientTransport({ command: process.execPath, args, stderr: "ignore" });
  await client.connect(transport, { timeout: START_MS_MAX });
  const call = () => client.callTool({ name: "search", arguments: { query: "it" } });
  await call();

  await scene.daemon.kill();
  const daemon = await scene.daemon.restart();
  onTestFinished(() => void daemon.kill());
  const operator = connectOperator({ socket: daemon.operatorSocket });
  onTestFinished(operator.close);
  const stateOf = async () => {
    const { step: found } = await operator.steps.get({
      by: { case: "name", value: { runId: "lasting", step: "chat", attempt: 0 } },
    });
    return found && StepState[found.state];
  };
  // The server's verifier has to find the broker again too.
  await vi.waitFor(async () => expect(await call()).toMatchObject({ content: [{ text: "found it" }] }), {
    timeout: START_MS_MAX,
  });
  await client.close();
  await vi.waitFor(async () => expect(await stateOf()).toBe("COMPLETED"), { timeout: START_MS_MAX });
});
