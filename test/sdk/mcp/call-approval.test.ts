import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { z } from "zod";
import type { RefusalFacts } from "../../../src/sdk/adapters/index.ts";
import { stepMcpTools } from "../../../src/sdk/adapters/mcp/index.ts";
import { createMcpGuard, type McpGuardOptions } from "../../../src/sdk/mcp/index.ts";
import { createStint, mcpRefusalOf, type Step, type Stint } from "../../../src/sdk/runtime/index.ts";
import { createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { approvingGuardOf } from "../../docs/check-snippets.ts";
import { approvedCall } from "../../docs/runtime-snippets.ts";
import { type Answer, type Caller, callerAs } from "../../e2e/as-user.ts";

/** Another user approves than the one that runs agent and server here: only root can start a process as another. */
const isRoot = process.getuid?.() === 0;
const APPROVER = { uid: 4_352, gid: 4_352 };

const POLICY = `@id("ask-first")
@approval("operators")
forbid (principal, action == Action::"write", resource) when { context.act == Act::"call" };
`;

describe.skipIf(!isRoot)("a call of a guarded MCP server that has to be approved", () => {
  let daemon: Daemon;
  let stint: Stint;
  let verifier: Verifier;
  let approver: Caller;
  const directory = mkdtempSync(join(tmpdir(), "stint-mcp-approval-"));
  const served: string[] = [];

  beforeAll(async () => {
    mkdirSync(join(directory, "site"));
    writeFileSync(join(directory, "site", "site.cedar"), POLICY);
    const selectors = [`unix:uid:${process.getuid?.()}`];
    const tool = { type: "mcp_tool", locations: ["*"], identifier: "*", actions: ["write"], datatypes: ["internal"] };
    daemon = await startDaemon({
      config: (data) => ({
        policies: { directory: join(directory, "site") },
        operator: { socket: join(data, "operator.sock"), group: APPROVER.gid },
      }),
      entries: [
        { kind: "agent", name: "clerk", selectors, ceiling: [tool] },
        { kind: "runtime", name: "flow", selectors, agents: ["clerk"] },
        { kind: "verifier", name: "bank", selectors, audiences: AUDIENCES },
        { kind: "operator", name: "approver", selectors: [`unix:uid:${APPROVER.uid}`], role: "approver" },
      ],
    });
    const endpoint = `unix://${daemon.workloadSocket}`;
    stint = createStint({ endpoint, agent: "clerk" });
    verifier = createVerifier({ endpoint, audiences: AUDIENCES, development: true });
    await verifier.ready();
    approver = await callerAs(APPROVER, daemon.operatorSocket);
  });
  afterAll(async () => {
    stint?.close();
    verifier?.close();
    await approver?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  /** A server with one tool behind a guard, and an open step of its agent with a client. */
  async function scene(check: NonNullable<McpGuardOptions["check"]> | "as documented") {
    const resource = present(AUDIENCES[taken]);
    taken += 1;
    const tools = { delete_repo: { actions: ["write"], datatypes: ["internal"] } } as const;
    const options = { verifier, resource, issuer: "https://broker.example.org", tools };
    const guard = check === "as documented" ? approvingGuardOf(options) : createMcpGuard({ ...options, check });
    const handler = createMcpHandler(() => {
      const server = new McpServer({ name: "bank", version: "1" });
      server.registerTool("delete_repo", { inputSchema: z.object({ to: z.string() }) }, async ({ to }) => {
        served.push(to);
        return { content: [{ type: "text", text: "paid" }] };
      });
      return server;
    });
    const listener = guard.listener(handler.fetch);
    const http = createServer((request, response) => void listener(request, response));
    const { port } = new URL(resource);
    await once(http.listen(Number(port), "127.0.0.1"), "listening");
    const grant = [
      { type: "mcp_tool" as const, locations: [resource], identifier: "delete_repo", ...tools.delete_repo },
    ];
    const step: Step = await stint.openStep({ runId: `run-${taken}`, step: "delete_repo", grant });
    const client = new Client({ name: "clerk", version: "1" });
    await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: step.fetch }));
    onTestFinished(async () => {
      await client.close();
      await step.close();
      http.closeAllConnections();
      http.close();
    });
    const pay = (to: string) => client.callTool({ name: "delete_repo", arguments: { to } });
    const refusalOf = async (to: string) => {
      const thrown: unknown = await pay(to).catch((error: unknown) => error);
      return mcpRefusalOf(thrown);
    };
    return { step, pay, refusalOf, resource };
  }

  async function waitingOf(step: Step): Promise<readonly Answer[]> {
    const states = ["CALL_APPROVAL_STATE_WAITING"];
    const { calls } = await approver.call("Approvals", "listCalls", { states, filter: { stepId: step.stepId } });
    return (calls ?? []) as Answer[];
  }

  async function approve(approvalId: string): Promise<void> {
    const { call } = await approver.call("Approvals", "getCall", { approvalId });
    const { requestDigest } = call;
    await approver.call("Approvals", "approveCall", { approvalId, requestDigest, reason: "looked at it" });
  }

  test("is refused with who could approve it, and nobody is asked, where the guard does not say so", async () => {
    const { refusalOf, step } = await scene({ actions: ["write"] });
    expect(await refusalOf("ann")).toMatchObject({ reason: "POLICY_DENIED", approval: "operators" });
    expect(await waitingOf(step)).toEqual([]);
    expect(served).toEqual([]);
  });

  test("is refused with what waits; made again with the same arguments it passes once it was approved, and once", async () => {
    const { refusalOf, pay, step } = await scene({ actions: ["write"], acceptPending: true });
    const refusal = await refusalOf("bob");
    expect(refusal).toMatchObject({ reason: "POLICY_DENIED", approval: "operators" });
    const { approvalId = "" } = refusal ?? {};
    expect(await waitingOf(step)).toMatchObject([{ approvalId, call: { tool: "delete_repo" }, agent: "clerk" }]);
    await approve(approvalId);
    expect(await refusalOf("mallory")).toMatchObject({ reason: "POLICY_DENIED" });
    expect(await pay("bob")).toMatchObject({ content: [{ text: "paid" }] });
    expect(await refusalOf("bob")).toMatchObject({ reason: "POLICY_DENIED" });
    expect(served.filter((to) => to === "bob")).toHaveLength(1);
    expect(served).not.toContain("mallory");
  });

  test("is refused in the words of the approver who refused it, also where the guard waits", async () => {
    const { refusalOf, step } = await scene({ actions: ["write"], acceptPending: true, approvalWaitMs: 60_000 });
    const refusing = refusalOf("grace");
    let waiting: readonly Answer[] = [];
    await expect.poll(async () => (waiting = await waitingOf(step)), { timeout: 20_000 }).toHaveLength(1);
    const { approvalId } = waiting[0];
    await approver.call("Approvals", "refuseCall", { approvalId, reason: "not on a Friday (ask Ängela)" });
    const refused = { reason: "POLICY_DENIED", approverReason: "not on a Friday (ask Ängela)" };
    expect(await refusing).toMatchObject(refused);
    const again = await refusalOf("grace");
    expect(again).toMatchObject(refused);
    // Nobody is to be asked once more for what was answered.
    expect(again).not.toHaveProperty("approvalId");
    expect(served).not.toContain("grace");
  });

  test("is made again by a runtime that asks somebody first", async () => {
    const { pay } = await scene({ actions: ["write"], acceptPending: true });
    const asked: string[] = [];
    const made = await approvedCall(
      () => pay("frank"),
      async (what) => {
        asked.push(what);
        await approve(what.split(" ").at(-1) ?? "");
      },
    );
    expect(made).toMatchObject({ content: [{ text: "paid" }] });
    expect(asked).toEqual([expect.stringMatching(/^operators: stint call approve call_/)]);
  });

  describe("through the adapter for MCP clients", () => {
    const tool = { name: "delete_repo" };
    async function toolsOf(resource: string, options: object = {}) {
      const tools = stepMcpTools({
        async connect(fetch) {
          const client = new Client({ name: "clerk", version: "1" });
          await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch }));
          return client;
        },
        ...options,
      });
      return async (to: string) => {
        const { content } = await tools.callTool({ ...tool, arguments: { to } });
        return JSON.stringify(content);
      };
    }
    const ofCalls = ({ grant }: Step, runId: string) => ({
      calls: { delete_repo: { grant } },
      run: { opener: stint, runId },
    });

    test("tells a model of the run's step what waits; the same call passes once that is approved", async () => {
      const { step, resource } = await scene({ actions: ["write"], acceptPending: true });
      const call = await toolsOf(resource, { run: { step } });
      const [, approvalId = ""] =
        /to approve it as (call_[\w-]+).* make the very same call again/.exec(await call("hugo")) ?? [];
      await approve(approvalId);
      expect(await call("hugo")).toContain("paid");
    });

    test("tells a model that what a step of the call's own waited for ended with it", async () => {
      const { step, resource } = await scene({ actions: ["write"], acceptPending: true });
      const call = await toolsOf(resource, ofCalls(step, "adapter-1"));
      const said = await call("iris");
      expect(said).toContain(
        "It waited for somebody with the role operators to approve it, and no longer than this call",
      );
      expect(said).not.toContain("call_");
      expect(served).not.toContain("iris");
    });

    test("has somebody asked while the step of the call is open, and makes it again", async () => {
      const { step, resource } = await scene({ actions: ["write"], acceptPending: true });
      const asked: string[] = [];
      const onApprovalNeeded = async ({ approvalId = "" }: RefusalFacts) => {
        asked.push(approvalId);
        await approve(approvalId);
      };
      const call = await toolsOf(resource, { ...ofCalls(step, "adapter-2"), onApprovalNeeded });
      expect(await call("jack")).toContain("paid");
      expect(asked).toEqual([expect.stringMatching(/^call_/)]);
    });
  });

  test("is held until it is approved, where the guard waits", async () => {
    const { pay, step } = await scene("as documented");
    const paying = pay("carol");
    let waiting: readonly Answer[] = [];
    await expect.poll(async () => (waiting = await waitingOf(step)), { timeout: 20_000 }).toHaveLength(1);
    expect(served).not.toContain("carol");
    await approve(waiting[0].approvalId);
    expect(await paying).toMatchObject({ content: [{ text: "paid" }] });
    expect(served.filter((to) => to === "carol")).toHaveLength(1);
  });

  test("is refused as one that waits when the guard has waited long enough", async () => {
    const { refusalOf, step } = await scene({ actions: ["write"], acceptPending: true, approvalWaitMs: 1 });
    const { approvalId } = (await refusalOf("dave")) ?? {};
    expect(await waitingOf(step)).toMatchObject([{ approvalId }]);
  });

  test("is ended by the end of its step while it waits", async () => {
    const { step, resource } = await scene({ actions: ["write"], acceptPending: true, approvalWaitMs: 60_000 });
    // The runtime's own fetch ends with the step, and would not hear what the server says.
    const svid = (await step.jwtSvid(resource)).svid();
    const params = { name: "delete_repo", arguments: { to: "erin" } };
    const answered = fetch(resource, {
      method: "POST",
      headers: {
        authorization: `Bearer ${svid}`,
        "content-type": "application/json",
        accept: "application/json, text/event-stream",
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params }),
    });
    await expect.poll(() => waitingOf(step), { timeout: 20_000 }).toHaveLength(1);
    await step.close();
    const response = await answered;
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ error: { data: { reason: "STEP_CLOSED", state: "COMPLETED" } } });
    expect(served).not.toContain("erin");
  });

  test.for([
    { what: "waits without having anybody asked", check: { approvalWaitMs: 1 } },
    { what: "waits for longer than any client", check: { acceptPending: true, approvalWaitMs: 300_001 } },
    { what: "waits for less than nothing", check: { acceptPending: true, approvalWaitMs: -1 } },
  ])("a guard that $what is refused", ({ check }) => {
    const [resource = ""] = AUDIENCES;
    const options = { verifier, resource, issuer: "https://broker.example.org", tools: {}, check };
    expect(() => createMcpGuard(options)).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }) as Error);
  });
});

/** One for each test's server: ports that were free when the tests began. */
const AUDIENCES = await Promise.all(
  Array.from({ length: 10 }, async () => {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    return `http://127.0.0.1:${port}/mcp`;
  }),
);
let taken = 0;

function present(resource: string | undefined): string {
  if (resource === undefined) throw new TypeError("no server is left");
  return resource;
}
