import { once } from "node:events";
import type { Readable } from "node:stream";
import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import type { handleBidiStreamingCall, handleClientStreamingCall, handleServerStreamingCall } from "@grpc/grpc-js";
import type { Attested } from "../../domain/stages.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { type Begun, begin, type Endpoint, type Ids } from "./call.ts";

/** What a handler of a stream is given of its call. */
export type Streamed = {
  readonly caller: Attested;
  readonly ids: Ids;
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
};

/** A handler that answers many messages at once. The caller is attested before a message is read. */
export function clientStreaming<Request, Response extends DescMessage>(
  endpoint: Endpoint,
  method: string,
  act: (requests: AsyncIterable<Request>, streamed: Streamed) => Promise<MessageInitShape<Response>>,
): handleClientStreamingCall<Received<Request>, MessageInitShape<Response>> {
  return (call, callback) => {
    const begun = begin(endpoint, method, call);
    const signal = goneSignal(call);
    begun
      .run(async () => act(requestsOf(call), await streamedBy(begun, signal)))
      .then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(serviceErrorOf(thrown)),
      );
  };
}

/** A handler that answers with many messages, no faster than the caller reads them. */
export function serverStreaming<Request, Response extends DescMessage>(
  endpoint: Endpoint,
  method: string,
  act: (request: Request, streamed: Streamed) => AsyncIterable<MessageInitShape<Response>>,
): handleServerStreamingCall<Received<Request>, MessageInitShape<Response>> {
  return (call) => {
    const begun = begin(endpoint, method, call);
    const signal = goneSignal(call);
    answer(call, signal, () =>
      begun.run(async () => {
        const request = receivedMessage(call.request);
        await writeAll(call, act(request, await streamedBy(begun, signal)), signal);
      }),
    );
  };
}

/** A handler that reads all messages it is sent, and then answers with many. */
export function bidiStreaming<Request, Response extends DescMessage>(
  endpoint: Endpoint,
  method: string,
  act: (requests: AsyncIterable<Request>, streamed: Streamed) => AsyncIterable<MessageInitShape<Response>>,
): handleBidiStreamingCall<Received<Request>, MessageInitShape<Response>> {
  return (call) => {
    const begun = begin(endpoint, method, call);
    const signal = goneSignal(call);
    answer(call, signal, () =>
      begun.run(async () => writeAll(call, act(requestsOf(call), await streamedBy(begun, signal)), signal)),
    );
  };
}

type Writing<Message> = {
  write(message: Message): boolean;
  end(): unknown;
  emit(event: "error", error: unknown): boolean;
};

function answer(call: Writing<never>, signal: AbortSignal, run: () => Promise<void>): void {
  run().then(
    () => void call.end(),
    (thrown: unknown) => {
      if (!signal.aborted) call.emit("error", serviceErrorOf(thrown));
    },
  );
}

async function writeAll<Message>(
  call: Writing<Message> & NodeJS.EventEmitter,
  messages: AsyncIterable<Message>,
  signal: AbortSignal,
): Promise<void> {
  for await (const message of messages) {
    if (signal.aborted) return;
    if (!call.write(message)) await once(call, "drain", { signal });
  }
}

async function* requestsOf<Request>(call: Readable): AsyncGenerator<Request, void, void> {
  // The call is answered also where not all of it was read, so leaving early must not end it.
  for await (const received of call.iterator({ destroyOnReturn: false })) {
    yield receivedMessage(received as Received<Request>);
  }
}

async function streamedBy(begun: Begun, signal: AbortSignal): Promise<Streamed> {
  return { caller: await begun.attested(), ids: begun.ids, signal };
}

function goneSignal(call: NodeJS.EventEmitter): AbortSignal {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  return gone.signal;
}
