import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import http, { type ServerResponse } from "node:http";
import http2 from "node:http2";
import https from "node:https";
import { type AddressInfo, connect, type Server } from "node:net";
import { setImmediate } from "node:timers/promises";
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Answer } from "../../../src/sdk/mcp-guard/answer.ts";
import { createAnswerListener, createNodeListener } from "../../../src/sdk/mcp-guard/node-listener.ts";
import { VerificationError } from "../../../src/sdk/verifier/index.ts";
import { collectGarbage } from "../../garbage.ts";
import { makePeer } from "../mcp/peer-certificate.ts";
import { bodyOf, loopback } from "../runtime/loopback.ts";
import { answerOf, PROTOCOLS } from "./protocols.ts";

const RESOURCE = "https://mcp.example.com/mcp";

/** Before any listener was made. */
const GLOBALS = [globalThis.Request, globalThis.Response];

type Serve = Parameters<typeof createNodeListener>[1];

function listenerOf(serve: Serve, onError: (thrown: unknown) => void = () => undefined) {
  return createNodeListener(RESOURCE, serve, onError);
}

function answering(answer: Answer, onError: (thrown: unknown) => void = () => undefined) {
  return createAnswerListener(RESOURCE, async () => answer, onError);
}

afterEach(() => void vi.restoreAllMocks());

const bytes = (text: string) => new TextEncoder().encode(text);

