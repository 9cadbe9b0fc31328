import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { createStint, type Step, type Stint } from "../../../src/sdk/runtime/index.ts";
import { mcpRefusalOf } from "../../../src/sdk/runtime/mcp-refusal.ts";
import { createVerifier, toolDefinitionOf, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { runStint } from "../../cli/running.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { pinningGuardOf } from "../../docs/check-snippets.ts";

// A server of the official SDK behind the SDK's own guard, which pins its tools at a real broker, in both eras of the protocol.

const ERAS = [
  { era: "2025-11-25", versionNegotiation: { mode: "legacy" } },
  { era: "2026-07-28", versionNegotiation: { mode: { pin: "2026-07-28" } } },
] as const;

let daemon: Daemon;
let stint: Stint;
let verifier: Verifier;
let resource: string;
const descriptions = new Map<string, string>(ERAS.map(({ era }) => [era, `Finds books, as of ${era}.`]));
const http = createServer();
const warnings: string[] = [];
let runs = 0;

beforeAll(async () => {
  await once(http.listen(0, "127.0.0.1"), "listening");
  resource = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const element = {
    type: "mcp_tool",
    locations: [resource],
    identifier: "*",
    actions: ["read"],
    datatypes: ["internal"],
  };
  daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "researcher", selectors, ceiling: [element] },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
      { kind: "verifier", name: "mcp-1", selectors, audiences: [resource] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  stint = createStint({ endpoint, agent: "researcher" });
  verifier = createVerifier({ endpoint, audiences: [resource], development: true });
  await verifier.ready();
  const tools = Object.fromEntries(
    ERAS.map(({ era }) => [`search-${era}`, { actions: ["read"], datatypes: ["internal"] }]),
  );
  const guard = pinningGuardOf(
    { verifier, resource, issuer: "https://broker.example.org", tools: tools as never },
    (line) => void warnings.push(line),
  );
  const handler = createMcpHandler(() => {
    const server = new McpServer({ name: "library", version: "1" });
    for (const { era } of ERAS) {
      server.registerTool(
        `search-${era}`,
        { description: descriptions.get(era) ?? "", inputSchema: z.object({}) },
        () => ({
          content: [{ type: "text", text: "found" }],
        }),
      );
    }
    return server;
  });
  http.on("request", (request, response) => void guard.listener(handler.fetch)(request, response));
});
afterAll(async () => {
  stint?.close();
  verifier?.close();
  http.closeAllConnections();
  http.close();
  await daemon?.[Symbol.asyncDispose]();
});

async function clientOf(step: Step, versionNegotiation: (typeof ERAS)[number]["versionNegotiation"]): Promise<Client> {
  const client = new Client({ name: "agent", version: "1" }, { versionNegotiation });
  await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: step.fetch }));
  return client;
}

test.for(ERAS)(
  "in MCP $era a changed tool is refused and accepted again, and a first call needs no list",
  async (given) => {
    const name = `search-${given.era}`;
    runs += 1;
    const element = {
      type: "mcp_tool",
      locations: [resource],
      identifier: "*",
      actions: ["read"],
      datatypes: ["internal"],
    } as const;
    await using step = await stint.openStep({ runId: `run-${runs}`, step: "s", grant: [element] });
    const client = await clientOf(step, given.versionNegotiation);
    const call = async () => {
      try {
        await client.callTool({ name, arguments: {} });
        return "served";
      } catch (thrown) {
        return mcpRefusalOf(thrown)?.reason;
      }
    };
    expect(await call()).toBe("served");
    descriptions.set(given.era, "Finds books, and more.");
    expect((await client.listTools()).tools.map((tool) => tool.name)).not.toContain(name);
    expect(await call()).toBe("TOOL_NOT_ACCEPTED");
    expect(warnings).toContain(`${name} is changed`);

    const on = ["--operator-socket", daemon.operatorSocket];
    const { out } = await runStint([...on, "-o", "json", "tool", "show", resource, name]);
    const { newest_sha256: sha256 } = JSON.parse(out) as { readonly newest_sha256: string };
    await runStint([...on, "tool", "accept", resource, name, sha256, "--reason", "read it"]);
    await expect.poll(call, { timeout: 10_000 }).toBe("served");
  },
);

test("whoever has no guard reports by the verifier, definitions that take several reports too", async () => {
  const long = "x".repeat(20_000);
  const tools = Array.from({ length: 7 }, (_, index) => {
    const definition = toolDefinitionOf({ name: `long-${index}`, description: long });
    if (definition === undefined) throw new TypeError("no tool");
    return definition;
  });
  const all = (verdict: string) => new Map(tools.map(({ tool }) => [tool, verdict]));
  expect(await verifier.reportTools(tools)).toEqual(all("pinned"));
  const changed = tools.map(({ tool }) => toolDefinitionOf({ name: tool, description: `${long}.` }));
  expect(await verifier.reportTools(changed.filter((one) => one !== undefined))).toEqual(all("changed"));
  const huge = toolDefinitionOf({ name: "huge", description: "x".repeat(40_000) });
  if (huge === undefined) throw new TypeError("no tool");
  expect(await verifier.reportTools([huge])).toEqual(new Map([["huge", "unknown"]]));
  await expect(verifier.reportTools(tools, { audience: "https://other.example" })).rejects.toMatchObject({
    code: "INVALID_FIELD",
  });
});
