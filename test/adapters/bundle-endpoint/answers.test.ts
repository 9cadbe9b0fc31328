import { once } from "node:events";
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import { LIMITS } from "../../../src/domain/limits.ts";
import { asker, closed, ENDPOINT_ID, endpoint, listening, refusal, shown, svidFor } from "./endpoint-scene.ts";

/** A server that says these bytes to whatever it is asked, and no more. */
async function saying(bytes: string, ends = true): Promise<string> {
  const server = createTlsServer(shown(svidFor(ENDPOINT_ID)), (socket) => {
    socket.on("error", () => undefined).once("data", () => (ends ? socket.end(bytes) : socket.write(bytes)));
  });
  onTestFinished(() => void server.close());
  return `https://127.0.0.1:${await listening(server)}/`;
}

/** Writes this over and over, as fast as it is taken, until nobody takes it any more. */
function endlessly(part: Uint8Array, response: ServerResponse): void {
  const more = (): void => {
    while (!response.destroyed && response.write(part));
    response.once("drain", more);
  };
  response.on("error", () => undefined);
  more();
}

describe("what is asked", () => {
  test("is a GET with the headers that it takes, and nothing that tells of the broker", async () => {
    const { url, asked } = await endpoint((_, response) => response.end("a bundle"), {
      ...shown(svidFor(ENDPOINT_ID)),
      requestCert: true,
      rejectUnauthorized: false,
    });
    await asker().fetch(`${url}?of=us`);
    const shownByClient = asked.map(({ socket }) => (socket as TLSSocket).getPeerX509Certificate());
    expect(asked.map(({ method, url: path, headers }) => ({ method, path, headers }))).toEqual([
      {
        method: "GET",
        path: "/bundle?of=us",
        headers: {
          host: new URL(url).host,
          accept: "application/json",
          "accept-encoding": "identity",
          connection: "close",
        },
      },
    ]);
    expect(shownByClient).toEqual([undefined]);
  });

  test("is asked once for each fetch, on a connection of its own that is not kept", async () => {
    const { url, asked, server } = await endpoint((_, response) => response.end("a bundle"));
    const { clock, fetch } = asker();
    await Promise.all([fetch(url), fetch(url)]);
    const sockets = asked.map(({ socket }) => socket);
    expect(new Set(sockets).size).toBe(2);
    await Promise.all(sockets.map(closed));
    expect(clock.pending()).toBe(0);
    expect(server.listening).toBe(true);
  });
});

describe("a redirect", () => {
  test.for([302, 303, 307])("with %d is followed at the same place", async (status) => {
    const { url, asked } = await endpoint((request, response) => {
      if (request.url === "/today?a=b") response.end("a bundle");
      else response.writeHead(status, { location: "/today?a=b" }).end("elsewhere");
    });
    expect(await asker().fetch(url)).toBe("a bundle");
    expect(asked.map(({ method }) => method)).toEqual(["GET", "GET"]);
  });

  test.for([301, 308])("with %d is refused: what is permanent is for an operator to enter", async (status) => {
    const { url, asked } = await endpoint((_, response) => response.writeHead(status, { location: "/new" }).end());
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("redirects permanently"));
    expect(asked).toHaveLength(1);
  });

  test.for([
    { where: "another host", locationOf: (url: URL) => `https://127.0.0.1:${url.port}/bundle` },
    { where: "another port", locationOf: () => "https://localhost:1/bundle" },
    { where: "HTTP without TLS", locationOf: (url: URL) => `http://${url.host}/bundle` },
    { where: "another host, in the short form", locationOf: () => "//elsewhere.example/bundle" },
    { where: "a user of the same place", locationOf: (url: URL) => `https://user:password@${url.host}/bundle` },
    { where: "what is no URL", locationOf: () => "https://" },
    { where: "nowhere", locationOf: () => undefined },
  ])("to $where is refused", async ({ locationOf }) => {
    const { url, asked } = await endpoint((_, response) => {
      const location = locationOf(new URL(url));
      response.writeHead(302, location === undefined ? {} : { location }).end();
    });
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("redirects to another place"));
    expect(asked).toHaveLength(1);
  });

  test("is followed three times, and in a loop no more often", async () => {
    const { url, asked } = await endpoint(({ url: path = "" }, response) => {
      const count = Number(path.slice(1)) + 1;
      if (count === 4) response.end("a bundle");
      else response.writeHead(302, { location: `/${count}` }).end();
    });
    expect(await asker().fetch(url.replace("/bundle", "/0"))).toBe("a bundle");
    asked.length = 0;
    const looping = await endpoint((_, response) => response.writeHead(302, { location: "/bundle" }).end());
    await expect(asker().fetch(looping.url)).rejects.toMatchObject(refusal("redirects more than 3 times"));
    expect(looping.asked).toHaveLength(1 + LIMITS.bundleRedirectsMax);
  });
});

