import { once } from "node:events";
import http, { type ServerResponse } from "node:http";
import http2, { type ClientSessionOptions, type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";

/** What `node:http` and `node:http2` call alike. */
type Listener = (
  request: http.IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => unknown;

export type Sent = {
  readonly method?: string;
  readonly path?: string;
  /** What the client says in `Host`, or in `:authority`. */
  readonly host?: string;
  /** As they are sent; a name may come twice. */
  readonly headers?: readonly (readonly [name: string, value: string])[];
};

export type Head = { readonly status: number; readonly headers: http.IncomingHttpHeaders };

/** A request that has begun. */
export type Exchange = {
  readonly upload: Writable;
  /** Rejects when there is none. */
  head(): Promise<Head>;
  /** Of the answer, once its head has come. Rejects when it breaks off. */
  text(): Promise<string>;
  /** The client leaves. */
  leave(): void;
};

/** A protocol, with real servers and clients on loopback that live as long as the test. */
export type Protocol = {
  readonly protocol: string;
  serve(listener: Listener): Promise<(sent?: Sent) => Exchange>;
};

async function portOf(server: Server, close: () => void): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    close();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function textOf(stream: Readable): Promise<string> {
  return Buffer.concat(await stream.toArray()).toString();
}

const HTTP_1: Protocol = {
  protocol: "HTTP/1.1",
  async serve(listener) {
    const server = http.createServer(listener);
    const port = await portOf(server, () => server.closeAllConnections());
    return ({ method = "GET", path = "/mcp", host = "evil.example.com", headers = [] } = {}) => {
      const upload = http.request({
        port,
        host: "127.0.0.1",
        method,
        path,
        headers: [["host", host], ...headers].flat(),
        agent: false,
      });
      const response = once(upload, "response").then(([one]) => one as http.IncomingMessage);
      response.catch(() => undefined);
      return {
        upload,
        head: async () => ({ status: (await response).statusCode ?? 0, headers: (await response).headers }),
        text: async () => textOf(await response),
        leave: () => void upload.on("error", () => undefined).destroy(),
      };
    };
  },
};

/** Else the client refuses to send one header twice; its types have the option for servers alone. */
const LAX: ClientSessionOptions & { readonly strictSingleValueFields: boolean } = { strictSingleValueFields: false };

const HTTP_2: Protocol = {
  protocol: "HTTP/2",
  async serve(listener) {
    const port = await portOf(http2.createServer(listener), () => session.destroy());
    const session = http2.connect(`http://127.0.0.1:${port}`, LAX);
    return ({ method = "GET", path = "/mcp", host = "evil.example.com", headers = [] } = {}) => {
      const upload = session.request(
        { ":method": method, ":path": path, ":authority": host, ...gathered(headers) },
        { endStream: false },
      );
      const head = once(upload, "response").then(([one]) => one as http2.IncomingHttpHeaders);
      head.catch(() => undefined);
      return {
        upload,
        head: async () => ({ status: Number((await head)[":status"]), headers: await head }),
        text: () => textOf(upload),
        leave: () => upload.on("error", () => undefined).close(http2.constants.NGHTTP2_CANCEL),
      };
    };
  },
};

function gathered(headers: NonNullable<Sent["headers"]>): Record<string, string[]> {
  const byName: Record<string, string[]> = {};
  for (const [name, value] of headers) byName[name] = [...(byName[name] ?? []), value];
  return byName;
}

export const PROTOCOLS: readonly Protocol[] = [HTTP_1, HTTP_2];

/** The whole of an exchange. */
export async function answerOf(exchange: Exchange, body = ""): Promise<Head & { readonly text: string }> {
  exchange.upload.end(body);
  const head = await exchange.head();
  return { ...head, text: await exchange.text() };
}
