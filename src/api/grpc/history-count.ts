import type { MessageInitShape } from "@bufbuild/protobuf";
import { countHistory } from "../../audit/history-count.ts";
import { historySpans } from "../../audit/history-spans.ts";
import { invalidField } from "../../domain/errors.ts";
import { type HistoryList, type HistorySpan, hasSpan, isGroupedBy } from "../../domain/history-filter.ts";
import { LIMITS } from "../../domain/limits.ts";
import {
  type CountRowsRequest,
  type CountRowsResponseSchema,
  HistoryField,
  HistorySpan as SpanMessage,
} from "../../gen/stint/v1/history_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryReads, SpansOfRows } from "../../ports/ledger-reads.ts";
import { historyFieldOf, historyListOf, historySpanOf } from "../../wire/history-message.ts";
import { durationOfMicros } from "../../wire/timestamps.ts";
import { filterOf, usageFilterOf } from "./history-filter.ts";

type CountPorts = {
  readonly history: Pick<HistoryReads, "count" | "spans" | "span">;
  readonly ledger: Pick<Ledger, "head">;
  readonly clock: Pick<Clock, "now">;
};

/** @throws BrokerError INVALID_FIELD, LIMIT_EXCEEDED, LEDGER_UNAVAILABLE */
export async function countedRows(
  request: CountRowsRequest,
  { history, ledger, clock }: CountPorts,
): Promise<MessageInitShape<typeof CountRowsResponseSchema>> {
  const list = historyListOf(request.list);
  if (list === undefined) throw invalidField("list", "which rows to count");
  const groupBy = request.groupBy === HistoryField.UNSPECIFIED ? undefined : historyFieldOf(request.groupBy);
  const isUnknown = request.groupBy !== HistoryField.UNSPECIFIED && groupBy === undefined;
  if (isUnknown || (groupBy !== undefined && !isGroupedBy(list, groupBy))) {
    throw invalidField("group_by", `a field that tells ${list} apart`);
  }
  const span = spanOf(request, list);
  if (request.top > LIMITS.pageSizeMax) throw invalidField("top", `at most ${LIMITS.pageSizeMax}`);
  const head = ledger.head();
  const { limit: _, ...filter } =
    list === "usage" ? usageFilterOf(request.filter, head) : filterOf(request.filter, { list, head });
  const top = request.top === 0 ? LIMITS.historyGroupsDefault : request.top;
  const asked = { ...filter, now: clock.now() };
  const found = await countHistory(list, asked, { top, ...(groupBy === undefined ? {} : { groupBy }) }, history);
  return {
    count: BigInt(found.count),
    groups: found.groups.map(({ value, count }) => ({ count: BigInt(count), ...(value === null ? {} : { value }) })),
    groupsLeftOut: found.groupsLeftOut,
    countLeftOut: BigInt(found.countLeftOut),
    ...(span === undefined ? {} : { spans: spansMessageOf(await historySpans(list, asked, span, history)) }),
  };
}

/** @throws BrokerError INVALID_FIELD */
function spanOf({ span }: CountRowsRequest, list: HistoryList): HistorySpan | undefined {
  if (span === SpanMessage.UNSPECIFIED) return undefined;
  const known = historySpanOf(span);
  if (known === undefined || !hasSpan(list, known)) throw invalidField("span", `one that ${list} have`);
  return known;
}

function spansMessageOf({ count, leastMicros, mostMicros, sumMicros }: SpansOfRows) {
  if (count === 0) return { count: 0n };
  return {
    count: BigInt(count),
    least: durationOfMicros(leastMicros),
    mean: durationOfMicros(Math.round(sumMicros / count)),
    most: durationOfMicros(mostMicros),
  };
}
