import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { connectOperator } from "../../../src/sdk/operator/index.ts";
import { createStint, type Grant, type Stint } from "../../../src/sdk/runtime/index.ts";
import { startTold, type ToldWorkload } from "../../conformance/told-workload.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import type { PythonClient } from "./python-client.ts";

const RESOURCE = "https://mcp.example.org/mcp";
const grant: Grant = [
  { type: "mcp_tool", locations: [RESOURCE], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];

/** The tests of an installed package at a real broker: a step opened by the TypeScript runtime, verified in Python. */
export function testsAtABroker({ python, environment }: PythonClient): void {
  let daemon: Daemon;
  let stint: Stint;
  let verifier: ToldWorkload;

  beforeAll(async () => {
    const selectors = [`unix:uid:${process.getuid?.()}`];
    daemon = await startDaemon({
      entries: [
        { kind: "agent", name: "researcher", selectors, ceiling: grant },
        // The Python program is started by this process, which opens steps too.
        { kind: "runtime", name: "flow", selectors, agents: ["researcher"], allow_descendants: true },
        { kind: "runtime", name: "records", selectors, agents: ["researcher"], allow_descendants: true },
        { kind: "verifier", name: "library", selectors, audiences: [RESOURCE] },
      ],
    });
    stint = createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "researcher" });
    const path = `PYTHONPATH=${environment["PYTHONPATH"]}`;
    const program = join(import.meta.dirname, "told_verifier.py");
    verifier = await startTold(["env", path, python, "-B", program, RESOURCE], daemon.workloadSocket);
    await verifier.tell("ready");
  });
  afterAll(async () => {
    stint?.close();
    await verifier?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  test("verifies a step's token and permits what it was granted, until the step is closed", async () => {
    const step = await stint.openStep({ runId: "report-7", step: "search", grant });
    const svid = await step.jwtSvid(RESOURCE);
    const token = svid.authorization().slice("Bearer ".length);
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
    const [element] = grant;
    const counted: Grant = element === undefined ? [] : [{ ...element, max_calls: 2 }];
    const step = await stint.openStep({ runId: "report-9", step: "search", grant: counted });
    const svid = await step.jwtSvid(RESOURCE);
    await verifier.tell("verify", { token: svid.authorization().slice("Bearer ".length) });
    expect(await verifier.tell("authorize", { tool: "search", actions: ["read"] })).toMatchObject({
      refused: "CHECK_REQUIRED",
    });
    expect(await verifier.tell("call", { tool: "search" })).toBe("called");
    expect(await verifier.tell("call", { tool: "search" })).toBe("called");
    expect(await verifier.tell("call", { tool: "search" })).toMatchObject({ refused: "GRANT_EXCEEDED" });
    const operator = connectOperator({ socket: daemon.operatorSocket });
    onTestFinished(() => operator.close());
    // Told once a second, and recorded within another.
    const told = async () => {
      const { usage } = await operator.history.listUsage({ filter: { stepId: step.stepId } });
      return usage.map(({ tool, action, outcome, calls }) => ({ tool, action, outcome, calls }));
    };
    await expect.poll(told, { timeout: 20_000 }).toEqual([
      { tool: "search", action: "read", outcome: "refused", calls: 1n },
      { tool: "search", action: "read", outcome: "served", calls: 2n },
    ]);
    await step.close();
  });

  test.for([
    { end: "return", state: "COMPLETED" },
    { end: "raise", state: "FAILED" },
  ])("opens a step of its own, whose token is good until it is $state", async ({ end, state }) => {
    expect(await verifier.tell("work", { run: `python-${end}`, end })).toEqual({
      refused: "REVOKED",
      metadata: { reason: "cessationOfOperation", state },
    });
  });

  test("hands a part of its step to another runtime, as often as its token says", async () => {
    expect(await verifier.tell("delegate", { run: "python-delegates" })).toEqual({
      parent: true,
      error: "DELEGATION_REFUSED",
    });
  });

  test("runs the program that the guide shows", async () => {
    const program = join(import.meta.dirname, "../../docs/python_runtime.py");
    expect(await verifier.tell("research", { run: "python-guide", program })).toBe("python-guide");
  });

  test("stops working in a step that another attempt has superseded", async () => {
    const working = verifier.tell("work", { run: "python-old", end: "wait" });
    await verifier.event("working");
    const newer = await stint.openStep({ runId: "python-old", step: "search", grant, attempt: 2 });
    expect(await working).toEqual({ error: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
    await newer.close();
  });

  test("says so where its entry does not permit what it is created for, instead of waiting", async () => {
    const program = join(import.meta.dirname, "told_verifier.py");
    const path = `PYTHONPATH=${environment["PYTHONPATH"]}`;
    const command = ["env", path, python, "-B", program, "https://other.example.org"];
    await using other = await startTold(command, daemon.workloadSocket);
    expect(await other.tell("ready")).toEqual({ error: "AUDIENCE_INVALID" });
  });

  test("refuses when the broker has been gone for longer than it may be, and not before", async () => {
    const step = await stint.openStep({ runId: "report-8", step: "search", grant });
    const svid = await step.jwtSvid(RESOURCE);
    const token = svid.authorization().slice("Bearer ".length);
    await daemon.stop();
    expect(await verifier.tell("verify", { token })).toMatchObject({ spiffe_id: step.spiffeId });
    await verifier.tell("later", { ms: 61_000 });
    expect(await verifier.tell("verify", { token })).toMatchObject({ refused: "STALE" });
    daemon = await daemon.restart();
    await verifier.tell("later", { ms: -61_000 });
    await verifier.tell("ready");
  });
}
