import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { type Channel, Client, credentials, Metadata, type requestCallback } from "@grpc/grpc-js";
import { callErrorOf } from "./call-error.ts";
import { incoming } from "./incoming.ts";
import { methodDefinitionOf } from "./service-definition.ts";

export type CallOptions = {
  /** Cancels the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now; absent: for a unary call as many as the client was made with, for a stream no deadline. */
  readonly deadlineMs?: number | undefined;
  /** Bytes under names that end with `-bin`. */
  readonly metadata?: Readonly<Record<string, string | Buffer>> | undefined;
};

/** The two sides of a bidirectional call. */
type BidiCall<Request, Response> = {
  /** Queues a message; a message that comes after the end of the call is dropped. */
  send(request: Request): void;
  /** Says that no more is sent; the other side may still answer. */
  end(): void;
  /** Ends the call at once; `responses` is then over, without an error. */
  cancel(): void;
  /** Messages for one consumer. A consumer that leaves early cancels the call. */
  readonly responses: AsyncIterableIterator<Response, undefined, void>;
};

/**
 * A service as its caller sees it, by the methods' local names. Requests may be given as plain objects. Everything that
 * is thrown is a CallError, or the reason of the signal that was aborted.
 */
export type ClientOf<Service extends DescService> = {
  readonly [Name in keyof Service["method"]]: CallOf<Service["method"][Name]>;
};

type CallOf<Method> = Method extends {
  methodKind: infer Kind;
  input: infer Input extends DescMessage;
  output: infer Output extends DescMessage;
}
  ? Kind extends "unary"
    ? (request: MessageInitShape<Input>, options?: CallOptions) => Promise<MessageShape<Output>>
    : Kind extends "server_streaming"
      ? (
          request: MessageInitShape<Input>,
          options?: CallOptions,
        ) => AsyncIterableIterator<MessageShape<Output>, undefined, void>
      : Kind extends "bidi_streaming"
        ? (options?: CallOptions) => BidiCall<MessageInitShape<Input>, MessageShape<Output>>
        : (requests: Iterable<MessageInitShape<Input>>, options?: CallOptions) => Promise<MessageShape<Output>>
  : never;

/** What the SPIFFE Workload Endpoint asks of every request, so that a tricked browser can't make a request. */
const SECURITY_HEADER = "workload.spiffe.io";

/**
 * A client of a service over a channel, which the caller closes.
 *
 * @param options.securityHeader - set to `true` on every call; `workload.spiffe.io` when absent.
 * @param options.deadlineMs - deadline of unary calls that have none of their own; absent: none.
 * @see SPIFFE Workload Endpoint section 6.1
 */
export function createClient<Service extends DescService>(
  service: Service,
  channel: Channel,
  options: { readonly securityHeader?: string; readonly deadlineMs?: number } = {},
): ClientOf<Service> {
  const wire = new Client("", credentials.createInsecure(), { channelOverride: channel });
  const header = options.securityHeader ?? SECURITY_HEADER;
  const calls: Record<string, unknown> = {};
  for (const method of service.methods) calls[method.localName] = callOf(wire, method, header, options.deadlineMs);
  return calls as ClientOf<Service>;
}

function callOf(wire: Client, method: DescMethod, header: string, deadlineMs: number | undefined): unknown {
  switch (method.methodKind) {
    case "unary":
      return unaryCall(wire, method, header, deadlineMs);
    case "server_streaming":
      return streamingCall(wire, method, header);
    case "bidi_streaming":
      return bidiCall(wire, method, header);
    case "client_streaming":
      return sendingCall(wire, method, header, deadlineMs);
  }
}

function unaryCall(wire: Client, method: DescMethod, header: string, deadlineMs: number | undefined) {
  const { path, requestSerialize, responseDeserialize } = methodDefinitionOf(method);
  return (request: unknown, options: CallOptions = {}) =>
    answered(options, { method, header, deadlineMs }, (metadata, deadline, callback) =>
      wire.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, deadline, callback),
    );
}

