import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { createNodeListener } from "../../../src/sdk/mcp-guard/node-listener.ts";
import { bodyOf, loopback } from "../runtime/loopback.ts";

const RESOURCE = "https://mcp.example.com/mcp";

function listenerOf(serve: Parameters<typeof createNodeListener>[1], onError: (thrown: unknown) => void = () => {}) {
  return createNodeListener(RESOURCE, serve, onError);
}

describe("a listener for Node", () => {
  test("carries method, path, headers and body there, and status, headers and body back", async () => {
    const listener = listenerOf(async (request) => {
      const seen = [request.method, request.url, request.headers.get("x-a"), await request.text()];
      return Response.json(seen, { status: 418, headers: { "x-b": "2" } });
    });
    const origin = await loopback((request, response) => void listener(request, response));
    const response = await fetch(`${origin}/a?b=c`, { method: "PUT", headers: { "x-a": "1" }, body: "sent" });
    expect([response.status, response.headers.get("x-b")]).toEqual([418, "2"]);
    expect(await response.json()).toEqual(["PUT", "https://mcp.example.com/a?b=c", "1", "sent"]);
  });

  test.for([
    { target: "//evil.example.com/mcp", url: "https://mcp.example.com//evil.example.com/mcp" },
    { target: "http://evil.example.com/mcp", url: "https://mcp.example.com/" },
    { target: "*", url: "https://mcp.example.com/" },
  ])("does not take $target for the name of another host", async ({ target, url }) => {
    const listener = listenerOf(async (request) => new Response(request.url));
    const origin = await loopback((request, response) => void listener(request, response));
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.end(`GET ${target} HTTP/1.1\r\nHost: evil.example.com\r\nConnection: close\r\n\r\n`);
    const chunks = await socket.toArray();
    expect(Buffer.concat(chunks).toString()).toContain(`\r\n${url}\r\n`);
  });

  test("hands on a body that was parsed before, as Express does", async () => {
    const listener = listenerOf(async (request, parsedBody) =>
      Response.json([request.url, request.body === null, parsedBody]),
    );
    const origin = await loopback(async (request, response) => {
      const body = JSON.parse(await bodyOf(request)) as unknown;
      await listener(Object.assign(request, { body, originalUrl: "/mounted/mcp" }), response);
    });
    const response = await fetch(origin, { method: "POST", body: '{"a":1}' });
    expect(await response.json()).toEqual(["https://mcp.example.com/mounted/mcp", true, { a: 1 }]);
  });

  test("answers 500 without a word when serving fails", async () => {
    const faults: unknown[] = [];
    const listener = listenerOf(
      () => Promise.reject(new Error("a secret")),
      (thrown) => faults.push(thrown),
    );
    const origin = await loopback((request, response) => void listener(request, response));
    const response = await fetch(origin);
    expect([response.status, await response.text()]).toEqual([500, ""]);
    expect(faults).toEqual([new Error("a secret")]);
  });

  test("breaks the connection when the answer fails half way", async () => {
    const listener = listenerOf(async () => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(new TextEncoder().encode("half")),
        pull: () => Promise.reject(new Error("a fault")),
      });
      return new Response(body);
    });
    const origin = await loopback((request, response) => void listener(request, response));
    await expect(fetch(origin).then((response) => response.text())).rejects.toThrow();
  });

  test("stops the answer when its client goes away", async () => {
    const cancelled = Promise.withResolvers<void>();
    let signal: AbortSignal | undefined;
    const listener = listenerOf(async (request) => {
      signal = request.signal;
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(64 * 1_024)),
        cancel: () => cancelled.resolve(),
      });
      return new Response(body);
    });
    const origin = await loopback((request, response) => void listener(request, response));
    const client = new AbortController();
    await fetch(origin, { signal: client.signal });
    client.abort();
    await cancelled.promise;
    if (signal?.aborted === false) await once(signal, "abort");
    expect(signal?.aborted).toBe(true);
  });
});
