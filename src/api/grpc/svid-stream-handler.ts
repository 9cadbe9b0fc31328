import type { handleServerStreamingCall, ServiceError } from "@grpc/grpc-js";
import type { Attested } from "../../domain/stages.ts";
import type { Cancel } from "../../ports/clock.ts";
import { openSvidStream, type StreamedSvid, type SvidSource, type SvidStreamPorts } from "../../stream/svid-stream.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import type { Endpoint } from "./call.ts";
import { newestState } from "./newest-state.ts";
import { streamActs } from "./stream-acts.ts";

export type SvidStreamHandler<Request, Response> = {
  /** The name that the call is logged and counted by; later issuances on the stream have this name and `.Renew`. */
  readonly method: string;
  /**
   * Who the subscriber is and which SVIDs it wants, by its request.
   *
   * @param attested - attests the other end, as it is now.
   * @throws BrokerError when the request can't be read so
   */
  readonly sourceOf: (request: Request, attested: () => Promise<Attested>) => SvidSource;
  readonly messageOf: (svids: readonly StreamedSvid[]) => Response;
  /** Calls when a message must be sent anew though its SVIDs are the same. */
  readonly onChange: (changed: () => void) => Cancel;
  /** How the error that ends the stream is answered; absent: in the words of `stint.v1`. */
  readonly serviceErrorOf?: (thrown: unknown) => ServiceError;
};

/** A stream of SVIDs: the whole state in each message, the first at once, the newest when the subscriber can take it. */
export function svidStreamHandler<Request, Response>(
  endpoint: Endpoint,
  handler: SvidStreamHandler<Request, Response>,
  ports: SvidStreamPorts,
): handleServerStreamingCall<Received<Request>, Response> {
  return (call) => {
    const acts = streamActs(endpoint, handler.method, call);
    const put = newestState(call);
    const first = Promise.withResolvers<void>();
    let isDelivered = false;
    let isOver = false;
    const ends: Cancel[] = [];
    const finish = () => {
      isOver = true;
      for (const end of ends.splice(0)) end();
      first.resolve();
    };
    call.on("cancelled", finish);
    call.on("close", finish);

    const opened = acts.run(() => {
      const source = handler.sourceOf(receivedMessage(call.request), acts.attested);
      const stream = openSvidStream(
        acts.sourceOf(source),
        {
          deliver(svids) {
            isDelivered = true;
            acts.answered();
            put(() => handler.messageOf(svids));
            first.resolve();
          },
          end(thrown) {
            if (isDelivered) fail(thrown);
            else first.reject(thrown);
          },
        },
        ports,
      );
      ends.push(stream.stop, handler.onChange(stream.refresh));
      return first.promise;
    });
    opened.catch(fail);

    function fail(thrown: unknown): void {
      if (isOver) return;
      finish();
      call.emit("error", (handler.serviceErrorOf ?? serviceErrorOf)(thrown));
    }
  };
}