/** Requests that are all there already, and one answer to them. */
function sendingCall(wire: Client, method: DescMethod, header: string, deadlineMs: number | undefined) {
  const { path, requestSerialize, responseDeserialize } = methodDefinitionOf(method);
  return (requests: Iterable<unknown>, options: CallOptions = {}) =>
    answered(options, { method, header, deadlineMs }, (metadata, deadline, callback) => {
      const call = wire.makeClientStreamRequest(
        path,
        requestSerialize,
        responseDeserialize,
        metadata,
        deadline,
        callback,
      );
      for (const request of requests) call.write(request);
      call.end();
      return call;
    });
}

/** What a call with one answer is answered with. An aborted call is cancelled. */
function answered(
  options: CallOptions,
  called: { readonly method: DescMethod; readonly header: string; readonly deadlineMs: number | undefined },
  start: (
    metadata: Metadata,
    deadline: ReturnType<typeof deadlineOf>,
    callback: requestCallback<unknown>,
  ) => { cancel(): void },
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const deadline = deadlineOf({ deadlineMs: options.deadlineMs ?? called.deadlineMs });
    const call = start(metadataOf(called.header, options), deadline, (error, response) => {
      release();
      if (error === null) resolve(response);
      else reject(reasonOf(error, called.method, options.signal));
    });
    const release = cancelOnAbort(call, options.signal);
  });
}

function streamingCall(wire: Client, method: DescMethod, header: string) {
  const { path, requestSerialize, responseDeserialize } = methodDefinitionOf(method);
  return (request: unknown, options: CallOptions = {}): AsyncIterableIterator<unknown, undefined, void> => {
    options.signal?.throwIfAborted();
    const call = wire.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(header, options),
      deadlineOf(options),
    );
    return messagesOf(call, method, options.signal).messages;
  };
}

function bidiCall(wire: Client, method: DescMethod, header: string) {
  const { path, requestSerialize, responseDeserialize } = methodDefinitionOf(method);
  return (options: CallOptions = {}): BidiCall<unknown, unknown> => {
    options.signal?.throwIfAborted();
    const call = wire.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadataOf(header, options),
      deadlineOf(options),
    );
    const stream = messagesOf(call, method, options.signal);
    const isWritable = () => call.writable && !stream.isOver();
    return {
      send(request) {
        if (isWritable()) call.write(request);
      },
      end() {
        if (isWritable()) call.end();
      },
      cancel: stream.cancel,
      responses: stream.messages,
    };
  };
}

type ResponseStream = {
  on(event: "data", listener: (message: unknown) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  pause(): unknown;
  resume(): unknown;
  cancel(): void;
};

function messagesOf(call: ResponseStream, method: DescMethod, signal: AbortSignal | undefined) {
  const release = cancelOnAbort(call, signal);
  const stream = incoming<unknown>(call, cancel);
  let over = false;
  let failure: Error | undefined;

  function finish(): void {
    over = true;
    release();
    stream.finish(failure);
  }

  function cancel(): void {
    finish();
    call.cancel();
    // Messages still on their way are read and dropped, or the call would never come to its end.
    call.resume();
  }

  call.on("data", stream.push);
  // The error overtakes messages that wait in the stream; the end does not, and follows every error.
  call.on("error", (error) => {
    failure ??= reasonOf(error, method, signal);
  });
  call.on("end", finish);
  return { messages: stream.messages, cancel, isOver: () => over };
}

/** An aborted call fails with what its caller aborted it for, as fetch does. */
function reasonOf(error: Error, method: DescMethod, signal: AbortSignal | undefined): Error {
  if (signal?.aborted !== true) return callErrorOf(error, method);
  return signal.reason instanceof Error ? signal.reason : new Error("the call was aborted", { cause: signal.reason });
}

function cancelOnAbort(call: { cancel(): void }, signal: AbortSignal | undefined): () => void {
  const cancel = () => call.cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  return () => signal?.removeEventListener("abort", cancel);
}

function metadataOf(header: string, options: CallOptions): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  metadata.set(header, "true");
  return metadata;
}

function deadlineOf(options: CallOptions): { readonly deadline?: number } {
  return options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
}