describe("an answer", () => {
  test.for([201, 204, 206, 300, 304, 401, 404, 429, 500, 503])("of status %d is no bundle", async (status) => {
    const { url } = await endpoint((_, response) => response.writeHead(status).end());
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal(`answered ${status}`));
  });

  test("is given as it was sent, in whatever pieces, to the last byte that is allowed", async () => {
    const text = "ü".repeat(LIMITS.foreignBundleBytesMax / 2);
    const bytes = Buffer.from(text);
    const { url } = await endpoint((_, response) => {
      // The cut is within a character.
      response.write(bytes.subarray(0, 33));
      response.end(bytes.subarray(33));
    });
    expect(await asker().fetch(url)).toBe(text);
  });

  test.for([
    { what: "one byte too many", headers: {}, bytes: LIMITS.foreignBundleBytesMax + 1 },
    { what: "10 MB", headers: { "content-length": 10_000_000 }, bytes: 10_000_000 },
  ])("of $what is refused", async ({ headers, bytes }) => {
    const { url } = await endpoint((_, response) => {
      response.on("error", () => undefined);
      response.writeHead(200, headers).end(Buffer.alloc(bytes, " "));
    });
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("answers with more than 1 MiB"));
  });

  test("without an end is stopped while it comes", async () => {
    const { url, asked } = await endpoint((_, response) => endlessly(Buffer.alloc(65_536, " "), response));
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("answers with more than 1 MiB"));
    await Promise.all(asked.map(({ socket }) => closed(socket)));
  });

  // As small as it is, it would be ten times what is allowed.
  const bomb = gzipSync(Buffer.alloc(10 * LIMITS.foreignBundleBytesMax));
  test.for(["gzip", "deflate", "br", "GZIP", "gzip, identity"])("in %s is refused unseen", async (encoding) => {
    const { url } = await endpoint((_, response) =>
      response.writeHead(200, { "content-encoding": encoding }).end(bomb),
    );
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("compresses its answer, which was not asked for"));
  });

  test("may say that it is not compressed, and of what type it is not", async () => {
    const headers: OutgoingHttpHeaders = { "content-encoding": "identity", "content-type": "text/html" };
    const { url } = await endpoint((_, response) => response.writeHead(200, headers).end("a bundle"));
    expect(await asker().fetch(url)).toBe("a bundle");
  });

  test.for([
    { what: "a byte that begins nothing", bytes: [0x7b, 0xff, 0x7d] },
    { what: "a character cut short", bytes: [0x7b, 0xc3] },
    { what: "UTF-16", bytes: [0xff, 0xfe, 0x7b, 0x00] },
    { what: "a surrogate", bytes: [0xed, 0xa0, 0x80] },
  ])("with $what is refused: it is not UTF-8", async ({ bytes }) => {
    const { url } = await endpoint((_, response) => response.end(Uint8Array.from(bytes)));
    await expect(asker().fetch(url)).rejects.toMatchObject(refusal("answers with something that is not UTF-8"));
  });

  test.for([
    { what: "its length", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}" },
    { what: "its last chunk", bytes: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" },
    { what: "its headers", bytes: "HTTP/1.1 200 OK\r\nContent-" },
    { what: "anything", bytes: "" },
    {
      what: "the change of protocol",
      bytes: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    },
  ])("that ends before $what is refused", async ({ bytes }) => {
    await expect(asker().fetch(await saying(bytes))).rejects.toMatchObject(refusal("broke off its answer"));
  });

  test.for([
    { what: "of another protocol", bytes: "220 mail.example ESMTP\r\n" },
    { what: "with headers without end", bytes: `HTTP/1.1 200 OK\r\nx: ${"a".repeat(100_000)}` },
    { what: "of two lengths", bytes: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}" },
  ])("$what is refused: it is not HTTP", async ({ bytes }) => {
    await expect(asker().fetch(await saying(bytes))).rejects.toMatchObject(
      refusal("answers with something that is not HTTP"),
    );
  });
});

describe("time", () => {
  const SLOW = "did not answer within 10 s";

  test("is up for an answer that drips, and its connection is closed", async () => {
    const { clock, fetch } = asker();
    let dripped = (): void => undefined;
    const dripping = new Promise<void>((resolve) => {
      dripped = resolve;
    });
    const { url, asked } = await endpoint((_, response) => {
      response.write("{", () => dripped());
    });
    const asking = fetch(url);
    await dripping;
    clock.advance(LIMITS.bundleFetchMs - 1);
    expect(asked[0]?.socket.destroyed).toBe(false);
    clock.advance(1);
    await expect(asking).rejects.toMatchObject(refusal(SLOW));
    await Promise.all(asked.map(({ socket }) => closed(socket)));
    expect(clock.pending()).toBe(0);
  });

  test("is up for one that accepts the connection and never shakes hands", async () => {
    const { clock, fetch } = asker();
    const server = createServer();
    onTestFinished(() => void server.close());
    const connection = once(server, "connection") as Promise<[Socket]>;
    const asking = fetch(`https://127.0.0.1:${await listening(server)}/`);
    const [socket] = await connection;
    clock.advance(LIMITS.bundleFetchMs);
    await expect(asking).rejects.toMatchObject(refusal(SLOW));
    await closed(socket.resume());
  });

  test("is the same for all redirects together", async () => {
    const { clock, fetch } = asker();
    const { url, asked } = await endpoint((_, response) => {
      clock.advance(LIMITS.bundleFetchMs * 0.4);
      response.writeHead(302, { location: "/again" }).end();
    });
    await expect(fetch(url)).rejects.toMatchObject(refusal(SLOW));
    expect(asked).toHaveLength(3);
  });

  test("is over at once for whoever does not wait any longer, and was never there for who did not wait at all", async () => {
    const { clock, fetch } = asker();
    const impatient = new AbortController();
    const { url, asked } = await endpoint(() => impatient.abort());
    const { signal } = impatient;
    await expect(fetch(url, { signal })).rejects.toMatchObject(refusal("was not waited for"));
    await expect(fetch(url, { signal })).rejects.toMatchObject(refusal("was not waited for"));
    expect(asked).toHaveLength(1);
    expect(clock.pending()).toBe(0);
  });
});
