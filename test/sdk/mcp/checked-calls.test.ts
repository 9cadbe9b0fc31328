import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createMcpGuard, type McpGuard, type McpGuardOptions } from "../../../src/sdk/mcp/index.ts";
import { connectOperator, type Operator } from "../../../src/sdk/operator/index.ts";
import { createStint, type Grant, type Step, type Stint } from "../../../src/sdk/runtime/index.ts";
import { argumentsSha256, createVerifier, type Verifier } from "../../../src/sdk/verifier/index.ts";
import { runStint } from "../../cli/running.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { checked, guardOf } from "../../docs/check-snippets.ts";

const ISSUER = "https://broker.example.org";
const SECRET = "an-argument-that-is-nobodys-business";
const READ = { actions: ["read"], datatypes: ["internal"] } as const;
const TOOLS: McpGuardOptions["tools"] = {
  search: READ,
  look_up: READ,
  delete_repo: { actions: ["write"], datatypes: ["internal"] },
  other: READ,
};

/** A guard that has the broker decide some calls, and a real broker. */
describe("a call of high risk", () => {
  let daemon: Daemon;
  let stint: Stint;
  let verifier: Verifier;
  let operator: Operator;
  let resource: string;
  let run = 0;
  let guard: McpGuard;
  const served: string[] = [];
  const http = createServer();

  beforeAll(async () => {
    await once(http.listen(0, "127.0.0.1"), "listening");
    resource = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    const selectors = [`unix:uid:${process.getuid?.()}`];
    daemon = await startDaemon({
      entries: [
        { kind: "agent", name: "researcher", selectors, ceiling: grantOf("*", { actions: ["read", "write"] }) },
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
        { kind: "verifier", name: "mcp-1", selectors, audiences: [resource] },
      ],
    });
    const endpoint = `unix://${daemon.workloadSocket}`;
    stint = createStint({ endpoint, agent: "researcher" });
    operator = connectOperator({ socket: daemon.operatorSocket });
    verifier = createVerifier({ endpoint, audiences: [resource], development: true });
    await verifier.ready();
    guard = guardWith({ check: { actions: ["write"], tools: ["look_up"] } });
    http.on("request", (request, response) => void guard.listener(answer)(request, response));
  });
  afterAll(async () => {
    stint?.close();
    verifier?.close();
    operator?.close();
    http.closeAllConnections();
    http.close();
    await daemon?.[Symbol.asyncDispose]();
  });

  function grantOf(identifier: string, own: Partial<Grant[number]> = {}): Grant {
    return [{ type: "mcp_tool", locations: [resource], identifier, ...READ, ...own }];
  }

  function guardWith(own: Partial<McpGuardOptions>): McpGuard {
    return createMcpGuard({ verifier, resource, issuer: ISSUER, tools: TOOLS, ...own });
  }

  async function answer(_request: Request, { parsedBody }: { readonly parsedBody: unknown }): Promise<Response> {
    const { id, params } = parsedBody as { readonly id: number; readonly params: { readonly name: string } };
    served.push(params.name);
    return Response.json({ jsonrpc: "2.0", id, result: { content: [] } });
  }

  function open(grant: Grant): Promise<Step> {
    run += 1;
    return stint.openStep({ runId: `run-${run}`, step: "work", grant });
  }

  /** The status and the error's data of one call. */
  async function call(step: Step, name: string, args: unknown = { query: SECRET }, fetched = step.fetch) {
    const response = await fetched(resource, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: args } }),
    });
    const { error } = (await response.json()) as { readonly error?: { readonly data: Record<string, string> } };
    return { status: response.status, ...error?.data };
  }

  async function decisionsOf(step: Step) {
    const { decisions } = await operator.history.listDecisions({ filter: { stepId: step.stepId } });
    return decisions.filter(({ call: asked }) => asked !== undefined);
  }

  test("passes with the broker's word, which is on record with a digest of the arguments", async () => {
    await using step = await open([...grantOf("look_up"), ...grantOf("delete_repo", { actions: ["write"] })]);
    expect(await call(step, "look_up")).toEqual({ status: 200 });
    expect(await call(step, "delete_repo")).toEqual({ status: 200 });
    const [second, first] = await decisionsOf(step);
    expect(first?.call).toMatchObject({ location: resource, tool: "look_up", actions: ["read"] });
    expect(second?.call).toMatchObject({ tool: "delete_repo", actions: ["write"], datatypes: ["internal"] });
    expect(Buffer.from(second?.call?.argumentsSha256 ?? [])).toEqual(Buffer.from(argumentsSha256({ query: SECRET })));
  });

  test("is told apart from one without risk, of which the broker is not asked", async () => {
    await using step = await open(grantOf("search"));
    expect(await call(step, "search")).toEqual({ status: 200 });
    expect(await decisionsOf(step)).toEqual([]);
  });

  test("of a tool outside the task, as an injected prompt asks for, is refused before the broker is asked", async () => {
    await using step = await open(grantOf("look_up"));
    expect(await call(step, "delete_repo")).toMatchObject({ status: 403, reason: "GRANT_EXCEEDED" });
    expect(await decisionsOf(step)).toEqual([]);
  });

  test("never leaves its arguments in the ledger, the log, or anywhere the broker writes", async () => {
    await using step = await open(grantOf("look_up"));
    expect(await call(step, "look_up")).toEqual({ status: 200 });
    expect(daemon.stderr()).not.toContain(SECRET);
    const files = readdirSync(daemon.directory, { recursive: true, encoding: "utf8" });
    const texts = files.map((name) => join(daemon.directory, name)).filter((path) => statSync(path).isFile());
    expect(texts.length).toBeGreaterThan(3);
    for (const path of texts) expect(readFileSync(path).includes(SECRET), path).toBe(false);
  });

  test("with a budget raced by 64 calls at once is allowed exactly as often as the grant says", async () => {
    await using step = await open(grantOf("search", { max_calls: 7 }));
    const before = served.length;
    const answers = await Promise.all(Array.from({ length: 64 }, () => call(step, "search")));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(7);
    expect(served.length - before).toBe(7);
    const [refused] = answers.filter(({ status }) => status !== 200);
    expect(refused).toMatchObject({
      status: 403,
      reason: "GRANT_EXCEEDED",
      decision_id: expect.stringMatching(/^dec_/),
      refused: [{ identifier: "search", locations: [resource] }],
    });
  });

  test("with a budget that its children used up is refused to the parent, and to them", async () => {
    await using parent = await open(grantOf("search", { max_calls: 2 }));
    await using child = await parent.openStep({ step: "child", grant: grantOf("search", { max_calls: 2 }) });
    expect([await call(child, "search"), await call(child, "search")]).toEqual([{ status: 200 }, { status: 200 }]);
    expect(await call(child, "search")).toMatchObject({ status: 403, reason: "GRANT_EXCEEDED" });
    expect(await call(parent, "search")).toMatchObject({ status: 403, reason: "GRANT_EXCEEDED" });
    const more = parent.openStep({ step: "another", grant: grantOf("search", { max_calls: 1 }) });
    await expect(more).rejects.toMatchObject({ reason: "DELEGATION_REFUSED" });
  });

  test("by a WIT-SVID with its transaction token is decided too", async () => {
    await using step = await open(grantOf("look_up"));
    const txnToken = (await step.txnToken(resource)).token();
    const wit = await step.witSvid();
    const proved: typeof step.fetch = (input, init) => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", wit.authorization({ url: resource, txnToken }));
      headers.set("workload-identity-token", wit.svid());
      headers.set("txn-token", txnToken);
      return fetch(input as string, { ...(init as RequestInit), headers });
    };
    expect(await call(step, "look_up", {}, proved)).toEqual({ status: 200 });
    expect(await decisionsOf(step)).toHaveLength(1);
  });

  test("is refused once its step has ended, however fresh the token", async () => {
    const step = await open(grantOf("look_up"));
    const verified = verifier.verify((await step.jwtSvid(resource)).svid());
    await step.close("COMPLETED");
    const use = { tool: "look_up", ...READ };
    await expect(verifier.check(verified, use)).rejects.toMatchObject({ code: "REVOKED" });
  });

  test("is shown to the operator with what was asked", async () => {
    await using step = await open(grantOf("search", { max_calls: 1 }));
    await call(step, "search");
    expect(await decisionsOf(step)).toMatchObject([
      { call: { tool: "search", counted: [{ holder: step.stepId, element: 0 }] } },
    ]);
  });

  test("is reported with what became of it, where that is asked for", async () => {
    await using step = await open([...grantOf("look_up"), ...grantOf("search", { max_calls: 1 })]);
    const endpoint = `unix://${daemon.workloadSocket}`;
    await using reporting = createVerifier({ endpoint, audiences: [resource], development: true, reportUsage: true });
    await reporting.ready();
    const before = guard;
    guard = guardWith({ verifier: reporting, check: { tools: ["look_up"] } });
    for (const name of ["look_up", "look_up", "search", "search", "delete_repo"]) await call(step, name);
    guard = before;
    await reporting[Symbol.asyncDispose]();
    const { usage } = await operator.history.listUsage({ filter: { stepId: step.stepId } });
    const told = usage.map(({ tool, action, outcome, calls, verifier: by }) => [by, tool, action, outcome, calls]);
    expect(told.toSorted()).toEqual([
      ["mcp-1", "delete_repo", "write", "refused", 1n],
      ["mcp-1", "look_up", "read", "served", 2n],
      ["mcp-1", "search", "read", "refused", 1n],
      ["mcp-1", "search", "read", "served", 1n],
    ]);
    const shown = await runStint(["--operator-socket", daemon.operatorSocket, "history", "usage", "-o", "json"]);
    expect(JSON.parse(shown.out)).toContainEqual(
      expect.objectContaining({ tool: "look_up", outcome: "served", calls: 2, step_id: step.stepId, gap: 0 }),
    );
  });

  test("is asked about as the guide shows", async () => {
    guardOf({ verifier, resource, issuer: ISSUER, tools: TOOLS });
    await using step = await open(grantOf("create_issue", { actions: ["write"] }));
    const verified = verifier.verify((await step.jwtSvid(resource)).svid());
    expect(await checked(verifier, verified, { title: SECRET })).toMatch(/^dec_[0-9a-f-]+ any$/);
  });

  // The last of all: nothing answers after it.
  test("is refused while the broker does not answer, when others still pass", async () => {
    const step = await open([...grantOf("look_up"), ...grantOf("search")]);
    const svid = (await step.jwtSvid(resource)).svid();
    const held: typeof step.fetch = (input, init) =>
      fetch(input as string, {
        ...(init as RequestInit),
        headers: { ...(init?.headers as Record<string, string>), authorization: `Bearer ${svid}` },
      });
    daemon.child.kill("SIGSTOP");
    guard = guardWith({ check: { tools: ["look_up"], timeoutMs: 50 } });
    expect(await call(step, "look_up", {}, held)).toEqual({ status: 503, reason: "UNAVAILABLE" });
    expect(await call(step, "search", {}, held)).toEqual({ status: 200 });
    daemon.child.kill("SIGCONT");
  });
});