describe.for(PROTOCOLS)("a listener for Node, over $protocol", ({ serve }) => {
  test("carries method, path, headers and body there, and status, headers and body back", async () => {
    const begin = await serve(
      listenerOf(async (request) => {
        const seen = [request.method, request.url, request.headers.get("x-a"), await request.text()];
        return Response.json(seen, { status: 418, headers: { "x-b": "2" } });
      }),
    );
    const sent = { method: "PUT", path: "/a?b=c", headers: [["x-a", "1"]] } as const;
    const { status, headers, text } = await answerOf(begin(sent), "sent");
    expect([status, headers["x-b"]]).toEqual([418, "2"]);
    expect(JSON.parse(text)).toEqual(["PUT", "https://mcp.example.com/a?b=c", "1", "sent"]);
  });

  test("takes neither Host nor a path that begins with two slashes for the host", async () => {
    const begin = await serve(listenerOf(async ({ url }) => new Response(url)));
    const { text } = await answerOf(begin({ path: "//evil.example.com/mcp", host: "evil.example.com" }));
    expect(text).toBe("https://mcp.example.com//evil.example.com/mcp");
  });

  test("hands on a header that came twice as both", async () => {
    const begin = await serve(listenerOf(async ({ headers }) => new Response(headers.get("authorization"))));
    const headers = [
      ["authorization", "Bearer a"],
      ["authorization", "Bearer b"],
    ] as const;
    expect((await answerOf(begin({ headers }))).text).toBe("Bearer a, Bearer b");
  });

  test("gives back every Set-Cookie", async () => {
    const cookies = ["a=1; Path=/", "b=2; Expires=Wed, 21 Oct 2026 07:28:00 GMT"];
    const headers = cookies.map((cookie): [string, string] => ["set-cookie", cookie]);
    const begin = await serve(listenerOf(async () => new Response("ok", { headers })));
    expect((await answerOf(begin())).headers["set-cookie"]).toEqual(cookies);
  });

  test("sends an answer whose headers were another connection's", async () => {
    const headers = { connection: "keep-alive", "keep-alive": "timeout=9", "transfer-encoding": "chunked", te: "gzip" };
    const trailing = { upgrade: "h2c", trailer: "x-a", "proxy-connection": "close", "x-hono-already-sent": "true" };
    const begin = await serve(
      listenerOf(async ({ method }) => {
        const body = method === "GET" ? "whole" : null;
        return new Response(body, { headers: { ...headers, ...trailing, "x-b": "2" } });
      }),
    );
    expect(await answerOf(begin())).toMatchObject({ status: 200, headers: { "x-b": "2" }, text: "whole" });
    const { headers: sent } = await answerOf(begin({ method: "POST" }));
    for (const name of [...Object.keys(trailing), "te"]) expect(sent).not.toHaveProperty(name);
  });

  test.for<{ what: string; serving: Serve }>([
    { what: "fails", serving: () => Promise.reject(new Error("a secret")) },
    {
      what: "gives a header that can't be sent",
      serving: async () => new Response(null, { headers: { a: "\u0001" } }),
    },
    { what: "gives a network error", serving: async () => Response.error() },
  ])("answers 500 without a word when serving $what, and tells of it", async ({ serving }) => {
    const onError = vi.fn();
    const begin = await serve(listenerOf(serving, onError));
    expect(await answerOf(begin())).toMatchObject({ status: 500, text: "" });
    expect(onError.mock.calls).toEqual([[expect.any(Error)]]);
  });

  test("cancels the body of an answer that it can't send", async () => {
    const cancelled = vi.fn();
    const headers = { a: "\u0001" };
    const begin = await serve(
      listenerOf(async () => new Response(new ReadableStream({ cancel: cancelled }), { headers })),
    );
    await answerOf(begin());
    expect(cancelled).toHaveBeenCalledOnce();
  });

  test.for([0, 1, 3])(
    "breaks off when the answer fails after %i chunks, and says why to nobody else",
    async (chunks) => {
      const onError = vi.fn();
      const onConsole = vi.spyOn(console, "error");
      const fault = new Error("a secret");
      let pulled = 0;
      const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
        pulled += 1;
        if (pulled > chunks) throw fault;
        controller.enqueue(bytes("half"));
      };
      const begin = await serve(listenerOf(async () => new Response(new ReadableStream({ pull })), onError));
      const exchange = begin();
      exchange.upload.end();
      const said: string[] = [];
      await expect(exchange.head().then(async () => said.push(await exchange.text()))).rejects.toThrow();
      expect([said, onError.mock.calls, onConsole.mock.calls]).toEqual([[], [[fault]], []]);
      // Of HTTP/2 the connection goes on.
      expect(pulled).toBe(chunks + 1);
    },
  );

  test("breaks off an answer that the end of its step stops, and that is nobody's fault", async () => {
    const onError = vi.fn();
    const ended = new VerificationError("REVOKED", "the step has ended");
    const begin = await serve(
      listenerOf(async () => new Response(new ReadableStream({ pull: (body) => body.error(ended) })), onError),
    );
    await expect(answerOf(begin())).rejects.toThrow();
    expect(onError).not.toHaveBeenCalled();
  });

  test("breaks off an answer that is not bytes", async () => {
    const onError = vi.fn();
    const text: ReadableStream = new ReadableStream({ start: (body) => body.enqueue("é") });
    const begin = await serve(listenerOf(async () => new Response(text), onError));
    await expect(answerOf(begin())).rejects.toThrow();
    expect(onError.mock.calls).toEqual([[expect.any(TypeError)]]);
  });

  test("breaks off when nothing can be written, and leaves no rejection to the process", async () => {
    const onError = vi.fn();
    vi.spyOn(console, "error").mockReturnValue();
    const listener = listenerOf(async () => new Response("ok"), onError);
    const begin = await serve(async (request, response) => {
      response.writeHead = () => {
        throw new Error("a fault of something before");
      };
      await listener(request, response);
    });
    await expect(answerOf(begin())).rejects.toThrow();
    expect(onError).toHaveBeenCalledOnce();
  });

  test("leaves alone what something else has answered", async () => {
    const onError = vi.fn();
    const [answered, cancelled] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const listener = listenerOf(async () => {
      await answered.promise;
      return new Response(new ReadableStream({ cancel: () => cancelled.resolve() }));
    }, onError);
    const begin = await serve((request, response) => {
      void listener(request, response);
      // Alike in both.
      (response as ServerResponse).writeHead(503).end("too slow");
    });
    expect(await answerOf(begin())).toMatchObject({ status: 503, text: "too slow" });
    answered.resolve();
    await cancelled.promise;
    expect(onError).not.toHaveBeenCalled();
  });

  test("reads no faster than the client does", async () => {
    const chunk = new Uint8Array(1024 * 1024);
    const chunks = 512;
    let pulled = 0;
    const pull = (body: ReadableStreamDefaultController<Uint8Array>) => {
      pulled += 1;
      if (pulled > chunks) body.close();
      else body.enqueue(chunk);
    };
    const listener = listenerOf(async () => new Response(new ReadableStream({ pull }, { highWaterMark: 0 })));
    let isFull = () => false;
    const begin = await serve((request, response) => {
      isFull = () => response.writableNeedDrain;
      void listener(request, response);
    });
    const exchange = begin();
    exchange.upload.end();
    await exchange.head();
    await vi.waitFor(() => expect(isFull()).toBe(true));
    expect(pulled).toBeLessThan(chunks / 2);
    exchange.leave();
  });

  test("answers before a body has come to its end", async () => {
    const begin = await serve(
      listenerOf(async ({ body }) => {
        for await (const _chunk of body ?? []) return new Response("enough", { status: 413 });
        return new Response("all");
      }),
    );
    const exchange = begin({ method: "POST" });
    exchange.upload.on("error", () => undefined).write("x");
    expect(await exchange.head()).toMatchObject({ status: 413 });
    expect(await exchange.text()).toBe("enough");
  });

  test.for(["has not begun", "has begun"])("aborts when the client goes away and the answer %s", async (state) => {
    const [begun, aborted] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const [cancelled, onError] = [vi.fn(), vi.fn()];
    const begin = await serve(
      listenerOf(({ signal }) => {
        signal.addEventListener("abort", () => aborted.resolve());
        begun.resolve();
        if (state === "has not begun") return new Promise(() => undefined);
        const start = (body: ReadableStreamDefaultController<Uint8Array>) => body.enqueue(bytes("first"));
        return Promise.resolve(new Response(new ReadableStream({ start, cancel: cancelled })));
      }, onError),
    );
    const exchange = begin();
    exchange.upload.end();
    await begun.promise;
    if (state === "has begun") await exchange.head();
    // As happens in a call that lasts: nothing here holds the request.
    await collectGarbage();
    exchange.leave();
    await aborted.promise;
    expect(cancelled).toHaveBeenCalledTimes(state === "has begun" ? 1 : 0);
    await setImmediate();
    expect(onError).not.toHaveBeenCalled();
  });

  test("tells nobody of a body whose client left", async () => {
    const [began, over] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const onError = vi.fn();
    const listener = listenerOf(async ({ body, signal }) => {
      for await (const _chunk of body ?? []) began.resolve();
      // Of HTTP/2 the body only ends.
      signal.throwIfAborted();
      return new Response(null);
    }, onError);
    const begin = await serve((request, response) => void listener(request, response).then(over.resolve));
    const exchange = begin({ method: "POST" });
    exchange.upload.write("half");
    await began.promise;
    exchange.leave();
    await over.promise;
    expect(onError).not.toHaveBeenCalled();
  });

  test("leaves the global Request and Response as they are", async () => {
    const begin = await serve(listenerOf(async (request) => new Response(String(request instanceof Request))));
    expect((await answerOf(begin())).text).toBe("true");
    expect([globalThis.Request, globalThis.Response]).toEqual(GLOBALS);
  });
});

