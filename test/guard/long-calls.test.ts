import type { ServerResponse } from "node:http";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { createGuardHandler } from "../../src/guard/guard-handler.ts";
import { createSecrets } from "../../src/guard/secrets.ts";
import { createHttpUpstream } from "../../src/guard/upstream-http.ts";
import { PULSE_MS } from "../../src/sdk/mcp-guard/alive-answer.ts";
import { fetchResponseOf } from "../../src/sdk/mcp-guard/answer.ts";
import type { StepAuthInfo } from "../../src/sdk/mcp-guard/step-auth-info.ts";
import { decode, pulsesFor10Minutes, serverInHand } from "../sdk/mcp-guard/server-in-hand.ts";

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "slow", arguments: {} } };
const ANSWER = { jsonrpc: "2.0", id: 7, result: { content: [] } };
const JSON_TYPE = { "content-type": "application/json" };

/** Timers alone: what the sockets do is real. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "setInterval", "clearTimeout", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

/** A server that hands its response to the test, behind all of the guard but the part that asks who calls. */
async function callInHand() {
  const { url, next } = await serverInHand();
  const upstream = createHttpUpstream(url);
  onTestFinished(upstream.close);
  const handler = createGuardHandler({
    reached: { serve: (request, body) => upstream.ask(request, body, {}) },
    injections: [],
    secrets: createSecrets({}, () => 0),
    observeTools: () => undefined,
    told: () => undefined,
    onError: () => undefined,
    pulseMs: PULSE_MS,
  });
  const asking = next();
  const headers = { ...JSON_TYPE, accept: "application/json, text/event-stream" };
  const asked = new Request(url, { method: "POST", headers, body: JSON.stringify(CALL) });
  const answered = handler(asked, { parsedBody: CALL, authInfo: { extra: {} } as StepAuthInfo });
  return { answered, response: await asking };
}

describe("a call of ten minutes at a guarded server", () => {
  test("that answers at the end: the client hears of it all the while, and then the answer", async () => {
    const { answered, response } = await callInHand();
    const reader = await pulsesFor10Minutes(answered);
    const last = reader?.read();
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(ANSWER));
    expect(decode((await last)?.value)).toBe(`event: message\ndata: ${JSON.stringify(ANSWER)}\n\n`);
    expect(await reader?.read()).toMatchObject({ done: true });
  });

  test("that breaks off, or answers no MCP: the client reads why in the stream that has begun", async () => {
    for (const [fail, reason] of [
      [(response: ServerResponse) => void response.destroy(), "UPSTREAM_UNREACHABLE"],
      [
        (response: ServerResponse) => void response.writeHead(500, { "content-type": "text/html" }).end("x"),
        "UPSTREAM_MALFORMED",
      ],
    ] as const) {
      const { answered, response } = await callInHand();
      await vi.advanceTimersByTimeAsync(PULSE_MS);
      const reader = fetchResponseOf(await answered).body?.getReader();
      const read = reader?.read();
      fail(response);
      const [, data = ""] = /^data: (.*)$/m.exec(decode((await read)?.value)) ?? [];
      expect(JSON.parse(data)).toMatchObject({ id: 7, error: { data: { reason } } });
    }
  });

  test("that answers in time is answered as it answers", async () => {
    const { answered, response } = await callInHand();
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(ANSWER));
    const answer = fetchResponseOf(await answered);
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(await answer.json()).toEqual(ANSWER);
  });
});
