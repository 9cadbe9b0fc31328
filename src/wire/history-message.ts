import { create, fromJson, type JsonObject, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import {
  HISTORY_FIELDS,
  HISTORY_LISTS,
  HISTORY_SPANS,
  type HistoryField,
  type HistoryList,
  type HistorySpan,
} from "../domain/history-filter.ts";
import {
  HistoryField as FieldMessage,
  type HistoryFilter,
  HistoryFilterSchema,
  HistoryList as ListMessage,
  HistorySpan as SpanMessage,
} from "../gen/stint/v1/history_pb.js";

/** The domain's words are the contract's, in lower case. */
const FIELDS = new Map<FieldMessage, HistoryField>(
  (Object.keys(HISTORY_FIELDS) as HistoryField[]).map((field) => [
    FieldMessage[field.toUpperCase() as Uppercase<HistoryField>],
    field,
  ]),
);
const LISTS = new Map<ListMessage, HistoryList>(
  HISTORY_LISTS.map((list) => [ListMessage[list.toUpperCase() as Uppercase<HistoryList>], list]),
);

const SPANS = new Map<SpanMessage, HistorySpan>(
  (Object.keys(HISTORY_SPANS) as HistorySpan[]).map((span) => [
    SpanMessage[span.toUpperCase() as Uppercase<HistorySpan>],
    span,
  ]),
);

export function historySpanMessageOf(span: HistorySpan): SpanMessage {
  return SpanMessage[span.toUpperCase() as Uppercase<HistorySpan>];
}

/** `undefined` for a span that this version does not know. */
export function historySpanOf(message: SpanMessage): HistorySpan | undefined {
  return SPANS.get(message);
}

export function historyFieldMessageOf(field: HistoryField): FieldMessage {
  return FieldMessage[field.toUpperCase() as Uppercase<HistoryField>];
}

/** `undefined` for a field that this version does not know. */
export function historyFieldOf(message: FieldMessage): HistoryField | undefined {
  return FIELDS.get(message);
}

export function historyListMessageOf(list: HistoryList): ListMessage {
  return ListMessage[list.toUpperCase() as Uppercase<HistoryList>];
}

export function historyListOf(message: ListMessage): HistoryList | undefined {
  return LISTS.get(message);
}

/** A filter as the contract's JSON, for whoever keeps it in a file. */
export function historyFilterJson(filter: MessageInitShape<typeof HistoryFilterSchema>): JsonObject {
  return toJson(HistoryFilterSchema, create(HistoryFilterSchema, filter)) as JsonObject;
}

/** @throws Error where it is none of `historyFilterJson` */
export function historyFilterOfJson(json: JsonObject): HistoryFilter {
  return fromJson(HistoryFilterSchema, json);
}
