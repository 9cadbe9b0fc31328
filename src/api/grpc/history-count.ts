import type { MessageInitShape } from "@bufbuild/protobuf";
import { countHistory } from "../../audit/history-count.ts";
import { invalidField } from "../../domain/errors.ts";
import { isGroupedBy } from "../../domain/history-filter.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type CountRowsRequest, type CountRowsResponseSchema, HistoryField } from "../../gen/stint/v1/history_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryReads } from "../../ports/ledger-reads.ts";
import { historyFieldOf, historyListOf } from "../../wire/history-message.ts";
import { filterOf, usageFilterOf } from "./history-filter.ts";

type CountPorts = {
  readonly history: Pick<HistoryReads, "count" | "span">;
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
  if (request.top > LIMITS.pageSizeMax) throw invalidField("top", `at most ${LIMITS.pageSizeMax}`);
  const head = ledger.head();
  const { limit: _, ...filter } =
    list === "usage" ? usageFilterOf(request.filter, head) : filterOf(request.filter, { list, head });
  const top = request.top === 0 ? LIMITS.historyGroupsDefault : request.top;
  const found = await countHistory(
    list,
    { ...filter, now: clock.now() },
    { top, ...(groupBy === undefined ? {} : { groupBy }) },
    history,
  );
  return {
    count: BigInt(found.count),
    groups: found.groups.map(({ value, count }) => ({ count: BigInt(count), ...(value === null ? {} : { value }) })),
    groupsLeftOut: found.groupsLeftOut,
    countLeftOut: BigInt(found.countLeftOut),
  };
}
