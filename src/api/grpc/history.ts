import { historyPage } from "../../audit/history-page.ts";
import type { ReceiptBook } from "../../close/receipts.ts";
import { checkMayLook } from "../../decide/step-access.ts";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { HistoryList } from "../../domain/history-filter.ts";
import { isOfKind } from "../../domain/registration-entry.ts";
import type { Explainer } from "../../explain/explainer.ts";
import { Effect, type History, type HistoryFilter as HistoryFilterMessage } from "../../gen/stint/v1/history_pb.js";
import { IssuanceState } from "../../gen/stint/v1/types_pb.js";
import type { Ledger } from "../../ports/ledger.ts";
import type { HistoryFilter, StepReads } from "../../ports/ledger-reads.ts";
import { decisionMessageOf } from "../../wire/decision-message.ts";
import { exchangeMessageOf } from "../../wire/exchange-message.ts";
import { issuanceMessageOf, svidKindOf } from "../../wire/issuance-message.ts";
import { processMessageOf } from "../../wire/process-message.ts";
import type { HandlersOf } from "../../wire/service-definition.ts";
import { durationOfSeconds, timestampOfMicros } from "../../wire/timestamps.ts";
import { type Endpoint, unary } from "./call.ts";
import { type DescendantsPorts, toldDescendants } from "./descendants.ts";
import { eventMessageOf } from "./event-message.ts";
import { explanationMessageOf } from "./explanation-message.ts";
import { type ExportPorts, exportHandler } from "./export.ts";
import { listedGrantUse } from "./grant-use.ts";
import { countedRows } from "./history-count.ts";
import { filterOf, tokensOf, usageFilterOf } from "./history-filter.ts";
import { nextPageToken, stepStatesOf } from "./paging.ts";
import { shownStep } from "./shown-step.ts";
import { serverStreaming } from "./streaming.ts";
import { tailHandler } from "./tail.ts";

export type HistoryPorts = DescendantsPorts &
  ExportPorts & {
    readonly steps: Pick<StepReads, "step">;
    readonly ledger: Pick<Ledger, "follow" | "head">;
    readonly explainer: Explainer;
    readonly receipts: ReceiptBook;
  };

const STATES = {
  [IssuanceState.LIVE]: "live",
  [IssuanceState.EXPIRED]: "expired",
  [IssuanceState.REVOKED]: "revoked",
  [IssuanceState.UNDELIVERED]: "undelivered",
} as const satisfies Partial<Record<IssuanceState, string>>;

const SHA256_BYTES = 32;

