import { BrokerError } from "../domain/errors.ts";
import type { Exchange } from "../domain/exchange.ts";
import { type HistoryList, type HistoryTerm, LIFE_SECONDS_MAX } from "../domain/history-filter.ts";
import { LIMITS } from "../domain/limits.ts";
import { formatProcess, type ProcessIdentity } from "../domain/process.ts";
import type { Step } from "../domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../domain/time.ts";
import type { HistoryFilter, HistoryReads, IssuanceRow } from "../ports/ledger-reads.ts";
import { everyUsage } from "./every-usage.ts";
import { historyPage } from "./history-page.ts";
import { createReach, type Reach } from "./reach.ts";

/** From what steps and credentials descend. */
export type Cause =
  | { readonly kind: "step"; readonly stepId: string }
  | { readonly kind: "run"; readonly runId: string }
  | { readonly kind: "entry"; readonly entryId: string }
  | { readonly kind: "process"; readonly process: ProcessIdentity }
  | { readonly kind: "principal"; readonly principalId: string }
  | { readonly kind: "decision"; readonly decisionId: string }
  /** SHA-256 of a SubjectPublicKeyInfo, hexadecimal. */
  | { readonly kind: "key"; readonly sha256: string };

export type DescendantsSummary = {
  readonly steps: number;
  readonly stepsOpen: number;
  readonly credentials: number;
  readonly credentialsLive: number;
  readonly exchanges: number;
  readonly exchangesAlive: number;
  /** When the last credential died, or will; absent where none was ever delivered. */
  readonly lastDiesAt?: UnixMicros;
  readonly audiences: readonly string[];
  /** Reported as served. */
  readonly calls: number;
};

/** One thing that descends; what is told of all of them comes last. */
export type Descendant =
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "issuance"; readonly issuance: IssuanceRow }
  | { readonly kind: "exchange"; readonly exchange: Exchange }
  | { readonly kind: "reach"; readonly reach: Reach }
  | { readonly kind: "summary"; readonly summary: DescendantsSummary };

type Reads = Pick<HistoryReads, "steps" | "issuances" | "exchanges" | "usage" | "decisions" | "span">;
type Opened = Pick<HistoryFilter, "since" | "until">;

/**
 * All that descends from a cause, live and past: the steps that it names with all that was delegated from them, their credentials and
 * secrets of other systems, what they could reach and did use. Of an entry also what it was issued itself. Oldest first.
 *
 * @param opened - when the steps that the cause names were opened.
 * @throws BrokerError LIMIT_EXCEEDED where a cause names more than `LIMITS.causedStepsMax` steps, LEDGER_UNAVAILABLE
 */
export async function* descendants(
  cause: Cause,
  opened: Opened,
  history: Reads,
  now: UnixMicros,
): AsyncGenerator<Descendant, void, void> {
  const descendantsOf = await stepsNamed(cause, opened, history);
  const reach = createReach();
  const audiences = new Set<string>();
  const count = {
    steps: 0,
    stepsOpen: 0,
    credentials: 0,
    credentialsLive: 0,
    exchanges: 0,
    exchangesAlive: 0,
    calls: 0,
  };
  let lastDiesAt: UnixMicros | undefined;

  function countCredential(issuance: IssuanceRow): void {
    const diesAt = deathOf(issuance);
    count.credentials += 1;
    for (const audience of issuance.audiences) audiences.add(audience);
    if (diesAt === undefined) return;
    if (diesAt > now) count.credentialsLive += 1;
    if (lastDiesAt === undefined || diesAt > lastDiesAt) lastDiesAt = diesAt;
  }

  for await (const step of every("steps", { descendantsOf }, history.steps, (one) => one.openedSequence, history)) {
    count.steps += 1;
    if (step.closedSequence === undefined) count.stepsOpen += 1;
    reach.grant(step.grant);
    yield { kind: "step", step };
  }
  const issuances = (filter: HistoryFilter) => history.issuances({ ...filter, now });
  for await (const issuance of every("issuances", { descendantsOf }, issuances, sequenceOf, history)) {
    countCredential(issuance);
    yield { kind: "issuance", issuance };
  }
  if (cause.kind === "entry") {
    const own = { ...opened, terms: [only("entry", cause.entryId)] };
    for await (const issuance of every("issuances", own, issuances, sequenceOf, history)) {
      if (issuance.subject.kind !== "infrastructure") continue;
      countCredential(issuance);
      yield { kind: "issuance", issuance };
    }
  }
  const exchanges = (filter: HistoryFilter) => history.exchanges({ ...filter, now });
  for await (const exchange of every("exchanges", { descendantsOf }, exchanges, sequenceOf, history)) {
    count.exchanges += 1;
    if (isAlive(exchange, now)) count.exchangesAlive += 1;
    yield { kind: "exchange", exchange };
  }
  for await (const usage of everyUsage({ descendantsOf }, history)) {
    reach.use(usage);
    if (usage.outcome === "served") count.calls += usage.calls;
  }
  for (const one of reach.all()) yield { kind: "reach", reach: one };
  const died = lastDiesAt === undefined ? {} : { lastDiesAt };
  yield { kind: "summary", summary: { ...count, ...died, audiences: [...audiences].toSorted() } };
}