describe.for(PROTOCOLS)("an answer that is a text, over $protocol", ({ serve }) => {
  const cookies = ["a=1; Path=/", "b=2"];

  test("is sent whole, with its own length, every cookie, and no header of another connection", async () => {
    const headersGiven = new Headers({
      "content-length": "99",
      "transfer-encoding": "chunked",
      te: "gzip",
      "x-b": "2",
    });
    for (const cookie of cookies) headersGiven.append("set-cookie", cookie);
    const begin = await serve(answering({ status: 201, headers: headersGiven, body: "tää" }));
    const { status, headers, text } = await answerOf(begin());
    expect([status, text, headers["set-cookie"], headers["x-b"]]).toEqual([201, "tää", cookies, "2"]);
    expect(headers["content-length"]).toBe("5");
    expect(headers).not.toHaveProperty("te");
    expect(headers).not.toHaveProperty("transfer-encoding");
  });

  test("is not sent with a header that can't be: 500 without a word, and somebody is told", async () => {
    const onError = vi.fn();
    const begin = await serve(answering({ status: 201, headers: new Headers({ a: "\u0001" }), body: "tää" }, onError));
    expect(await answerOf(begin())).toMatchObject({ status: 500, text: "" });
    expect(onError.mock.calls).toEqual([[expect.any(Error)]]);
  });
});

