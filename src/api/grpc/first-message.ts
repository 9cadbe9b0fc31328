import { constants, type ServerHttp2Stream } from "node:http2";
import { Metadata, type ServerInterceptingCall, type ServerInterceptor, status } from "@grpc/grpc-js";
import { BrokerError } from "../../domain/errors.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";

/** Between this and twice this is how long a call's first message may take. A client sends it at once; a slow one has 64 KiB to send. */
const FIRST_MESSAGE_MS = 20_000;

type Call = Parameters<ServerInterceptor>[1];

/**
 * Ends calls of which no message has come in time. Nothing else would: such a call costs memory for as long as its connection is
 * there, a thousand times on each, and no handler has heard of it.
 *
 * Calls that wait are in the set of their turn, and those of the turn before are ended at the next: a timer for each call would cost
 * every call what few need.
 */
export function endWithoutMessage(turnMs = FIRST_MESSAGE_MS): ServerInterceptor {
  const refusal = serviceErrorOf(
    new BrokerError("LIMIT_EXCEEDED", `the call's first message has not come within ${turnMs / 1_000} s`),
  );
  let waiting = new Set<Call>();
  let before = new Set<Call>();
  setInterval(() => {
    for (const call of before) end(call);
    before = waiting;
    waiting = new Set();
  }, turnMs).unref();

  function end(call: Call): void {
    const { code = status.RESOURCE_EXHAUSTED, details = "", metadata = new Metadata() } = refusal;
    call.sendStatus({ code, details, metadata });
    // The client has not ended its side, and the stream would be kept until it does; only the stream itself can say that nobody waits.
    const stream = Reflect.get(call, "stream") as ServerHttp2Stream | undefined;
    stream?.close(constants.NGHTTP2_NO_ERROR);
  }

  return (_method, call) => {
    const heard = () => {
      if (!waiting.delete(call)) before.delete(call);
    };
    const start = call.start.bind(call);
    // As `requireSecurityHeader` does, and for its reasons.
    call.start = (listener) => {
      waiting.add(call);
      start({
        onReceiveMetadata: (metadata) => listener.onReceiveMetadata(metadata),
        onReceiveMessage(message) {
          heard();
          listener.onReceiveMessage(message);
        },
        onReceiveHalfClose() {
          heard();
          listener.onReceiveHalfClose();
        },
        onCancel() {
          heard();
          listener.onCancel();
        },
      });
    };
    return call as ServerInterceptingCall;
  };
}
