import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { checkMayLook } from "../../decide/step-access.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { TailEventsRequest, TailEventsResponseSchema } from "../../gen/stint/v1/history_pb.js";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { begin, type Endpoint } from "./call.ts";
import { eventMessageOf } from "./event-message.ts";

/** Every event after a sequence, then each as it is recorded, no faster than the operator reads. */
export function tailHandler(
  endpoint: Endpoint,
  ports: { readonly history: HistoryReads; readonly ledger: Pick<Ledger, "follow" | "head"> },
): handleServerStreamingCall<Received<TailEventsRequest>, MessageInitShape<typeof TailEventsResponseSchema>> {
  return (call) => {
    const begun = begin(endpoint, "History.TailEvents", call);
    const ended = new AbortController();
    call.on("cancelled", () => ended.abort());
    call.on("close", () => ended.abort());

    begun
      .run(async () => {
        const request = receivedMessage(call.request);
        checkMayLook(await begun.attested());
        return request.afterSequence === undefined ? ports.ledger.head().sequence : Number(request.afterSequence);
      })
      .then(tail)
      .catch((thrown: unknown) => {
        if (!ended.signal.aborted) call.emit("error", serviceErrorOf(thrown));
      });

    async function tail(from: number): Promise<void> {
      let wake = Promise.withResolvers<void>();
      // Events are read with their hashes, no faster than the operator takes them; the follower only learns that there
      // are more.
      const following = ports.ledger.follow({ name: "tail", take: () => wake.resolve() }, ports.ledger.head().sequence);
      ended.signal.addEventListener("abort", () => wake.resolve());
      try {
        for (let after = from; !ended.signal.aborted; ) {
          wake = Promise.withResolvers();
          const rows = await ports.history.events({ after, oldestFirst: true, limit: LIMITS.pageSizeMax });
          for (const row of rows) {
            if (!call.write({ event: eventMessageOf(row) })) await once(call, "drain", { signal: ended.signal });
            after = row.sequence;
          }
          if (rows.length === 0 && !ended.signal.aborted) await wake.promise;
        }
      } finally {
        following.end();
      }
    }
  };
}