describe("what a guard is to check", () => {
  const verifier = createVerifier({ endpoint: "unix:///nowhere", audiences: ["https://a.example/mcp"] });
  afterAll(() => verifier.close());

  test.for([
    { what: "an action that is none", check: { actions: ["peek"] }, field: "check.actions" },
    { what: "a tool that is not in the map", check: { tools: ["delete-repo"] }, field: "check.tools" },
    { what: "no time", check: { timeoutMs: 0 }, field: "check.timeoutMs" },
    { what: "too much time", check: { timeoutMs: 60_000 }, field: "check.timeoutMs" },
  ])("names no $what", ({ check, field }) => {
    const options = { verifier, resource: "https://a.example/mcp", issuer: ISSUER, tools: TOOLS };
    expect(() => createMcpGuard({ ...options, check: check as McpGuardOptions["check"] & object })).toThrow(
      expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }),
    );
  });
});

describe("the digest of arguments", () => {
  test("is the same however they were written down", () => {
    const hex = (args: unknown) => Buffer.from(argumentsSha256(args)).toString("hex");
    expect(hex({ b: [1, 2.5, "ü"], a: { d: null, c: true } })).toBe(hex({ a: { c: true, d: null }, b: [1, 2.5, "ü"] }));
    expect(hex(undefined)).toBe(hex({}));
    // SHA-256 of {}.
    expect(hex({})).toBe("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    expect(hex({ a: [1, 2] })).not.toBe(hex({ a: [2, 1] }));
  });
});
