import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ask } from "../../../src/adapters/exchange-http/ask.ts";
import type { UnixSeconds } from "../../../src/domain/time.ts";
import { type LoopbackHttps, loopbackHttps } from "../../exchange/loopback-https.ts";
import { freePort } from "../../free-port.ts";
import { virtualClock } from "../../memory/virtual-clock.ts";

const QUESTION = { method: "POST", body: "token=secret-of-nobody", mayExist: true } as const;

describe("another system that is asked", () => {
  let server: LoopbackHttps;
  let other: LoopbackHttps;
  const clock = virtualClock(1_700_000_000 as UnixSeconds);
  beforeAll(async () => {
    [server, other] = [await loopbackHttps(), await loopbackHttps()];
  });
  afterAll(async () => {
    await server.close();
    await other.close();
  });
  const asked = (url = server.url, ca = server.ca) => ask({ url: new URL(url), ca: () => ca, clock }, QUESTION);

  test("is sent what was to be sent, without being asked for anything but JSON", async () => {
    let seen: unknown;
    server.answerBy((request, response) => {
      seen = { method: request.method, accept: request.headers.accept, length: request.headers["content-length"] };
      response.writeHead(201).end("{}");
    });
    expect(await asked()).toEqual({ status: 201, text: "{}" });
    expect(seen).toEqual({ method: "POST", accept: "application/json", length: String(QUESTION.body.length) });
    expect(clock.pending()).toBe(0);
  });

  test.for<{ what: string; answer: RequestListener; says: string }>([
    {
      what: "redirects, even to itself",
      answer: (_, response) => void response.writeHead(307, { location: "/" }).end(),
      says: "answered 307, and no redirect is followed",
    },
    {
      what: "answers too much",
      answer: (_, response) => void response.end("x".repeat(300 * 1_024)),
      says: "answers with more than 256 KiB",
    },
    {
      what: "breaks off in its answer",
      answer: (_, response) => {
        response.writeHead(200, { "content-length": "100" });
        response.write("{", () => response.destroy());
      },
      says: "broke off before its answer",
    },
    {
      what: "breaks off without one",
      answer: (request) => void request.socket.destroy(),
      says: "broke off before its answer",
    },
  ])("that $what fails, and may have done something", async ({ answer, says }) => {
    let asks = 0;
    server.answerBy((request, response) => {
      asks += 1;
      answer(request, response);
    });
    await expect(asked()).rejects.toMatchObject({ kind: "unavailable", message: says, mayExist: true });
    expect(asks).toBe(1);
    expect(clock.pending()).toBe(0);
  });

  test("that is silent is waited for ten seconds", async () => {
    const reached = Promise.withResolvers<void>();
    server.answerBy(() => reached.resolve());
    const failed = asked().catch((error: unknown) => error);
    await reached.promise;
    clock.advance(9_999);
    expect(clock.pending()).toBe(1);
    clock.advance(1);
    expect(await failed).toMatchObject({ message: "did not answer within 10 s", mayExist: true });
  });

  test("that another CA vouches for, or that is another host, is sent nothing", async () => {
    let asks = 0;
    server.answerBy(() => {
      asks += 1;
    });
    const nothing = { kind: "unavailable", message: "can't be reached", mayExist: false };
    await expect(asked(server.url, other.ca)).rejects.toMatchObject(nothing);
    await expect(asked(server.url.replace("localhost", "127.0.0.1"))).rejects.toMatchObject(nothing);
    expect(asks).toBe(0);
  });

  test("that nobody is at was not asked", async () => {
    const failed = asked(`https://localhost:${await freePort()}`);
    await expect(failed).rejects.toMatchObject({
      message: "can't be reached",
      mayExist: false,
      detail: "ECONNREFUSED",
    });
  });

  test("that speaks no TLS was not asked", async () => {
    const sockets: Socket[] = [];
    const plain = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => undefined).end("HTTP/1.1 200 OK\r\n\r\n");
    }).listen(0, "127.0.0.1");
    await once(plain, "listening");
    const address = plain.address();
    const port = typeof address === "object" ? address?.port : 0;
    await expect(asked(`https://localhost:${port}`)).rejects.toMatchObject({ mayExist: false });
    plain.close();
  });
});
