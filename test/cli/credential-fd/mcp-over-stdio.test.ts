import { fileURLToPath } from "node:url";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { expect, test, vi } from "vitest";
import { startDaemon } from "../../daemon.ts";
import { commandOf, ENTRIES, SECOND, start } from "./scene.ts";

const SERVER = fileURLToPath(new URL("./mcp-server.ts", import.meta.url));
/** Some processes that start one after the other. */
const WAIT = { timeout: 60_000, interval: 200 };

test("a stock client starts an MCP server as a step, whose tools have its tokens, and which ends with its streams", async () => {
  await using daemon = await startDaemon({ entries: ENTRIES });
  const [command = "", ...args] = commandOf(daemon.workloadSocket, [process.execPath, SERVER], { step: "mcp" });
  const client = new Client({ name: "stock", version: "1" });
  // Its environment is the few variables that the client lets through.
  await client.connect(new StdioClientTransport({ command, args }));
  const { content } = await client.callTool({ name: "subject", arguments: { audience: SECOND } });
  expect(content).toEqual([{ type: "text", text: "spiffe://example.org/agent/a/run/r/step/mcp/1" }]);
  await client.close();
  await vi.waitFor(async () => {
    const shown = start(["--operator-socket", daemon.operatorSocket, "-o", "json", "step", "show", "r/mcp"]);
    await shown.exited;
    expect(JSON.parse(shown.out())).toMatchObject({ state: "COMPLETED" });
  }, WAIT);
});
