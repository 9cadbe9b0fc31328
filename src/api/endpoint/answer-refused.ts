import { createServer } from "node:http2";
import type { Socket } from "node:net";
import type { BrokerError } from "../../domain/errors.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";

/** Connections that get an answer at one time. What comes beyond is cut off without a word: a flood is owed none. */
export const ANSWERED_MAX = 32;
/** How long a client has for its first call, which it sends as soon as it is connected. */
const ANSWER_MS_MAX = 2_000;

/** Tells clients whose connections are refused why, call by call. */
export type AnswerRefused = {
  /**
   * Takes a client's connection, to be ended soon.
   *
   * @returns `false`, and does nothing, when too many are being answered.
   */
  take(client: Socket): boolean;
  /** Gives on the socket that is to be served for a client that was taken. */
  serve(socket: Socket): void;
};

/** Answers every call on a connection that is refused with the same error, as a gRPC server would, and closes the connection. */
export function createAnswerRefused(error: BrokerError): AnswerRefused {
  const { code, details, metadata } = serviceErrorOf(error);
  const answer = {
    ...metadata.toHttp2Headers(),
    ":status": 200,
    "content-type": "application/grpc+proto",
    "grpc-status": String(code),
    "grpc-message": encodeURI(details),
  };
  const server = createServer({ settings: { maxConcurrentStreams: 1, enablePush: false } });
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    // A call that was taken back at once.
    if (stream.destroyed) return;
    stream.respond(answer, { endStream: true });
    stream.close();
    // The session ends once the answer is sent, so that the next call comes by another connection, which may be let in.
    stream.session?.close();
  });
  server.on("session", (session) => session.on("error", () => undefined));
  server.on("sessionError", () => undefined);
  let answering = 0;

  return {
    take(client) {
      if (answering >= ANSWERED_MAX) return false;
      answering += 1;
      const end = setTimeout(() => client.destroy(), ANSWER_MS_MAX).unref();
      client.once("close", () => {
        answering -= 1;
        clearTimeout(end);
      });
      return true;
    },
    serve: (socket) => void server.emit("connection", socket),
  };
}
