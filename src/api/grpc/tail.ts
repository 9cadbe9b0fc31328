import { once } from "node:events";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { handleServerStreamingCall } from "@grpc/grpc-js";
import { historyPage } from "../../audit/history-page.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { invalidField } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { TailEventsRequest, TailEventsResponseSchema } from "../../gen/stint/v1/history_pb.js";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryFilter, HistoryReads } from "../../ports/ledger-reads.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { begin, type Endpoint } from "./call.ts";
import { eventMessageOf } from "./event-message.ts";
import { filterOf, placeOf, placeToken } from "./history-filter.ts";

type TailPorts = {
  readonly history: Pick<HistoryReads, "events" | "span">;
  readonly ledger: Pick<Ledger, "follow" | "head">;
};

/** Every event after a sequence that passes a filter, then each as it is recorded, no faster than the operator reads. */
export function tailHandler(
  endpoint: Endpoint,
  ports: TailPorts,
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
        return beginningOf(request, ports.ledger);
      })
      .then(tail)
      .catch((thrown: unknown) => {
        if (!ended.signal.aborted) call.emit("error", serviceErrorOf(thrown));
      });

    async function send(message: MessageInitShape<typeof TailEventsResponseSchema>): Promise<void> {
      if (!call.write(message)) await once(call, "drain", { signal: ended.signal });
    }

    async function tail({ after: beginning, filter }: Beginning): Promise<void> {
      let wake = Promise.withResolvers<void>();
      // Events are read with their hashes, no faster than the operator takes them; the follower only learns that there
      // are more.
      const following = ports.ledger.follow({ name: "tail", take: () => wake.resolve() }, ports.ledger.head().sequence);
      ended.signal.addEventListener("abort", () => wake.resolve());
      const { history, ledger } = ports;
      try {
        for (let from = beginning, told = beginning; !ended.signal.aborted; ) {
          wake = Promise.withResolvers();
          const head = ledger.head();
          const page = { ...filter, after: from, oldestFirst: true, limit: LIMITS.pageSizeMax };
          const { rows, through } = await historyPage("events", page, history.events, sequenceOf, history);
          for (const row of rows) {
            await send({ event: eventMessageOf(row), resumeToken: placeToken(row.sequence, head) });
            told = row.sequence;
          }
          const isAtEnd = through <= from;
          from = Math.max(from, through);
          // A follower that nothing passes to would otherwise begin far back each time that it is cut off.
          if (from - told >= PLACES_UNTOLD_MAX) {
            await send({ resumeToken: placeToken(from, head) });
            told = from;
          }
          if (isAtEnd && !ended.signal.aborted) await wake.promise;
        }
      } finally {
        following.end();
      }
    }
  };
}

/** Events that did not pass, after which a stream tells where it is. */
const PLACES_UNTOLD_MAX = 10_000;

type Beginning = { readonly after: number; readonly filter: Omit<HistoryFilter, "limit"> };

const sequenceOf = ({ sequence }: { readonly sequence: number }) => sequence;

/** @throws BrokerError INVALID_FIELD */
function beginningOf(request: TailEventsRequest, ledger: Pick<Ledger, "head">): Beginning {
  const head = ledger.head();
  const { filter: asked, resumeToken, afterSequence } = request;
  if (asked !== undefined && (asked.pageToken !== "" || asked.pageSize !== 0 || asked.oldestFirst)) {
    throw invalidField("filter", "no page: a stream has its own order and place");
  }
  if (resumeToken !== "" && afterSequence !== undefined)
    throw invalidField("after_sequence", "not beside resume_token");
  const { limit: _, ...filter } = filterOf(asked, { list: "events", head });
  const { after = Number(afterSequence ?? head.sequence) } = placeOf(resumeToken, "resume_token", head);
  return { after, filter };
}
