import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { z } from "zod";
import { createMcpGuard, type McpGuard, stepOf } from "../../../src/sdk/mcp/index.ts";
import { createStint, type Fetch, type Grant, isStintError, type Stint } from "../../../src/sdk/runtime/index.ts";
import { createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { thrownBy } from "../runtime/scripted-broker.ts";

/** The runtime, the verifier and the MCP server of one machine, with a real broker between them. */
describe("an agent's step at a guarded MCP server", () => {
  let daemon: Daemon;
  let resource: string;
  let grant: Grant;
  let stint: Stint;
  let verifier: Verifier;
  let guard: McpGuard;
  let run = 0;
  const http = createServer();
  const waiting: { readonly stepId: string | undefined; readonly signal: AbortSignal }[] = [];

  beforeAll(async () => {
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    resource = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    grant = [
      { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["internal"] },
      { type: "mcp_tool", locations: [resource], identifier: "wait", actions: ["read"], datatypes: ["internal"] },
    ];
    const selectors = [`unix:uid:${process.getuid?.()}`];
    daemon = await startDaemon({
      entries: [
        { kind: "agent", name: "researcher", selectors, ceiling: grant, audiences: ["https://identity.example"] },
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "verifier", name: "mcp-1", selectors, audiences: [resource] },
      ],
    });
    const endpoint = `unix://${daemon.workloadSocket}`;
    stint = createStint({ endpoint, agent: "researcher" });
    verifier = createVerifier({ endpoint, audiences: [resource], development: true });
    await verifier.ready();
    const read = { actions: ["read"], datatypes: ["internal"] } as const;
    const tools = { search: read, wait: read, erase: { actions: ["write"], datatypes: ["internal"] } } as const;
    guard = createMcpGuard({ verifier, resource, issuer: "https://broker.example.org", tools });
    http.on("request", guard.listener(createMcpHandler(toolsOf).fetch));
  });
  afterAll(async () => {
    stint?.close();
    verifier?.close();
    http.closeAllConnections();
    http.close();
    await daemon?.[Symbol.asyncDispose]();
  });

  function toolsOf(): McpServer {
    const server = new McpServer({ name: "guarded", version: "1" });
    const inputSchema = z.object({});
    const answer = (text: string) => ({ content: [{ type: "text" as const, text }] });
    for (const tool of ["search", "erase"]) {
      server.registerTool(tool, { inputSchema }, () => answer("found"));
    }
    server.registerTool("wait", { inputSchema }, async (_arguments, { http: request, mcpReq: { signal } }) => {
      waiting.push({ stepId: stepOf(request?.authInfo)?.stepId, signal });
      if (!signal.aborted) await once(signal, "abort");
      return answer("stopped");
    });
    return server;
  }

  async function clientOf(fetch: Fetch): Promise<Client> {
    const client = new Client({ name: "agent", version: "1" }, { versionNegotiation: { mode: { pin: "2026-07-28" } } });
    await client.connect(
      new StreamableHTTPClientTransport(new URL(resource), { fetch: (url, init) => fetch(url, init) }),
    );
    onTestFinished(() => client.close());
    return client;
  }

  const next = () => {
    run += 1;
    return { runId: `run-${run}`, step: "search", grant };
  };

  test("calls the tools it was granted, and no others", async () => {
    await stint.withStep(next(), async (step) => {
      const client = await clientOf(step.fetch);
      const found = await client.callTool({ name: "search", arguments: {} });
      expect(found.content).toEqual([{ type: "text", text: "found" }]);
      await expect(client.callTool({ name: "erase", arguments: {} })).rejects.toThrow();
    });
  });

  test("is refused at once when it has ended, with a token that has not expired", async () => {
    const step = await stint.openStep(next());
    const svid = await step.jwtSvid(resource);
    const { state, credentialsRevoked } = await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    expect([state, credentialsRevoked]).toEqual(["COMPLETED", 1]);
    expect(svid.expiresAt.getTime()).toBeGreaterThan(Date.now());
    const response = await fetch(resource, { method: "POST", headers: { authorization: svid.authorization() } });
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { data: { reason: "STEP_CLOSED", state: "COMPLETED" } } });
  });

  test("has its call stopped when a newer attempt supersedes it, and says so to its runtime", async () => {
    const options = next();
    const old = await stint.openStep(options);
    const client = await clientOf(old.fetch);
    const call = thrownBy(client.callTool({ name: "wait", arguments: {} }));
    await vi.waitFor(() => expect(waiting.at(-1)?.stepId).toBe(old.stepId));
    const newer = await stint.openStep({ ...options, attempt: 2 });
    expect(await call).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
    await vi.waitFor(() => expect(waiting.at(-1)?.signal.aborted).toBe(true));
    await newer.close();
  });

  test("gets an X.509-SVID for a key that stays here", async () => {
    await stint.withStep({ ...next(), first: { x509Svid: true, jwtSvids: [resource] } }, async (step) => {
      const svid = await step.x509Svid();
      expect(svid.spiffeId).toBe(step.spiffeId);
      expect(svid.certificates.length).toBeGreaterThan(0);
      expect(await step.x509Svid()).toBe(svid);
    });
  });

  test("delegates no more than it has", async () => {
    await stint.withStep(next(), async (parent) => {
      const wide = { ...parent.grant[0], type: "mcp_tool" as const, identifier: "erase" };
      expect(await thrownBy(parent.openStep({ step: "part", grant: [wide as Grant[number]] }))).toMatchObject({
        name: "StintError",
      });
      const child = await parent.openStep({ step: "part", grant: parent.grant.slice(0, 1) });
      expect(child.parentStepId).toBe(parent.stepId);
      expect((await child.jwtSvid(resource)).spiffeId).toContain("/step/part/1");
    });
  });

  test("is named in a refusal that an operator can look up", async () => {
    const wide: Grant = [{ ...(grant[0] as Grant[number]), actions: ["write"] }];
    const thrown = await thrownBy(stint.openStep({ ...next(), grant: wide }));
    expect(isStintError(thrown, "POLICY_DENIED") && thrown.metadata.decision_id).toMatch(/^dec_/);
    expect(thrown).toMatchObject({
      denial: { refused: [{ element: wide[0], layer: "ceiling" }], refusesWhole: false },
    });
  });

  test("is let go of when it is superseded while its work goes on", async () => {
    const options = next();
    const result = stint.withStep(options, async (step) => {
      const newer = await stint.openStep({ ...options, attempt: 2 });
      if (!step.signal.aborted) await once(step.signal, "abort");
      await newer.close();
      return "too late";
    });
    expect(await thrownBy(result)).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
  });

  test("a verifier of an audience that its entry has not is told so, instead of being kept waiting", async () => {
    const endpoint = `unix://${daemon.workloadSocket}`;
    const other = createVerifier({ endpoint, audiences: [resource, "https://else.example.org/mcp"] });
    onTestFinished(() => other.close());
    await expect(other.ready()).rejects.toMatchObject({
      code: "AUDIENCE_INVALID",
      message: "an audience that the verifier's entry does not name",
    });
  });
});
