import { describe, expect, test } from "vitest";
import { fetchResponseOf } from "../../../src/sdk/mcp-guard/answer.ts";
import { type ServedRequest, serveWhileOpen } from "../../../src/sdk/mcp-guard/serve-while-open.ts";

const WHY = new Error("the step has ended");

/** A request of a step that a test ends, served as the test says. */
function scene(serve: ServedRequest["serve"]) {
  const step = new AbortController();
  const caller = new AbortController();
  let watching = true;
  const response = serveWhileOpen({
    watched: {
      signal: step.signal,
      [Symbol.dispose]: () => {
        watching = false;
      },
    },
    callerGone: caller.signal,
    serve,
    refuse: (why) => new Response(String(why), { status: 401 }),
    lastEvent: (why) => JSON.stringify(String(why)),
  });
  return {
    response: response.then(fetchResponseOf),
    end: () => step.abort(WHY),
    leave: () => caller.abort(),
    isWatching: () => watching,
  };
}

/** A stream that is written to by hand. */
function written() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given;
    },
    cancel: () => cancelled.resolve(),
  });
  return {
    body,
    write: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    close: () => controller?.close(),
    fail: (error: Error) => controller?.error(error),
    cancelled: cancelled.promise,
  };
}

const EVENTS = { headers: { "content-type": "text/event-stream; charset=utf-8" } };
const LAST = `event: message\ndata: "Error: the step has ended"\n\n`;

describe("serving a request while its step is open", () => {
  test("gives the handler's answer as it is, and stops watching when it is over", async () => {
    const { response, isWatching } = scene(async () => new Response("answer", { status: 201, headers: { a: "b" } }));
    const answer = await response;
    expect([answer.status, answer.headers.get("a"), await answer.text()]).toEqual([201, "b", "answer"]);
    expect(isWatching()).toBe(false);
  });

  test("gives an answer without a body, and stops watching", async () => {
    const { response, isWatching } = scene(async () => new Response(null, { status: 202 }));
    expect((await response).status).toBe(202);
    expect(isWatching()).toBe(false);
  });

  test("refuses although the handler heeds no signal, and discards what it answers later", async () => {
    const later = Promise.withResolvers<Response>();
    const { response, end } = scene(() => later.promise);
    end();
    expect((await response).status).toBe(401);
    const { body, cancelled } = written();
    later.resolve(new Response(body));
    await cancelled;
  });

  test("refuses whatever a handler throws once its signal has aborted", async () => {
    const { response, end } = scene(
      (signal) =>
        new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("something else")))),
    );
    end();
    expect((await response).status).toBe(401);
  });

  test("does not begin for a step that has ended", async () => {
    const step = new AbortController();
    step.abort(WHY);
    const response = await serveWhileOpen({
      watched: { signal: step.signal, [Symbol.dispose]: () => undefined },
      callerGone: new AbortController().signal,
      serve: () => {
        throw new Error("must not be served");
      },
      refuse: () => new Response(null, { status: 401 }),
      lastEvent: () => "",
    });
    expect(response.status).toBe(401);
  });

  test("lets out what the handler throws, and stops watching", async () => {
    const { response, isWatching } = scene(() => Promise.reject(new Error("a fault")));
    await expect(response).rejects.toThrow("a fault");
    expect(isWatching()).toBe(false);
  });

  test("ends a stream of events with one that says why, after all that came before", async () => {
    const { body, write, cancelled } = written();
    const { response, end } = scene(async () => new Response(body, EVENTS));
    const answer = await response;
    write("data: 1\n\n");
    const reader = answer.body?.getReader();
    await reader?.read();
    end();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(LAST);
    expect((await reader?.read())?.done).toBe(true);
    await cancelled;
  });

  test("does not let the last event be swallowed by one that was cut in two", async () => {
    const { body, write } = written();
    const { response, end } = scene(async () => new Response(body, EVENTS));
    const reader = (await response).body?.getReader();
    write("data: {half");
    await reader?.read();
    end();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe(`\n\n${LAST}`);
  });

  test("says why also when the handler ends its stream at that very moment", async () => {
    const { body, close } = written();
    const { response, end } = scene(async (signal) => {
      signal.addEventListener("abort", close);
      return new Response(body, EVENTS);
    });
    const text = (await response).text();
    end();
    expect(await text).toBe(LAST);
  });

  test("breaks off an answer of another kind, which must not look whole", async () => {
    const { body, write } = written();
    const { response, end } = scene(async () => new Response(body, { headers: { "content-type": "text/plain" } }));
    const answer = await response;
    write("half");
    const text = answer.text();
    end();
    await expect(text).rejects.toBe(WHY);
  });

  test("passes on that the handler's stream failed, and stops watching", async () => {
    const { body, fail } = written();
    const { response, isWatching } = scene(async () => new Response(body, EVENTS));
    const text = (await response).text();
    fail(new Error("a fault"));
    await expect(text).rejects.toThrow("a fault");
    expect(isWatching()).toBe(false);
  });

  test("stops the handler when its caller leaves, and stops watching", async () => {
    const { body, cancelled } = written();
    let signal: AbortSignal | undefined;
    const { response, leave, isWatching } = scene(async (given) => {
      signal = given;
      return new Response(body, EVENTS);
    });
    const answer = await response;
    leave();
    expect(signal?.aborted).toBe(true);
    await answer.body?.cancel();
    await cancelled;
    expect(isWatching()).toBe(false);
  });
});
