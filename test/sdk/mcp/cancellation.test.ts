import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { guardedServer, guardedServerOf, LINE_2, type SdkLine, withToken } from "./scene.ts";
import { SDK_LINES } from "./sdk-lines.ts";
import { sessionServer, stepClaims } from "./session-line.ts";

/** Of either line. */
type Context = { readonly signal?: AbortSignal; readonly mcpReq?: { readonly signal: AbortSignal } };

const callOf = (name: string, id: string | number = 7) => ({
  jsonrpc: "2.0",
  id,
  method: "tools/call",
  params: { name, arguments: {} },
});
const cancelOf = (requestId: unknown) => ({
  jsonrpc: "2.0",
  method: "notifications/cancelled",
  params: { requestId, reason: "enough" },
});

function signalOf({ signal, mcpReq }: Context): AbortSignal {
  const stopped = signal ?? mcpReq?.signal;
  if (stopped === undefined) throw new Error("a handler without a signal");
  return stopped;
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

test("a call that a client of the official SDK gives up is stopped", async () => {
  const scene = await guardedServer();
  const client = await scene.client(withToken(scene.token()));
  const begun = scene.called();
  const giving = new AbortController();
  const call = client.callTool({ name: "wait" }, { signal: giving.signal });
  const { signal } = (await begun).mcpReq;
  giving.abort();
  await expect(call).rejects.toThrow();
  if (!signal.aborted) await once(signal, "abort");
});

describe.for(SDK_LINES)("a call that is cancelled, at a server of the MCP SDK $version", ({ line }) => {
  test.for(["wait", "stream"])("of %s is stopped, and its answer ends without a word", async (tool) => {
    const scene = await guardedServerOf(line);
    const begun = scene.called();
    const answer = scene.post(callOf(tool), bearer(scene.token()));
    const signal = signalOf((await begun) as Context);
    // A new token of the same step.
    expect((await scene.post(cancelOf(7), bearer(scene.token({ jti: "next" })))).status).toBe(202);
    if (!signal.aborted) await once(signal, "abort");
    const text = await (await answer).text();
    const methods = [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data ?? "").method);
    expect([(await answer).status, methods]).toEqual([200, tool === "stream" ? ["notifications/progress"] : []]);
  });

  test.for([
    { by: "another step", claims: stepClaims("r1", "other"), requestId: 7 },
    { by: "another attempt", claims: stepClaims("r1", "search", 2), requestId: 7 },
    { by: "its own step under another id", claims: {}, requestId: 8 },
    { by: "its own step under an id of another type", claims: {}, requestId: "7" },
    { by: "its own step without an id", claims: {}, requestId: undefined },
  ])("by $by goes on", async ({ claims, requestId }) => {
    const scene = await guardedServerOf(line);
    const begun = scene.called();
    const answer = scene.post(callOf("wait"), bearer(scene.token()));
    const signal = signalOf((await begun) as Context);
    await scene.post(cancelOf(requestId), bearer(scene.token(claims)));
    expect(signal.aborted).toBe(false);
    await scene.endStep();
    expect(await (await answer).text()).toContain("STEP_CLOSED");
  });

  test("goes on where two of its step have the same id, since nobody can tell which is meant", async () => {
    const scene = await guardedServerOf(line);
    const signals = [];
    const answers = [];
    for (const _client of ["one", "two"]) {
      const begun = scene.called();
      answers.push(scene.post(callOf("wait"), bearer(scene.token())));
      signals.push(signalOf((await begun) as Context));
    }
    await scene.post(cancelOf(7), bearer(scene.token()));
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
    await scene.endStep();
    for (const answer of answers) expect(await (await answer).text()).toContain("STEP_CLOSED");
  });
});

/** A server that answers a call with a body that it does not end. */
const ENDLESS: SdkLine<unknown> = {
  createGuard: LINE_2.createGuard,
  serve: () => ({
    async fetch(_request, { parsedBody }) {
      const isCall = typeof parsedBody === "object" && parsedBody !== null && "id" in parsedBody;
      if (!isCall) return new Response(null, { status: 202 });
      const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("{")) });
      return new Response(body, { headers: { "content-type": "application/json" } });
    },
    close: async () => undefined,
  }),
};

test("a call that is cancelled half way through an answer of JSON breaks off, and is nobody's fault", async () => {
  const faults: unknown[] = [];
  const scene = await guardedServerOf(ENDLESS, { onError: (thrown) => faults.push(thrown) });
  const answer = await scene.post(callOf("search"), bearer(scene.token()));
  const text = answer.text();
  await scene.post(cancelOf(7), bearer(scene.token()));
  await expect(text).rejects.toThrow();
  expect(faults).toEqual([]);
});

describe("in sessions", () => {
  test("a call is stopped by the session that made it alone", async () => {
    const scene = await sessionServer();
    const [mine, other] = [await scene.session(scene.token()), await scene.session(scene.token())];
    const begun = scene.called();
    const answer = scene.post(callOf("wait"), mine);
    const { signal } = await begun;
    const { "mcp-session-id": _none, ...sessionless } = mine;
    for (const headers of [other, sessionless]) await scene.post(cancelOf(7), headers);
    expect(signal.aborted).toBe(false);
    expect((await scene.post(cancelOf(7), mine)).status).toBe(202);
    if (!signal.aborted) await once(signal, "abort");
    expect(await (await answer).text()).not.toContain('"id":7');
  });

  test("an id that a running call of the session has is refused, and free again after it", async () => {
    const scene = await sessionServer();
    const session = await scene.session(scene.token());
    const begun = scene.called();
    const answer = scene.post(callOf("wait"), session);
    await begun;
    const again = await scene.post(callOf("search"), session);
    expect([again.status, await again.json()]).toEqual([
      400,
      {
        jsonrpc: "2.0",
        id: 7,
        error: {
          code: -32_600,
          message: "a request with this id is under way in the session",
          data: { reason: "REQUEST_MALFORMED" },
        },
      },
    ]);
    await scene.post(cancelOf(7), session);
    await (await answer).text();
    expect((await scene.post(callOf("search"), session)).status).toBe(200);
  });
});
