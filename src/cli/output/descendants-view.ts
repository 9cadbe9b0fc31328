import type { DescendantsSummary, Reach, TellDescendantsResponse } from "../../gen/stint/v1/history_pb.js";
import { exchangeView } from "./exchange-view.ts";
import { instantField } from "./fields.ts";
import { issuanceView } from "./issuance-view.ts";
import { stepView } from "./step-view.ts";
import { type DataRecord, recordOf, type View } from "./view.ts";

export const reachView: View<Reach> = {
  fields: [
    ["tool", (reach) => reach.tool],
    ["location", (reach) => reach.location],
    ["actions", (reach) => reach.actions],
    ["data_classes", (reach) => reach.datatypes],
    ["steps", (reach) => reach.steps],
    ["calls", (reach) => Number(reach.calls)],
  ],
  columns: [
    { header: "TOOL", text: (reach) => reach.tool },
    { header: "LOCATION", text: (reach) => reach.location },
    { header: "ACTIONS", text: (reach) => reach.actions.join(" ") },
    { header: "DATA_CLASSES", text: (reach) => reach.datatypes.join(" ") },
    { header: "STEPS", text: (reach) => String(reach.steps), align: "right" },
    { header: "CALLS", text: (reach) => String(reach.calls), align: "right" },
  ],
};

export const descendantsSummaryView: View<DescendantsSummary> = {
  fields: [
    ["steps", (summary) => summary.steps],
    ["steps_open", (summary) => summary.stepsOpen],
    ["credentials", (summary) => summary.credentials],
    ["credentials_live", (summary) => summary.credentialsLive],
    ["exchanges", (summary) => summary.exchanges],
    ["exchanges_alive", (summary) => summary.exchangesAlive],
    ["last_dies_at", (summary) => instantField(summary.lastDiesAt)],
    ["audiences", (summary) => summary.audiences],
    ["calls", (summary) => Number(summary.calls)],
  ],
  columns: [],
};

/** One line of data for each, which says what it is. */
export const descendantView: View<TellDescendantsResponse> = {
  fields: [
    ["kind", ({ told }) => told.case ?? null],
    ["descendant", ({ told }) => recordOfTold(told)],
  ],
  columns: [],
};

function recordOfTold(told: TellDescendantsResponse["told"]): DataRecord | null {
  switch (told.case) {
    case "step":
      return recordOf(stepView, told.value);
    case "issuance":
      return recordOf(issuanceView, told.value);
    case "exchange":
      return recordOf(exchangeView, told.value);
    case "reach":
      return recordOf(reachView, told.value);
    case "summary":
      return recordOf(descendantsSummaryView, told.value);
    case undefined:
      return null;
  }
}
