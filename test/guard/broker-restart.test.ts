import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test, vi } from "vitest";
import { guardScene } from "./guard-scene.ts";

const SERVER = [process.execPath, fileURLToPath(new URL("stdio-server.ts", import.meta.url))];
const START_MS_MAX = 30_000;
const textOf = (result: unknown) => (result as { content: readonly { text: string }[] }).content[0]?.text ?? "";

test("a guard whose broker is killed goes on with what it knows, and with the next broker hears of each end again", async () => {
  const scene = await guardScene();
  onTestFinished(() => scene.close());
  const tools = { count: { actions: ["read"], datatypes: ["internal"] } };
  const guard = await scene.guard({ tools, inject: [{ secret: "key", environment: "API_KEY" }] }, SERVER);
  const step = await scene.step("count");
  const client = await scene.client(step, guard);
  const count = async () => textOf(await client.callTool({ name: "count", arguments: {} }));
  expect(await count()).toBe("1");

  await scene.daemon.kill();
  // Reading goes on for as long as a verifier may be without the feed; the process and its session are the same.
  expect(await count()).toBe("2");

  const daemon = await scene.daemon.restart();
  onTestFinished(() => void daemon.kill());
  await vi.waitFor(async () => expect(Number(await count())).toBeGreaterThan(2), { timeout: START_MS_MAX });
  await step.close();
  await vi.waitFor(async () => expect(count()).rejects.toThrow(), { timeout: START_MS_MAX });
  const next = await scene.client(await scene.step("count"), guard);
  expect(textOf(await next.callTool({ name: "count", arguments: {} }))).toBe("1");
  expect(await guard.stop()).toBe(0);
});
