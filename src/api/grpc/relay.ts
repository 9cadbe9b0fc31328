import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from "node:http2";
import type { Socket } from "node:net";
import { Metadata, type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { RawHandler } from "../../wire/service-definition.ts";
import { serviceError } from "../../wire/service-error.ts";
import { createUnframing, framed } from "./message-frames.ts";

/** Sends calls on to the process of the ledger, which serves them as if their callers had connected there. */
export type Relay = {
  readonly raw: RawHandler;
  /** Ends what was sent on of a client's connection. */
  end(connectionId: string): void;
};

/** Calls as grpc-js has them here, in bytes. */
type Call = ServerDuplexStream<Buffer, Buffer>;

/** Set for each hop; whatever else is in the headers of a request is passed on. */
const OF_THIS_HOP = ["content-type", "grpc-encoding", "grpc-accept-encoding", "date"] as const;
/** For a server that is found by its socket the name says nothing. */
const AUTHORITY = "http://stint";

/**
 * Every client's connection has an HTTP/2 connection of its own to the ledger's process, made with its first call that is sent on: so
 * that there, too, who calls follows from the connection, and from nothing in a message.
 *
 * @param open - a socket that the ledger's process serves as this connection; `undefined` when none can be had.
 */
export function createRelay(open: (connectionId: string) => Socket | undefined): Relay {
  const sessions = new Map<string, ClientHttp2Session>();

  function sessionOf(connectionId: string): ClientHttp2Session | undefined {
    const known = sessions.get(connectionId);
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const socket = open(connectionId);
    if (socket === undefined) return undefined;
    const session = connect(AUTHORITY, { createConnection: () => socket });
    // Each call is told by its own stream.
    session.on("error", () => undefined);
    session.once("close", () => {
      if (sessions.get(connectionId) === session) sessions.delete(connectionId);
    });
    sessions.set(connectionId, session);
    return session;
  }

  return {
    raw: (path) => (call) => {
      const session = sessionOf(call.getPeer());
      if (session === undefined) call.emit("error", GONE);
      else relay(call, session.request(headersFor(path, call), { endStream: false }));
    },
    end: (connectionId) => sessions.get(connectionId)?.destroy(),
  };
}

/** As for a connection that broke: without a reason, since the broker decided nothing. */
const GONE = serviceError({ code: status.UNAVAILABLE, message: "the broker ended the call" });

function headersFor(path: string, call: Call) {
  const custom = call.metadata.toHttp2Headers();
  for (const name of OF_THIS_HOP) delete custom[name];
  return {
    ...custom,
    [constants.HTTP2_HEADER_METHOD]: "POST",
    [constants.HTTP2_HEADER_PATH]: path,
    [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
    [constants.HTTP2_HEADER_TE]: "trailers",
  };
}

/** Both ways, no faster than either end reads. A deadline is kept here: when it is over, the call is taken back there. */
function relay(call: Call, stream: ClientHttp2Stream): void {
  let head: IncomingHttpHeaders | undefined;
  let trailers: IncomingHttpHeaders | undefined;
  let isOver = false;

  call.on("data", (message: Buffer) => {
    if (stream.write(framed(message))) return;
    call.pause();
    stream.once("drain", () => call.resume());
  });
  call.once("end", () => stream.end());
  call.once("cancelled", () => {
    isOver = true;
    stream.close(constants.NGHTTP2_CANCEL);
  });

  const unframe = createUnframing((message) => {
    if (isOver || call.write(message)) return;
    stream.pause();
    call.once("drain", () => stream.resume());
  });
  stream.once("response", (headers) => {
    head = headers;
    if (headers["grpc-status"] === undefined && !isOver) call.sendMetadata(metadataOf(headers));
  });
  stream.once("trailers", (headers) => {
    trailers = headers;
  });
  stream.on("data", unframe);
  stream.once("end", () => {
    if (statusIn(trailers ?? head) !== undefined) answer();
  });
  stream.on("error", () => undefined);
  stream.once("close", answer);

  function answer(): void {
    if (isOver) return;
    isOver = true;
    const last = trailers ?? head;
    const code = statusIn(last);
    if (last === undefined || code === undefined) call.emit("error", GONE);
    else if (code === status.OK) call.end(metadataOf(last));
    else
      call.emit(
        "error",
        Object.assign(new Error("refused"), { code, details: detailsIn(last), metadata: metadataOf(last) }),
      );
  }
}

function statusIn(headers: IncomingHttpHeaders | undefined): status | undefined {
  const code = headers?.["grpc-status"];
  return code === undefined ? undefined : Number(code);
}

function detailsIn(headers: IncomingHttpHeaders): string {
  const text = String(headers["grpc-message"] ?? "");
  try {
    return decodeURI(text);
  } catch {
    return text;
  }
}

function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const metadata = Metadata.fromHttp2Headers(headers);
  for (const name of [...OF_THIS_HOP, "grpc-status", "grpc-message"]) metadata.remove(name);
  return metadata;
}