export function historyHandlers(endpoint: Endpoint, ports: HistoryPorts): HandlersOf<typeof History> {
  /** One page of a list, with the tokens that say where it goes on. */
  async function paged<Row>(
    list: Exclude<HistoryList, "usage">,
    asked: HistoryFilterMessage | undefined,
    read: (filter: HistoryFilter) => Promise<readonly Row[]>,
    keyOf: (row: Row) => number,
  ) {
    const head = ports.ledger.head();
    const filter = filterOf(asked, { list, head });
    const page = await historyPage(list, { ...filter, now: ports.clock.now() }, read, keyOf, ports.history);
    return { rows: page.rows, tokens: tokensOf(page, filter, head) };
  }
  const sequenceOf = ({ sequence }: { readonly sequence: number }) => sequence;

  return {
    listIssuances: unary(endpoint, "History.ListIssuances", async (request, caller) => {
      checkMayLook(caller);
      const now = ports.clock.now();
      const kind = svidKindOf(request.kind);
      const state = request.live ? "live" : STATES[request.state as keyof typeof STATES];
      const { rows, tokens } = await paged(
        "issuances",
        request.filter,
        (filter) =>
          ports.history.issuances({
            ...filter,
            now,
            ...(kind === undefined ? {} : { kind }),
            ...(state === undefined ? {} : { state }),
            ...(request.serialNumber === "" ? {} : { serialNumber: request.serialNumber }),
            ...(request.jti === "" ? {} : { jti: request.jti }),
          }),
        sequenceOf,
      );
      return { issuances: rows.map((row) => issuanceMessageOf(row, now)), ...tokens };
    }),
    listSteps: unary(endpoint, "History.ListSteps", async (request, caller) => {
      checkMayLook(caller);
      const states = stepStatesOf(request.states);
      const { rows, tokens } = await paged(
        "steps",
        request.filter,
        (filter) => ports.history.steps({ ...filter, ...(states.length === 0 ? {} : { states }) }),
        (step) => step.openedSequence,
      );
      return { steps: await Promise.all(rows.map((step) => shownStep(step, { processes: true }, ports))), ...tokens };
    }),
    listUsage: unary(endpoint, "History.ListUsage", async (request, caller) => {
      checkMayLook(caller);
      const filter = usageFilterOf(request.filter, ports.ledger.head());
      const rows = await ports.history.usage(filter);
      return {
        usage: rows.map(({ runId, step, attempt, calls, gap, reportedAt, usageId: _, ...usage }) => ({
          ...usage,
          stepName: { runId, step, attempt },
          calls: BigInt(calls),
          gap: BigInt(gap),
          reportedAt: timestampOfMicros(reportedAt),
        })),
        nextPageToken: nextPageToken(rows, filter.limit, (row) => row.usageId),
      };
    }),
    listDecisions: unary(endpoint, "History.ListDecisions", async (request, caller) => {
      checkMayLook(caller);
      const effect = request.effect === Effect.ALLOW ? "allow" : request.effect === Effect.DENY ? "deny" : undefined;
      const { rows, tokens } = await paged(
        "decisions",
        request.filter,
        (filter) =>
          ports.history.decisions({
            ...filter,
            ...(effect === undefined ? {} : { effect }),
            ...(request.decisionId === "" ? {} : { decisionId: request.decisionId }),
          }),
        sequenceOf,
      );
      return { decisions: rows.map(decisionMessageOf), ...tokens };
    }),
    listEvents: unary(endpoint, "History.ListEvents", async (request, caller) => {
      checkMayLook(caller);
      const { rows, tokens } = await paged(
        "events",
        request.filter,
        (filter) => ports.history.events({ ...filter, ...(request.type === "" ? {} : { type: request.type }) }),
        sequenceOf,
      );
      return { events: rows.map(eventMessageOf), ...tokens };
    }),
    tailEvents: tailHandler(endpoint, ports),
    lookUp: unary(endpoint, "History.LookUp", async (request, caller) => {
      checkMayLook(caller);
      if (request.toBeSignedSha256.length !== SHA256_BYTES) throw invalidField("to_be_signed_sha256", "32 bytes");
      const toBeSignedSha256 = Buffer.from(request.toBeSignedSha256).toString("hex");
      const now = ports.clock.now();
      const [row] = await ports.history.issuances({ toBeSignedSha256, now, limit: 1 });
      if (row === undefined) throw new BrokerError("STEP_NOT_FOUND", "no issuance has this digest");
      const step = row.subject.kind === "step" ? await ports.steps.step(row.subject.stepId) : undefined;
      return {
        issuance: issuanceMessageOf(row, now),
        ...(step === undefined ? {} : { step: await shownStep(step, { processes: true }, ports) }),
      };
    }),
    listVerifiers: unary(endpoint, "History.ListVerifiers", async (_request, caller) => {
      checkMayLook(caller);
      return { verifiers: verifiersOf(ports) };
    }),
    listExchanges: unary(endpoint, "History.ListExchanges", async (request, caller) => {
      checkMayLook(caller);
      const { alive, target } = request;
      const now = ports.clock.now();
      const { rows, tokens } = await paged(
        "exchanges",
        request.filter,
        (filter) => ports.history.exchanges({ ...filter, alive, now, ...(target === "" ? {} : { target }) }),
        sequenceOf,
      );
      return { exchanges: rows.map(exchangeMessageOf), ...tokens };
    }),
    countRows: unary(endpoint, "History.CountRows", async (request, caller) => {
      checkMayLook(caller);
      return countedRows(request, ports);
    }),
    tellDescendants: serverStreaming(endpoint, "History.TellDescendants", (request, { caller }) => {
      checkMayLook(caller);
      return toldDescendants(request, caller, ports);
    }),
    listGrantUse: unary(endpoint, "History.ListGrantUse", async (request, caller) => {
      checkMayLook(caller);
      return listedGrantUse(request, ports);
    }),
    explain: unary(endpoint, "History.Explain", async ({ decisionId }, caller, ids) => {
      checkMayLook(caller);
      ids["decision_id"] = decisionId;
      return explanationMessageOf(await ports.explainer.explain(decisionId));
    }),
    export: exportHandler(endpoint, ports),
  };
}

/** The state of every registered verifier, one for each of its processes. */
export function verifiersOf(ports: Pick<HistoryPorts, "ledger" | "receipts" | "entries">) {
  const head = ports.ledger.head().sequence;
  const watchers = ports.receipts.watchers();
  return ports.entries
    .all()
    .filter((entry) => isOfKind(entry, "verifier"))
    .flatMap((entry) => {
      const { name, audiences, maxStalenessSeconds } = entry.content;
      const known = { name, audiences: [...audiences], maxStaleness: durationOfSeconds(maxStalenessSeconds) };
      const own = watchers.filter((watcher) => watcher.entryId === entry.entryId);
      if (own.length === 0) return [{ ...known, connected: false, lag: BigInt(head) }];
      return own.map((watcher) => ({
        ...known,
        audiences: [...watcher.audiences],
        connected: watcher.isConnected,
        connectedSince: timestampOfMicros(watcher.connectedSince),
        acknowledgedSequence: BigInt(watcher.acknowledged),
        lag: BigInt(Math.max(0, head - watcher.acknowledged)),
        lastSeen: timestampOfMicros(watcher.lastSeen),
        ...(watcher.process === undefined ? {} : { process: processMessageOf(watcher.process) }),
      }));
    });
}
