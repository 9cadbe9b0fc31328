import type { MessageInitShape } from "@bufbuild/protobuf";
import { decisionView } from "../../cli/output/decision-view.ts";
import { eventView } from "../../cli/output/event-view.ts";
import { exchangeView } from "../../cli/output/exchange-view.ts";
import { issuanceView } from "../../cli/output/issuance-view.ts";
import { stepView } from "../../cli/output/step-view.ts";
import { usageView } from "../../cli/output/usage-view.ts";
import type { View } from "../../cli/output/view.ts";
import type { HistoryList } from "../../domain/history-filter.ts";
import type { HistoryFilterSchema } from "../../gen/stint/v1/history_pb.js";
import { history } from "../api/clients.ts";
import { placeOf } from "../route.ts";

export type Filter = Exclude<MessageInitShape<typeof HistoryFilterSchema>, { $typeName: string }>;
type Page<Row> = { readonly rows: readonly Row[]; readonly nextPageToken: string };

/** One list of the history: its columns, how a page of it is asked for, and where its rows lead. */
export type Listed<Row> = {
  readonly view: View<Row>;
  readonly ask: (filter: Filter, signal: AbortSignal) => Promise<Page<Row>>;
  readonly keyOf: (row: Row) => string;
  readonly to: (row: Row) => string | undefined;
};

const steps = listed({
  view: stepView,
  async ask(filter, signal) {
    const { steps: rows, nextPageToken } = await history.listSteps({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ stepId }) => stepId,
  to: ({ stepId }) => placeOf(["steps", stepId]),
});
const issuances = listed({
  view: issuanceView,
  async ask(filter, signal) {
    const { issuances: rows, nextPageToken } = await history.listIssuances({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ issuanceId }) => issuanceId,
  to: ({ issuanceId }) => placeOf(["issuances", issuanceId]),
});
const decisions = listed({
  view: decisionView,
  async ask(filter, signal) {
    const { decisions: rows, nextPageToken } = await history.listDecisions({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ decisionId }) => decisionId,
  to: ({ decisionId }) => placeOf(["why", decisionId]),
});
const events = listed({
  view: eventView,
  async ask(filter, signal) {
    const { events: rows, nextPageToken } = await history.listEvents({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ sequence }) => String(sequence),
  to: ({ sequence }) => placeOf(["proof"], [["sequence", String(sequence)]]),
});
const exchanges = listed({
  view: exchangeView,
  async ask(filter, signal) {
    const { exchanges: rows, nextPageToken } = await history.listExchanges({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ exchangeId }) => exchangeId,
  to: ({ stepId }) => placeOf(["steps", stepId]),
});
const usage = listed({
  view: usageView,
  async ask(filter, signal) {
    const { usage: rows, nextPageToken } = await history.listUsage({ filter }, { signal });
    return { rows, nextPageToken };
  },
  keyOf: ({ stepId, verifier, tool, action, outcome }) => [stepId, verifier, tool, action, outcome].join(" "),
  to: ({ stepId }) => placeOf(["steps", stepId]),
});

export const LISTS = { steps, issuances, decisions, events, exchanges, usage } as const satisfies Record<
  HistoryList,
  unknown
>;

function listed<Row>(list: Listed<Row>): Listed<Row> {
  return list;
}
