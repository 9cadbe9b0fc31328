import { createServer, type IncomingMessage, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { BrokerError } from "../../domain/errors.ts";
import { createTally } from "../../domain/tally.ts";
import { NO_STORE } from "./document.ts";
import { hostCheck, isLoopback } from "./host-check.ts";
import { type FormPaths, type Refusal, refusalOf, refuse } from "./request-guard.ts";
import { type ClientAuthorities, followContext, type SvidSource, tlsContextOf } from "./tls-context.ts";
import type { TlsFiles } from "./tls-files.ts";

/** One listener: where, how it is protected, and the names it answers to. */
export type HttpListener = {
  /** IP address. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Absent: plain HTTP, and then on loopback only. */
  readonly tls?: TlsFiles | SvidSource;
  /** Names beside its own address, in lower case: `name` for any port, or `name:port`. */
  readonly hosts: readonly string[];
};

/** What a listener takes beyond GET and HEAD by anybody. */
export type HttpExtras = {
  readonly forms?: FormPaths;
  /** Over TLS, clients are asked for a certificate of these authorities, and may show one. */
  readonly clients?: ClientAuthorities;
};

export type RunningHttp = {
  /** Scheme, address and port; no trailing slash. */
  readonly url: string;
  /** Stops accepting, lets requests in flight finish for a moment, and closes. */
  close(): Promise<void>;
};

const LIMITS = {
  /** Headers and request line together; a verifier's GET has a tenth of this. */
  headerBytes: 8 * 1024,
  headers: 64,
  /** A head that takes longer is held back on purpose. */
  headersMs: 5_000,
  requestMs: 10_000,
  /** Between two requests; and for a peer that does not read its answer. */
  idleMs: 15_000,
  /** Verifiers come once a minute; more connections than this are an attack on the descriptors that gRPC needs. */
  connections: 512,
  /** Of one address, as at the other endpoints: half of all, so that no single one keeps all others out. */
  connectionsPerAddress: 256,
  /** Connections beyond these that are answered, with 503. What comes beyond them is cut off without a word. */
  answeredConnections: 32,
  closingMs: 2_000,
} as const;

const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

/**
 * Serves routes that are read only: GET and HEAD without a body, to the names of this listener, and no other origin.
 * The paths of `extras.forms` take a form by POST instead.
 *
 * A client certificate is not judged here: a route that needs one looks at the socket's.
 *
 * @param routesAt - gives the routes, for the URL at which they will be: with port 0 nobody knows the URL before.
 * @param onError - is given what a route threw; the peer is told nothing of the error.
 * @throws BrokerError NOT_SERVING when the address can't be listened on, is not loopback without TLS, or the
 *   certificate can't be used; `detail` says what
 */
export async function startHttp(
  listener: HttpListener,
  routesAt: (url: string) => Hono,
  onError: (thrown: unknown) => void,
  extras: HttpExtras = {},
): Promise<RunningHttp> {
  const { host, port, tls } = listener;
  if (tls === undefined && !isLoopback(host)) throw unable(host, port, "plain HTTP is for loopback only");
  const { server, release } = await serverFor(tls, extras.clients, onError);
  const bound = await listening(server, host, port).catch((thrown: unknown) => {
    release();
    throw thrown;
  });
  // Running out of descriptors is told here too, and must not end the process.
  server.on("error", onError);

  const url = `${tls === undefined ? "http" : "https"}://${host.includes(":") ? `[${host}]` : host}:${bound.port}`;
  const isOurHost = hostCheck(listener.hosts, tls === undefined ? 80 : 443);
  const answer = getRequestListener(answering(routesAt(url), onError), { overrideGlobalObjects: false });
  const isTooMany = countConnections(server);
  server.on("request", (request, response) => {
    const { localAddress = "", localPort = 0 } = request.socket;
    const arrival = { address: localAddress, port: localPort };
    const refusal = isTooMany(request.socket)
      ? TOO_MANY
      : refusalOf(request, arrival, isOurHost, extras.forms ?? NO_FORMS);
    if (refusal !== undefined) return refuse(response, refusal, { ...SECURITY_HEADERS, ...requestIdOf(request) });
    for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
    answer(request, response).catch(onError);
  });
  return {
    url,
    close() {
      release();
      return closed(server);
    },
  };
}

/** What a caller finds its request by again, whatever became of it. AuthZEN Authorization API 1.0, HTTPS binding */
function requestIdOf({ headers }: IncomingMessage): Readonly<Record<string, string>> {
  const id = headers["x-request-id"];
  return typeof id === "string" ? { "x-request-id": id } : {};
}

const TOO_MANY: Refusal = { status: 503, text: "too many connections", headers: { "retry-after": "1" } };

/** Counts a server's connections. @returns whether a connection was one too many when it came. */
function countConnections(server: Server): (socket: Socket) => boolean {
  const open = createTally();
  /** Those that were one too many, and are there to be told so. */
  const answered = new Set<string>();

  server.on("connection", (socket: Socket) => {
    const name = nameOf(socket);
    const { remoteAddress: address = "" } = socket;
    const ofAddress = open.add(address);
    socket.once("close", () => {
      open.remove(address);
      answered.delete(name);
    });
    if (open.total() <= LIMITS.connections && ofAddress <= LIMITS.connectionsPerAddress) return;
    if (answered.size < LIMITS.answeredConnections) answered.add(name);
    else socket.destroy();
  });
  return (socket) => answered.has(nameOf(socket));
}

/** The same of a TCP connection and of the TLS on it, which is another socket. */
function nameOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

const NO_FORMS: FormPaths = new Map();

function answering(routes: Hono, onError: (thrown: unknown) => void): Hono["fetch"] {
  return routes
    .notFound((context) => context.text("not found\n", 404, NO_STORE))
    .onError((thrown, context) => {
      if (thrown instanceof BrokerError && thrown.code === "NOT_SERVING") {
        return context.text("not serving at present\n", 503, NO_STORE);
      }
      // A form that broke off because its client left is nobody's fault.
      if (!context.req.raw.signal.aborted) onError(thrown);
      return context.text("internal error\n", 500, NO_STORE);
    }).fetch;
}

async function serverFor(
  tls: HttpListener["tls"],
  clients: ClientAuthorities | undefined,
  onError: (thrown: unknown) => void,
): Promise<{ readonly server: Server; readonly release: () => void }> {
  const options: ServerOptions = {
    maxHeaderSize: LIMITS.headerBytes,
    headersTimeout: LIMITS.headersMs,
    requestTimeout: LIMITS.requestMs,
    keepAliveTimeout: LIMITS.idleMs,
    connectionsCheckingInterval: 1_000,
    insecureHTTPParser: false,
  };
  if (tls === undefined) return { server: bounded(createServer(options)), release: () => undefined };
  const context = await tlsContextOf(tls, clients);
  const server = createTlsServer({
    ...options,
    ...context.current(),
    handshakeTimeout: LIMITS.headersMs,
    requestCert: clients !== undefined,
    rejectUnauthorized: false,
  });
  return { server: bounded(server), release: followContext(server, context, onError) };
}

function bounded<S extends Server>(server: S): S {
  server.maxHeadersCount = LIMITS.headers;
  server.maxConnections = LIMITS.connections + LIMITS.answeredConnections;
  server.timeout = LIMITS.idleMs;
  return server;
}

function listening(server: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    const refused = (thrown: NodeJS.ErrnoException): void =>
      reject(unable(host, port, thrown.code ?? "unknown", thrown));
    server.once("error", refused);
    server.listen({ host, port, exclusive: true }, () => {
      server.off("error", refused);
      resolve(server.address() as AddressInfo);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const impatience = setTimeout(() => server.closeAllConnections(), LIMITS.closingMs);
    server.close(() => {
      clearTimeout(impatience);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function unable(host: string, port: number, why: string, cause?: unknown): BrokerError {
  return new BrokerError("NOT_SERVING", "the HTTP endpoint can't listen", {
    detail: `${host} port ${port}: ${why}`,
    cause,
  });
}