/** The ids of the steps that a cause names, without those that were delegated from them. */
async function stepsNamed(cause: Cause, opened: Opened, history: Reads): Promise<readonly string[]> {
  if (cause.kind === "step") return [cause.stepId];
  if (cause.kind === "decision") {
    const [decision] = await history.decisions({ decisionId: cause.decisionId, limit: 1 });
    return decision?.stepId === undefined ? [] : [decision.stepId];
  }
  const ids: string[] = [];
  const filter = { ...opened, terms: [termOf(cause)] };
  for await (const { stepId } of every("steps", filter, history.steps, (one) => one.openedSequence, history)) {
    ids.push(stepId);
    if (ids.length > LIMITS.causedStepsMax) {
      throw new BrokerError("LIMIT_EXCEEDED", `more than ${LIMITS.causedStepsMax} steps: narrow since and until`);
    }
  }
  return ids;
}

/** The steps to close where everything that descends from a decision or a key is to end. */
export async function stepsToClose(
  cause: Extract<Cause, { readonly kind: "decision" | "key" }>,
  history: Reads,
  now: UnixMicros,
): Promise<readonly string[]> {
  if (cause.kind === "decision") return stepsNamed(cause, {}, history);
  const isOpen: HistoryTerm = { field: "outcome", values: ["open", "pending_approval"], isExcluded: false };
  const filter = { since: addMicros(now, -LIFE_SECONDS_MAX * 1_000_000), terms: [termOf(cause), isOpen] };
  const ids: string[] = [];
  for await (const { stepId } of every("steps", filter, history.steps, (one) => one.openedSequence, history)) {
    ids.push(stepId);
  }
  return ids;
}

function termOf(cause: Exclude<Cause, { kind: "step" | "decision" }>): HistoryTerm {
  switch (cause.kind) {
    case "run":
      return only("run", cause.runId);
    case "entry":
      return only("entry", cause.entryId);
    case "process":
      return only("process", formatProcess(cause.process));
    case "principal":
      return only("principal", cause.principalId);
    case "key":
      return only("key", cause.sha256);
  }
}

function only(field: HistoryTerm["field"], value: string): HistoryTerm {
  return { field, values: [value], isExcluded: false };
}

const sequenceOf = ({ sequence }: { readonly sequence: number }) => sequence;

/** Every row of a list that passes a filter, oldest first, page by page. */
async function* every<Row>(
  list: Exclude<HistoryList, "usage">,
  filter: Omit<HistoryFilter, "limit">,
  read: (filter: HistoryFilter) => Promise<readonly Row[]>,
  keyOf: (row: Row) => number,
  history: Pick<HistoryReads, "span">,
): AsyncGenerator<Row, void, void> {
  for (let after: number | undefined = 0; after !== undefined; ) {
    const asked: HistoryFilter = { ...filter, after, oldestFirst: true, limit: LIMITS.pageSizeMax };
    const page = await historyPage(list, asked, read, keyOf, history);
    yield* page.rows;
    after = page.next;
  }
}

/** Exclusive end of the time in which a credential was good; `undefined` for one that nobody was given. */
function deathOf({ undelivered, revokedAt, expiresAt }: IssuanceRow): UnixMicros | undefined {
  if (undelivered) return undefined;
  const end = microsOf(expiresAt);
  return revokedAt !== undefined && revokedAt < end ? revokedAt : end;
}

/** Whether something may be good at the other system. */
function isAlive({ state, endable, expiresAt }: Exchange, now: UnixMicros): boolean {
  return state !== "failed" && state !== "ended" && (endable || microsOf(expiresAt) > now);
}
