import type { HistoryField } from "../../domain/history-filter.ts";
import type { CountRowsResponse, HistoryGroup, HistorySpans } from "../../gen/stint/v1/history_pb.js";
import { secondsField } from "./fields.ts";
import type { View } from "./view.ts";

export const countView: View<CountRowsResponse> = {
  fields: [["count", ({ count }) => Number(count)]],
  columns: [],
};

/** How long something of rows lasted, in seconds. */
export const spansView: View<HistorySpans> = {
  fields: [
    ["count", ({ count }) => Number(count)],
    ["least_seconds", ({ least }) => secondsField(least)],
    ["mean_seconds", ({ mean }) => secondsField(mean)],
    ["most_seconds", ({ most }) => secondsField(most)],
  ],
  columns: [],
};

/** How many rows there are for each value of a field. */
export function groupView(field: HistoryField): View<HistoryGroup> {
  return {
    fields: [
      [field, ({ value = null }) => value],
      ["count", ({ count }) => Number(count)],
    ],
    columns: [
      { header: field.toUpperCase(), text: ({ value = "none" }) => value },
      { header: "COUNT", text: ({ count }) => String(count), align: "right" },
    ],
  };
}
