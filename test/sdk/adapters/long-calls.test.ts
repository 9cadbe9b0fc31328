import { getRequestListener } from "@hono/node-server";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { expect, test, vi } from "vitest";
import { z } from "zod";
import { workOnCall } from "../../../src/sdk/adapters/index.ts";
import { loopback } from "../runtime/loopback.ts";
import { CLIENT_LINES } from "./client-lines.ts";
import { longSettings, tenMinutesOfWork, virtualTime } from "./long-work.ts";

const MINUTES = 60_000;

/** A server with a tool that answers when a test says so. */
async function slowServer() {
  const begun = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "slow", version: "1" });
    server.registerTool("wait", { inputSchema: z.object({}) }, async (_arguments, { mcpReq }) => {
      const { progressToken = "" } = mcpReq._meta ?? {};
      const params = { progressToken, progress: 1, total: 2 };
      await mcpReq.notify({ method: "notifications/progress", params });
      begun.resolve();
      await answer.promise;
      return { content: [{ type: "text", text: "at last" }] };
    });
    return server;
  });
  const listener = getRequestListener((request) => handler.fetch(request));
  const origin = await loopback(async (request, response) => void (await listener(request, response)));
  return { url: new URL("/mcp", origin), begun: begun.promise, answer: () => answer.resolve() };
}

test.for(CLIENT_LINES)(
  "a call by a client of line $line that is answered after ten minutes is waited for, and its progress is told",
  async ({ toolsAt }) => {
    virtualTime();
    const { url, begun, answer } = await slowServer();
    const { settings } = await longSettings("wait", url.href);
    const progressed = Promise.withResolvers<unknown>();
    const onprogress = (progress: unknown) => progressed.resolve(progress);
    const called = toolsAt(url, settings).callTool({ name: "wait", arguments: {} }, { onprogress });
    await begun;
    expect(await progressed.promise).toEqual({ progress: 1, total: 2 });
    await vi.advanceTimersByTimeAsync(10 * MINUTES);
    answer();
    expect(await called).toMatchObject({ content: [{ type: "text", text: "at last" }] });
  },
);

test("a tool that works for ten minutes has a token that lives for each request, also after one was refused", async () => {
  const { broker, settings, ages, work } = await tenMinutesOfWork("search");
  expect(await workOnCall({ tool: "search", callId: "c" }, settings, work)).toBe("ten minutes");
  expect(ages).toHaveLength(11);
  expect(Math.max(...ages)).toBeLessThan(2 * MINUTES);
  expect(broker.seen.closed).toHaveLength(1);
});
