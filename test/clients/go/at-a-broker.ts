import { type ChildProcess, spawn } from "node:child_process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStint, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { GO_BUILD_MS_MAX } from "../../conformance/go-toolchain.ts";
import { startTold, type ToldWorkload } from "../../conformance/told-workload.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { freePort } from "../../free-port.ts";
import type { GoClient } from "./go-client.ts";

const RESOURCE = "https://mcp.example.org/mcp";
const grantAt = (location: string, identifier = "search"): Grant => [
  { type: "mcp_tool", locations: [location], identifier, actions: ["read"], datatypes: ["internal"] },
];
const grant = grantAt(RESOURCE);

/** The tests of the module at a real broker: a step opened by the TypeScript runtime, verified in Go. */
export function testsAtABroker(client: GoClient): void {
  let daemon: Daemon;
  let stint: Stint;
  let told: string;
  let verifier: ToldWorkload;
  let library: ChildProcess | undefined;
  let resource: string;

  beforeAll(async () => {
    resource = `http://127.0.0.1:${await freePort()}/mcp`;
    const selectors = [`unix:uid:${process.getuid?.()}`];
    const everything = { actions: ["read", "write"], datatypes: ["internal"], identifier: "*", type: "mcp_tool" };
    daemon = await startDaemon({
      entries: [
        { kind: "agent", name: "researcher", selectors, ceiling: [{ ...everything, locations: [RESOURCE, resource] }] },
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "verifier", name: "library", selectors, audiences: [RESOURCE, resource] },
      ],
    });
    stint = createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "researcher" });
    told = await client.build("told");
    verifier = await startTold([told, RESOURCE], daemon.workloadSocket);
    await verifier.tell("ready");
  }, GO_BUILD_MS_MAX);
  afterAll(async () => {
    stint?.close();
    library?.kill();
    await verifier?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  test("verifies a step's token and permits what it was granted, until the step is closed", async () => {
    const step = await stint.openStep({ runId: "report-7", step: "search", grant });
    const token = tokenOf(await step.jwtSvid(RESOURCE));
    expect(await verifier.tell("verify", { token })).toEqual({ spiffe_id: step.spiffeId, grant });
    expect(await verifier.tell("authorize", { tool: "search", actions: ["read"] })).toBe("permitted");
    expect(await verifier.tell("authorize", { tool: "erase", actions: ["write"] })).toMatchObject({
      refused: "GRANT_EXCEEDED",
    });
    await verifier.tell("watch");
    // Returns once every verifier concerned has applied it, this one among them.
    const closed = await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
    expect(closed.credentialsRevoked).toBe(1);
    const ended = { refused: "REVOKED", metadata: { reason: "cessationOfOperation", state: "COMPLETED" } };
    expect(await verifier.tell("verify", { token })).toEqual(ended);
    expect(await verifier.event("ended")).toMatchObject(ended);
  });

  test("makes a call that the grant counts as often as the broker allows", async () => {
    const counted: Grant = grant.map((element) => ({ ...element, max_calls: 2 }));
    const step = await stint.openStep({ runId: "report-9", step: "search", grant: counted });
    const use = { tool: "search", actions: ["read"] };
    await verifier.tell("verify", { token: tokenOf(await step.jwtSvid(RESOURCE)) });
    expect(await verifier.tell("authorize", use)).toMatchObject({ refused: "CHECK_REQUIRED" });
    expect(await verifier.tell("call", use)).toBe("called");
    expect(await verifier.tell("call", use)).toBe("called");
    expect(await verifier.tell("call", use)).toMatchObject({ refused: "GRANT_EXCEEDED" });
    await step.close();
  });

  test("says so where its entry does not permit what it is created for, instead of waiting", async () => {
    await using other = await startTold([told, "https://other.example.org"], daemon.workloadSocket);
    expect(await other.tell("ready")).toEqual({ error: "AUDIENCE_INVALID" });
  });

  test(
    "the server that the guide shows serves a client's step, and nothing once it is closed",
    async () => {
      library = spawn(await client.build("library"), {
        env: {
          ...process.env,
          RESOURCE: resource,
          DEVELOPMENT: "true",
          SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}`,
        },
        stdio: ["ignore", "ignore", "inherit"],
      });
      await answers(resource);
      const step = await stint.openStep({ runId: "report-10", step: "search", grant: grantAt(resource) });
      const mcp = new Client({ name: "researcher", version: "1.0.0" });
      await mcp.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: step.fetch }));
      const { tools } = await mcp.listTools();
      expect(tools.map(({ name }) => name)).toEqual(["search"]);
      const { content } = await mcp.callTool({ name: "search", arguments: { query: "owls" } });
      expect(content).toEqual([{ type: "text", text: "owls, for report-10/search" }]);
      const token = tokenOf(await step.jwtSvid(resource));
      await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
      const refused = await fetch(resource, { method: "POST", headers: { authorization: `Bearer ${token}` } });
      expect(refused.status).toBe(401);
      expect(await refused.text()).toContain("REVOKED: the step has ended");

      const narrow = await stint.openStep({ runId: "report-11", step: "search", grant: grantAt(resource, "other") });
      const narrowed = new Client({ name: "researcher", version: "1.0.0" });
      await narrowed.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: narrow.fetch }));
      expect((await narrowed.listTools()).tools).toEqual([]);
      await expect(narrowed.callTool({ name: "search", arguments: { query: "owls" } })).rejects.toMatchObject({
        code: -32_010,
        data: { reason: "GRANT_EXCEEDED", refused: grantAt(resource) },
      });
      await narrow.close();
    },
    GO_BUILD_MS_MAX,
  );

  test("the service that the guide shows serves a step what it was granted, until it is closed", {
    timeout: GO_BUILD_MS_MAX,
  }, async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const environment = { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}` };
    const program = await client.build("service");
    const service = spawn(program, [RESOURCE, address], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
    try {
      await answers(`http://${address}`);
      const ask = async (token: string) => {
        const response = await fetch(`http://${address}`, { headers: { token } });
        return [response.status, await response.text()];
      };
      const step = await stint.openStep({ runId: "report-12", step: "search", grant });
      const token = tokenOf(await step.jwtSvid(RESOURCE));
      expect(await ask(token)).toEqual([200, "for report-12"]);
      await step.close("COMPLETED", { awaitReceiptsSeconds: 10 });
      expect(await ask(token)).toEqual([401, "REVOKED"]);
      const other = await stint.openStep({ runId: "report-13", step: "search", grant: grantAt(RESOURCE, "other") });
      expect(await ask(tokenOf(await other.jwtSvid(RESOURCE)))).toEqual([403, "GRANT_EXCEEDED"]);
      await other.close();
    } finally {
      service.kill();
    }
  });

  test("refuses when the broker has been gone for longer than it may be, and not before", async () => {
    const step = await stint.openStep({ runId: "report-8", step: "search", grant });
    const token = tokenOf(await step.jwtSvid(RESOURCE));
    await daemon.stop();
    expect(await verifier.tell("verify", { token })).toMatchObject({ spiffe_id: step.spiffeId });
    await verifier.tell("later", { ms: 61_000 });
    expect(await verifier.tell("verify", { token })).toMatchObject({ refused: "STALE" });
    daemon = await daemon.restart();
    await verifier.tell("later", { ms: -61_000 });
    await verifier.tell("ready");
  });
}

function tokenOf(svid: { authorization(): string }): string {
  return svid.authorization().slice("Bearer ".length);
}

/** Comes back as soon as somebody answers. */
async function answers(url: string): Promise<void> {
  for (;;) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