describe("a listener for node:http", () => {
  test.for([
    { head: "GET http://evil.example.com/mcp HTTP/1.1\r\nHost: evil.example.com", is: "https://mcp.example.com" },
    { head: "GET /mcp HTTP/1.0", is: "https://mcp.example.com/mcp" },
    { head: "OPTIONS * HTTP/1.1\r\nHost: mcp.example.com", is: "400" },
    { head: "GET /mcp HTTP/1.1\r\nHost: a b", is: "400" },
    { head: "GET /a\\..\\mcp HTTP/1.1\r\nHost: mcp.example.com", is: "400" },
    { head: "TRACE /mcp HTTP/1.1\r\nHost: mcp.example.com", is: "400" },
  ])("takes $head for $is", async ({ head, is }) => {
    const onError = vi.fn();
    const listener = listenerOf(async ({ url }) => new Response(null, { headers: { url } }), onError);
    const origin = await loopback((request, response) => void listener(request, response));
    const socket = connect(Number(new URL(origin).port), "127.0.0.1");
    socket.end(`${head}\r\nConnection: close\r\n\r\n`);
    const answer = Buffer.concat(await socket.toArray()).toString();
    expect(answer).toMatch(is === "400" ? /^HTTP\/1\.1 400 / : `\r\nurl: ${new URL(is).href}\r\n`);
    expect(onError).not.toHaveBeenCalled();
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

  test.for([
    { what: "a Response", listener: listenerOf(async () => new Response("no", { status: 401 })) },
    { what: "a text", listener: answering({ status: 401, headers: new Headers(), body: "no" }) },
  ])("leaves a connection usable when it answers with $what, without reading a long body", async ({ listener }) => {
    const origin = await loopback((request, response) => void listener(request, response));
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    for (const isReused of [false, true, true]) {
      const request = http.request(origin, { method: "POST", agent }).end("x".repeat(1024 * 1024));
      const [response] = (await once(request, "response")) as [http.IncomingMessage];
      expect([response.statusCode, await bodyOf(response), request.reusedSocket]).toEqual([401, "no", isReused]);
    }
  });
});

describe("a listener where TLS ends", () => {
  const peer = makePeer("mcp.example.com");
  const client = makePeer("a client");
  const asking = { ...peer, requestCert: true, rejectUnauthorized: false };
  const listener = listenerOf(async (_request, _body, certificate) =>
    Response.json(certificate === undefined ? null : Buffer.from(certificate).toString("hex")),
  );
  const raw = new X509Certificate(client.cert).raw.toString("hex");

  async function portOf(server: Server): Promise<number> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  test.for([
    { what: "HTTP/1.1", shown: client, certificate: raw },
    { what: "HTTP/1.1 without a certificate", shown: {}, certificate: null },
  ])("hands on the client's certificate: $what", async ({ shown, certificate }) => {
    const port = await portOf(https.createServer(asking, listener));
    const request = https.request({ port, host: "127.0.0.1", ca: peer.cert, ...shown, agent: false }).end();
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    expect(JSON.parse(await bodyOf(response))).toBe(certificate);
  });

  test.for([
    { what: "HTTP/2", shown: client, certificate: raw },
    { what: "HTTP/2 without a certificate", shown: {}, certificate: null },
  ])("hands on the client's certificate: $what", async ({ shown, certificate }) => {
    const port = await portOf(http2.createSecureServer({ ...asking, allowHTTP1: true }, listener));
    const session = http2.connect(`https://127.0.0.1:${port}`, { ca: peer.cert, ...shown });
    onTestFinished(() => session.destroy());
    const chunks = await session.request({ ":path": "/mcp" }).toArray();
    expect(JSON.parse(Buffer.concat(chunks).toString())).toBe(certificate);
  });
});
