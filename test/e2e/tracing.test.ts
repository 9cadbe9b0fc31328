import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import type { GrantElement } from "../../src/domain/grant.ts";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith } from "../faults/daemon-scene.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { frontsOf } from "./front-ends.ts";
import { type Collector, type SentSpan, startCollector } from "./trace-collector.ts";

// Goal: what the broker did for a call can be seen in the caller's own trace, a refusal is not shown as a failure of the broker, and no
// span says who asked, for what, or what was given out.
// Method: a collector that takes OTLP over HTTP, a real daemon that is told of it, and callers that send the header of a trace.

/** A daemon and a collector are started, on a machine that may be busy. */
vi.setConfig({ testTimeout: 120_000 });

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT = "00f067aa0ba902b7";
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;
const SEARCHING = READ_SEARCH as GrantElement;
const SERVER = 2;
const ERROR = 2;

async function daemonWith(config: NonNullable<DaemonOptions["config"]>): Promise<Daemon> {
  const daemon = await startDaemon({ entries: OWN_ENTRIES, config });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

async function traced(more: object = {}, config: object = {}): Promise<{ daemon: Daemon; collector: Collector }> {
  const collector = await startCollector();
  return { daemon: await daemonWith({ tracing: { otlp: collector.url, ...more }, ...config }), collector };
}

const named = (spans: readonly SentSpan[], name: string) => spans.filter((span) => span.name === name);
const first = (spans: readonly SentSpan[], name: string) => {
  const [span] = named(spans, name);
  if (span === undefined) throw new Error(`no span ${name}`);
  return span;
};
const opening = (run: string, more: object = {}) => ({
  runId: run,
  step: "search",
  agent: "worker",
  grant: { elements: [READ_SEARCH] },
  ...more,
});

describe("spans of the broker", () => {
  test("are parts of the caller's trace, with what was done for the call below them, and nothing of who asked", async () => {
    const { daemon, collector } = await traced();
    const session = sessionWith(daemon);
    const metadata = { traceparent: TRACEPARENT, tracestate: "vendor=do-not-pass-on" };
    const { step } = await session.steps.open(opening("traced-run"), { metadata });
    const token = await issueJwt(session, String(step?.stepId));
    await closeStep(session, String(step?.stepId));

    await expect.poll(() => named(collector.spans, "stint.v1.Steps/Close")).toHaveLength(1);
    const open = first(collector.spans, "stint.v1.Steps/Open");
    expect(open).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, kind: SERVER });
    expect(open.attributes).toEqual({
      "rpc.system.name": "grpc",
      "rpc.method": "stint.v1.Steps/Open",
      "rpc.response.status_code": "OK",
    });
    const below = collector.spans.filter(({ parentSpanId }) => parentSpanId === open.spanId);
    expect(below.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["attest", "policy open", "ledger open-step"]),
    );
    // A trace of its own: nobody sent one.
    expect(first(collector.spans, "stint.v1.Credentials/IssueJwtSvid").parentSpanId).toBeUndefined();

    const secrets = [token, String(step?.stepId), "traced-run", "worker", SEARCH, "do-not-pass-on", daemon.directory];
    for (const secret of secrets) expect(collector.text()).not.toContain(secret);
    const line = daemon.log.find(({ method }) => method === "Steps.Open");
    expect(line).toMatchObject({ traceId: TRACE, outcome: "OK" });
  });

  test("are parts of the trace that a runtime says, whatever its step does", async () => {
    const { daemon, collector } = await traced();
    using stint = createStint({
      endpoint: `unix://${daemon.workloadSocket}`,
      agent: "worker",
      traceparent: () => TRACEPARENT,
    });
    await stint.withStep({ runId: "by-sdk", step: "search", grant: [SEARCHING] }, async (step) => {
      await step.jwtSvid(SEARCH);
    });
    await expect.poll(() => named(collector.spans, "stint.v1.Steps/Close")).toHaveLength(1);
    const calls = collector.spans.filter(({ kind }) => kind === SERVER);
    expect(calls.map(({ name }) => name)).toEqual(
      expect.arrayContaining(["stint.v1.Steps/Open", "stint.v1.Steps/Close"]),
    );
    for (const { traceId, parentSpanId } of calls)
      expect({ traceId, parentSpanId }).toEqual({ traceId: TRACE, parentSpanId: PARENT });
  });

  test("say of a refusal what the reason was, and of no refusal that the broker failed", async () => {
    const { daemon, collector } = await traced();
    const session = sessionWith(daemon);
    const above = { grant: { elements: [{ ...READ_SEARCH, actions: ["write"] }] } };
    await expect(session.steps.open(opening("above", above))).rejects.toMatchObject({ reason: "POLICY_DENIED" });
    await expect(session.steps.get({ by: { case: "stepId", value: "no-step" } })).rejects.toMatchObject({
      reason: "STEP_NOT_FOUND",
    });
    await expect.poll(() => named(collector.spans, "stint.v1.Steps/Get")).toHaveLength(1);
    const told = ["Open", "Get"].map((method) => first(collector.spans, `stint.v1.Steps/${method}`));
    expect(told.map(({ attributes }) => [attributes["rpc.response.status_code"], attributes["stint.reason"]])).toEqual([
      ["PERMISSION_DENIED", "POLICY_DENIED"],
      ["NOT_FOUND", "STEP_NOT_FOUND"],
    ]);
    for (const { status, attributes } of told) {
      expect(status.code).not.toBe(ERROR);
      expect(attributes).not.toHaveProperty("error.type");
    }
  });

  test("are of HTTP requests too, by their routes, and a path that is none is not told", async () => {
    const { daemon, collector } = await traced({}, { http: { listen: "127.0.0.1:0", plain_on_loopback: true } });
    const { http } = daemon.log.find(({ msg }) => msg === "serving") ?? {};
    await fetch(`${String(http)}/jwks.json`, { headers: { traceparent: TRACEPARENT } });
    await fetch(`${String(http)}/${"secret-in-a-path"}`);
    await expect.poll(() => named(collector.spans, "GET")).toHaveLength(1);
    expect(first(collector.spans, "GET").attributes).toEqual({
      "http.request.method": "GET",
      "http.response.status_code": 404,
    });
    expect(first(collector.spans, "GET /jwks.json")).toMatchObject({ traceId: TRACE, parentSpanId: PARENT });
    expect(first(collector.spans, "GET /jwks.json").attributes).toEqual({
      "http.request.method": "GET",
      "http.route": "/jwks.json",
      "http.response.status_code": 200,
    });
    expect(collector.text()).not.toContain("secret-in-a-path");
  });

  test("are as many as the configuration says, and as the caller says of its own trace", async () => {
    const { daemon, collector } = await traced({ sample: 0 });
    const session = sessionWith(daemon);
    await openStep(session, "own");
    const unsampled = `00-${"1".repeat(32)}-${PARENT}-00`;
    await session.steps.open(opening("unsampled"), { metadata: { traceparent: unsampled } });
    // No trace: the form is wrong, so that the configuration decides.
    await session.steps.open(opening("malformed"), { metadata: { traceparent: `${TRACEPARENT}0` } });
    await session.steps.open(opening("sampled"), { metadata: { traceparent: TRACEPARENT } });
    await expect.poll(() => named(collector.spans, "stint.v1.Steps/Open")).toHaveLength(1);
    expect(new Set(collector.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
  });

  test("are sent with the headers of a file, also by front ends", async () => {
    const headers = (directory: string) => {
      const path = join(directory, "otlp-headers");
      writeFileSync(path, "authorization: Bearer of-the-collector\n", { mode: 0o600 });
      return path;
    };
    const collector = await startCollector();
    const daemon = await daemonWith((directory) => ({
      workers: 1,
      tracing: { otlp: collector.url, headers_file: headers(directory) },
    }));
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "fronted");
    await issueJwt(session, stepId);
    await expect.poll(() => frontsOf(daemon, "Credentials.IssueJwtSvid")).toEqual([1]);
    await expect.poll(() => named(collector.spans, "stint.v1.Credentials/IssueJwtSvid")).toHaveLength(1);
    await expect.poll(() => named(collector.spans, "stint.v1.Steps/Open")).toHaveLength(1);
    expect(collector.authorizations).toEqual(new Set(["Bearer of-the-collector"]));
    expect(daemon.log.map((line) => JSON.stringify(line)).join("\n")).not.toContain("of-the-collector");
  });

  test("that can't be sent hold nothing back, are told of in the log, and the broker ends as ever", async () => {
    const collector = await startCollector();
    const gone = collector.url.replace(/:\d+/, ":9");
    const daemon = await daemonWith({ tracing: { otlp: gone } });
    const { stepId } = await openStep(sessionWith(daemon), "unsent");
    expect(stepId).toMatch(/^step_/);
    await expect.poll(() => daemon.log.filter(({ msg }) => msg === "spans can't be sent").length).toBeGreaterThan(0);
  });
});
