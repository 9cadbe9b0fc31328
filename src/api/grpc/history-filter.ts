import type { HistoryPage } from "../../audit/history-page.ts";
import { invalidField } from "../../domain/errors.ts";
import { type HistoryList, type HistoryTerm, hasField, hasLives } from "../../domain/history-filter.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { HistoryFilter, HistoryTerm as TermMessage } from "../../gen/stint/v1/history_pb.js";
import type { Head } from "../../ports/ledger.ts";
import type { HistoryFilter as ReadFilter } from "../../ports/ledger-reads.ts";
import { historyFieldOf } from "../../wire/history-message.ts";
import { microsOfTimestamp } from "../../wire/timestamps.ts";
import { pageOf } from "./paging.ts";

const ATTEMPT = /^[1-9][0-9]{0,8}$/;
/** Where an oldest-first list goes on: behind a sequence, of a ledger by its epoch. */
const PLACE = /^>(0|[1-9][0-9]{0,15}) ([\x21-\x7e]{1,128})$/;

type Where = { readonly list: HistoryList; readonly head: Pick<Head, "epoch" | "sequence"> };

/**
 * The filter of a list, with the bounds of its page.
 *
 * @throws BrokerError INVALID_FIELD for what the list does not have: a filter that is not applied must not look as if it were
 */
export function filterOf(message: HistoryFilter | undefined, where: Where): ReadFilter {
  if (message === undefined) return pageOf(0, "");
  const { list } = where;
  const { pageSize, pageToken, oldestFirst } = message;
  return {
    ...pageOf(pageSize, oldestFirst ? "" : pageToken),
    ...(oldestFirst ? { oldestFirst, ...placeOf(pageToken, "page_token", where.head) } : {}),
    ...rowsMeant(message, list),
  };
}

/** What of a filter says which rows are meant. */
type RowsMessage = Pick<
  HistoryFilter,
  "runId" | "step" | "stepId" | "agent" | "since" | "until" | "terms" | "descendantsOf" | "liveAt"
>;

/**
 * Which rows of a list are meant, on whatever page.
 *
 * @throws BrokerError INVALID_FIELD as `filterOf` does
 */
export function rowsMeant(
  message: RowsMessage,
  list: HistoryList,
): Pick<ReadFilter, "terms" | "descendantsOf" | "since" | "until" | "liveAt"> {
  const { descendantsOf } = message;
  const terms = [...namedTerms(message), ...termsOf(message.terms, list)];
  const instant = (name: "since" | "until" | "liveAt", field: string) => {
    const timestamp = message[name];
    return timestamp === undefined ? {} : { [name]: microsOfTimestamp(timestamp, field) };
  };
  if (message.liveAt !== undefined && !hasLives(list))
    throw invalidField("live_at", `not for ${list}, which do not end`);
  if (descendantsOf.length > LIMITS.historyValuesMax) {
    throw invalidField("descendants_of", `at most ${LIMITS.historyValuesMax} steps`);
  }
  return {
    ...(terms.length === 0 ? {} : { terms }),
    ...(descendantsOf.length === 0 ? {} : { descendantsOf }),
    ...instant("since", "since"),
    ...instant("until", "until"),
    ...instant("liveAt", "live_at"),
  };
}

/**
 * Usage is counted as a whole and goes on being counted, so that it is of no time and in one order.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function usageFilterOf(message: HistoryFilter | undefined, head: Where["head"]): ReadFilter {
  const { since, until, ...filter } = filterOf(message, { list: "usage", head });
  if (since !== undefined || until !== undefined)
    throw invalidField("since", "not for usage, which is counted as a whole");
  if (filter.oldestFirst === true) throw invalidField("oldest_first", "not for usage");
  return filter;
}

/**
 * Calls that were asked about are found by their steps, newest first.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function callsFilterOf(message: HistoryFilter | undefined): ReadFilter {
  if (message?.oldestFirst === true) throw invalidField("oldest_first", "not for calls");
  if (message?.liveAt !== undefined) throw invalidField("live_at", "not for calls");
  return filterOf(message, { list: "steps", head: { epoch: "", sequence: 0 } });
}

/** The fields that have a member of their own. */
function namedTerms({ runId, step, stepId, agent }: RowsMessage): readonly HistoryTerm[] {
  const named = { run: runId, step, step_id: stepId, agent } as const;
  return (Object.keys(named) as (keyof typeof named)[]).flatMap((field): HistoryTerm[] =>
    named[field] === "" ? [] : [{ field, values: [named[field]], isExcluded: false }],
  );
}

function termsOf(messages: readonly TermMessage[], list: HistoryList): readonly HistoryTerm[] {
  if (messages.length > LIMITS.historyTermsMax) throw invalidField("terms", `at most ${LIMITS.historyTermsMax}`);
  return messages.map(({ field: fieldMessage, values, excluded }) => {
    const field = historyFieldOf(fieldMessage);
    if (field === undefined || !hasField(list, field)) {
      throw invalidField("terms.field", field === undefined ? "a field" : `not ${field}: ${list} do not have it`);
    }
    const isInBounds = values.length >= 1 && values.length <= LIMITS.historyValuesMax;
    if (!isInBounds || values.some((value) => value === "" || Buffer.byteLength(value) > LIMITS.uriBytesMax)) {
      throw invalidField(
        "terms.values",
        `1 to ${LIMITS.historyValuesMax}, none empty or beyond ${LIMITS.uriBytesMax} bytes`,
      );
    }
    if (field === "attempt" && !values.every((value) => ATTEMPT.test(value))) {
      throw invalidField("terms.values", "attempts are whole numbers from 1");
    }
    return { field, values, isExcluded: excluded };
  });
}

/**
 * Where to go on, oldest first.
 *
 * @throws BrokerError INVALID_FIELD for a place in a ledger that was replaced by a backup since: what would come next is not what came
 *   next then
 */
export function placeOf(token: string, field: string, head: Where["head"]): { readonly after?: number } {
  if (token === "") return {};
  const [, sequence, epoch] = PLACE.exec(Buffer.from(token, "base64url").toString("latin1")) ?? [];
  if (sequence === undefined) throw invalidField(field, "one that an answer before gave, of a list in the same order");
  const after = Number(sequence);
  if (epoch !== head.epoch || after > head.sequence) {
    throw invalidField(field, "of a ledger that was restored from a backup since; begin anew");
  }
  return { after };
}

/** The token of a place, as `placeOf` reads it. */
export function placeToken(after: number, { epoch }: Pick<Head, "epoch">): string {
  return Buffer.from(`>${after} ${epoch}`, "latin1").toString("base64url");
}

/** What an answer says of where to go on. */
export function tokensOf(
  { next, through }: Pick<HistoryPage<unknown>, "next" | "through">,
  { oldestFirst = false }: Pick<ReadFilter, "oldestFirst">,
  head: Pick<Head, "epoch">,
): { readonly nextPageToken: string; readonly resumeToken: string } {
  if (oldestFirst) {
    return { nextPageToken: next === undefined ? "" : placeToken(next, head), resumeToken: placeToken(through, head) };
  }
  const nextPageToken = next === undefined ? "" : Buffer.from(String(next), "latin1").toString("base64url");
  return { nextPageToken, resumeToken: "" };
}
