import type { Readable, Writable } from "node:stream";
import {
  isInitializeRequest,
  isJSONRPCNotification,
  isJSONRPCRequest,
  isJSONRPCResponse,
  type JSONRPCMessage,
  type JSONRPCRequest,
  PROTOCOL_VERSION_META_KEY,
  ReadBuffer,
  type RequestId,
  StreamableHTTPClientTransport,
  serializeMessage,
} from "@modelcontextprotocol/client";
import { isObject } from "../domain/strict-json.ts";
import { fetchResponseOf } from "../sdk/mcp-guard/answer.ts";
import { REFUSAL_CODES } from "../sdk/mcp-guard/refusal.ts";
import { BridgeRefusal, errorMessage, refusedBy } from "./bridge-refusal.ts";
import type { Forward } from "./forward.ts";
import { createParamHeaders } from "./param-headers.ts";

/** More than a guard of ours takes. The library puts a message together anew for each piece of it, and so must not be given much. */
const MESSAGE_BYTES_MAX = 8 * 1024 * 1024;
const MALFORMED = {
  code: REFUSAL_CODES.invalidRequest,
  message: "REQUEST_MALFORMED: JSON that is no message",
  data: { reason: "REQUEST_MALFORMED" },
};
type Running = { readonly method: string; readonly isModern: boolean; readonly cancel: AbortController };

/** What a client waits for a program to end before it kills it: two seconds, of the official one. */
const GOODBYE_MS = 1_000;
const NOT_FOUND = 404;

/**
 * Speaks MCP over a pair of streams with a client that starts its servers as programs, and over streamable HTTP with the one server.
 *
 * @param options.stop - ends it, as the end of the input does.
 * @returns once the client has gone, and the server was told.
 * @throws BridgeRefusal BODY_TOO_LARGE for a line without an end
 */
export async function bridgeStdio(options: {
  readonly url: string;
  readonly forward: Forward;
  readonly input: Readable;
  readonly output: Writable;
  readonly stop: AbortSignal;
}): Promise<void> {
  const { url, forward, input, output, stop } = options;
  const running = new Map<RequestId, Running>();
  const paramHeaders = createParamHeaders();
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    fetch: async (_, init) => fetchResponseOf(await forward(url, requestOf(init, stop))),
  });
  let handshake: RequestId | undefined;
  let sent = Promise.resolve();

  function toClient(message: object): void {
    output.write(serializeMessage(message as JSONRPCMessage));
  }

  /** Once for each request: what comes after its answer, or after it was cancelled, is nobody's. */
  function answer(id: RequestId, message: object): void {
    if (running.delete(id)) toClient(message);
  }

  function fail(id: RequestId, thrown: unknown): void {
    const refused = refusedBy(thrown);
    if (refused !== undefined) answer(id, errorMessage(refused, id));
  }

  transport.onmessage = (message) => {
    if (!isJSONRPCResponse(message) || message.id === undefined) return toClient(message);
    if (message.id === handshake && "result" in message) {
      const { protocolVersion } = message.result;
      if (typeof protocolVersion === "string") transport.setProtocolVersion(protocolVersion);
    }
    const isList = running.get(message.id)?.method === "tools/list";
    if (isList && "result" in message) paramHeaders.listed(message.result);
    answer(message.id, message);
  };

  function ask(message: JSONRPCRequest): void {
    const { id } = message;
    const cancel = new AbortController();
    const isModern = message.params?._meta?.[PROTOCOL_VERSION_META_KEY] !== undefined;
    running.set(id, { method: message.method, isModern, cancel });
    if (isInitializeRequest(message)) handshake = id;
    const brokenOff = new BridgeRefusal("SERVER_UNREACHABLE", "the server's answer broke off");
    const headers = isModern && message.method === "tools/call" ? paramHeaders.of(message.params) : {};
    const sending = transport.send(message, {
      headers,
      requestSignal: cancel.signal,
      onRequestStreamEnd: () => fail(id, brokenOff),
    });
    sending.catch((thrown: unknown) => fail(id, refusalOfSending(thrown)));
  }

  /** In their order, but for requests, whose answers may take as long as they like. */
  async function pass(message: JSONRPCMessage): Promise<void> {
    if (isJSONRPCRequest(message)) return ask(message);
    if (isJSONRPCNotification(message) && message.method === "notifications/cancelled") {
      const id = message.params?.["requestId"] as RequestId | undefined;
      const request = id === undefined ? undefined : running.get(id);
      if (id !== undefined) running.delete(id);
      // By the end of its stream, where the revision says so.
      if (request?.isModern === true) return request.cancel.abort();
    }
    // Nobody waits for an answer to it.
    await transport.send(message).catch(() => undefined);
  }

  const buffer = new ReadBuffer({ maxBufferSize: MESSAGE_BYTES_MAX });
  function read(chunk: Buffer): void {
    buffer.append(chunk);
    for (;;) {
      try {
        // Passes over what is no JSON, as servers of the official SDK do.
        const message = buffer.readMessage();
        if (message === null) return;
        sent = sent.then(() => pass(message));
      } catch {
        toClient(errorMessage(MALFORMED, undefined));
      }
    }
  }

  await transport.start();
  let goodbye: NodeJS.Timeout | undefined;
  try {
    await everythingFrom(input, read, stop);
    goodbye = setTimeout(() => void transport.close(), GOODBYE_MS);
    await sent;
    await transport.terminateSession().catch(() => undefined);
  } finally {
    clearTimeout(goodbye);
    await transport.close();
  }
}

/** Until the stream ends, or is stopped. */
async function everythingFrom(input: Readable, read: (chunk: Buffer) => void, stop: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  input.once("end", over.resolve).once("close", over.resolve).once("error", over.reject);
  stop.addEventListener("abort", () => over.resolve(), { once: true });
  if (stop.aborted) over.resolve();
  input.on("data", (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (cause) {
      const message = `a message must be at most ${MESSAGE_BYTES_MAX} bytes`;
      over.reject(new BridgeRefusal("BODY_TOO_LARGE", message, { cause }));
    }
  });
  try {
    await over.promise;
  } finally {
    input.removeAllListeners("data");
    input.pause();
  }
}

function requestOf(init: RequestInit | undefined, stop: AbortSignal): Parameters<Forward>[1] {
  const { method = "GET", body, signal } = init ?? {};
  return {
    method,
    headers: new Headers(init?.headers),
    body: typeof body === "string" ? new TextEncoder().encode(body) : undefined,
    signal: signal ?? stop,
  };
}

/** The server's own word over HTTP, for which these clients have no ear. */
function refusalOfSending(thrown: unknown): BridgeRefusal {
  if (isObject(thrown) && thrown["status"] === NOT_FOUND) {
    return new BridgeRefusal("SERVER_REFUSED", "the server has ended the session, or has nothing at this address");
  }
  return new BridgeRefusal("SERVER_MALFORMED", "the server's answer is no message");
}
