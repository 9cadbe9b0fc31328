import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createForward } from "../../src/bridge/forward.ts";
import { PULSE_MS } from "../../src/sdk/mcp-guard/alive-answer.ts";
import { fetchResponseOf } from "../../src/sdk/mcp-guard/answer.ts";
import { patientFetch } from "../../src/sdk/runtime/patient-fetch.ts";
import { decode, pulsesFor10Minutes, serverInHand } from "../sdk/mcp-guard/server-in-hand.ts";

const TEN_MINUTES_MS = 600_000;
const MCP = { "content-type": "application/json", accept: "application/json, text/event-stream" };
const EVENTS = { "content-type": "text/event-stream" };
const ANSWER = { jsonrpc: "2.0", id: 7, result: { content: [] } };

/** Timers alone: what the sockets do is real. */
beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "setInterval", "clearTimeout", "clearInterval"] }));
afterEach(() => void vi.useRealTimers());

function bridged(url: string, message: object, ended = new AbortController()) {
  const step = { signal: ended.signal, fetch: patientFetch };
  const forward = createForward({ step, told: () => undefined, pulseMs: PULSE_MS });
  const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", ...message }));
  return forward(url, {
    method: "POST",
    headers: new Headers(MCP),
    body,
    signal: new AbortController().signal,
  });
}

const CALL = { id: 7, method: "tools/call", params: { name: "slow", arguments: {} } };

describe("a call of ten minutes", () => {
  test("that its server answers at the end: the client hears of it all the while, and then the answer", async () => {
    const { url, next } = await serverInHand();
    const asked = next();
    const answered = bridged(url, CALL);
    const response = await asked;
    const reader = await pulsesFor10Minutes(answered);
    const last = reader?.read();
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(ANSWER, null, 2));
    expect(decode((await last)?.value)).toBe(`event: message\ndata: ${JSON.stringify(ANSWER)}\n\n`);
    expect(await reader?.read()).toMatchObject({ done: true });
  });

  test("with events far between: comments go between them, and none into one", async () => {
    const { url, next } = await serverInHand();
    const asked = next();
    const answered = bridged(url, CALL);
    const response = await asked;
    response.writeHead(200, EVENTS).write("data: {}\n\n");
    const reader = fetchResponseOf(await answered).body?.getReader();
    expect(decode((await reader?.read())?.value)).toBe("data: {}\n\n");
    const pulse = reader?.read();
    await vi.advanceTimersByTimeAsync(TEN_MINUTES_MS);
    expect(decode((await pulse)?.value)).toBe(":\n\n");
    response.write("data: {");
    let heard = ":\n\n";
    while (heard === ":\n\n") heard = decode((await reader?.read())?.value);
    expect(heard).toBe("data: {");
    const rest = reader?.read();
    await vi.advanceTimersByTimeAsync(TEN_MINUTES_MS);
    response.end("}\n\n");
    expect(decode((await rest)?.value)).toBe("}\n\n");
  });

  test("that is refused in the end: the refusal is told in the stream that has begun", async () => {
    const { url, next } = await serverInHand();
    const asked = next();
    const answered = bridged(url, CALL);
    const response = await asked;
    await vi.advanceTimersByTimeAsync(PULSE_MS);
    const reader = fetchResponseOf(await answered).body?.getReader();
    const read = reader?.read();
    response.writeHead(404).end();
    const [, data = ""] = /^event: message\ndata: (.*)\n\n$/.exec(decode((await read)?.value)) ?? [];
    expect(JSON.parse(data)).toMatchObject({ id: 7, error: { data: { reason: "SERVER_MALFORMED" } } });
  });

  test("a handshake is waited for: what begins a session is in the answer's headers", async () => {
    const { url, next } = await serverInHand();
    const asked = next();
    const answered = bridged(url, { id: 7, method: "initialize", params: {} });
    const response = await asked;
    await vi.advanceTimersByTimeAsync(TEN_MINUTES_MS);
    response.writeHead(200, { "content-type": "application/json", "mcp-session-id": "s-1" }).end("{}");
    expect((await answered).headers.get("mcp-session-id")).toBe("s-1");
  });
});

test("patience ends with the signal, before the answer and in the middle of it", async () => {
  const { url, next } = await serverInHand();
  const over = new AbortController();
  const asked = next();
  const answered = patientFetch(url, { signal: over.signal }).catch((thrown: unknown) => thrown);
  await asked;
  over.abort("over");
  expect(await answered).toBe("over");
  const again = new AbortController();
  const second = next();
  const begun = patientFetch(url, { signal: again.signal });
  (await second).writeHead(200, EVENTS).write("data: {}\n\n");
  const reader = (await begun).body?.getReader();
  await reader?.read();
  again.abort("over");
  await expect(reader?.read()).rejects.toThrow();
});

test("a server that can't be reached is told of by what is wrong, and never by where it is", async () => {
  const told: string[] = [];
  const step = { signal: new AbortController().signal, fetch: patientFetch };
  const forward = createForward({ step, told: (line) => void told.push(line), pulseMs: PULSE_MS });
  const body = new TextEncoder().encode(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  const request = { method: "POST", headers: new Headers(MCP), body, signal: step.signal };
  expect((await forward("http://127.0.0.1:1/mcp", request)).status).toBe(502);
  expect(told).toEqual(["a server can't be reached: ECONNREFUSED"]);
});
