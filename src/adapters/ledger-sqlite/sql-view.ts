import type { PendingApproval } from "../../domain/approval.ts";
import { treeText } from "../../domain/executor.ts";
import type { Grant } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import { formatProcess, type ProcessIdentity } from "../../domain/process.ts";
import type { FactScope } from "../../domain/run-facts.ts";
import { addMicros, secondsOf, type UnixMicros } from "../../domain/time.ts";
import type {
  BudgetHolder,
  GuardedIssuance,
  GuardedStep,
  LedgerView,
  LiveStep,
  LiveTarget,
  RecordedClose,
} from "../../ledger/view.ts";
import type { Connection, SqlParameters } from "./connection.ts";
import { createPruningView } from "./pruning-view.ts";
import { AUTHORITY, type AuthorityGuardRow } from "./tables/authority-table.ts";
import { CALL_APPROVAL, type CallApprovalGuardRow, guardedCallApprovalOf } from "./tables/call-approval-table.ts";
import { callsCounted } from "./tables/call-table.ts";
import { CLOSURE, type ClosureRow } from "./tables/closure-table.ts";
import { DELEGATION_TOKEN, type DelegationTokenGuardRow } from "./tables/delegation-token-table.ts";
import { ENTRY, type EntryGuardRow, type EntryRow, entryOf } from "./tables/entry-table.ts";
import { EVENT_STREAM } from "./tables/event-stream-table.ts";
import { minuteOf } from "./tables/event-table.ts";
import { JOIN_TOKEN, type JoinTokenGuard, SPENT_EVIDENCE } from "./tables/evidence-table.ts";
import { EXCHANGE } from "./tables/exchange-table.ts";
import { FEDERATION, type FederationRow, federationOf } from "./tables/federation-table.ts";
import { type AcceptableIssuance, ISSUANCE, type IssuanceGuardRow } from "./tables/issuance-table.ts";
import { POLICY, POLICY_SET } from "./tables/policy-table.ts";
import { PRINCIPAL, type PrincipalGuardRow } from "./tables/principal-table.ts";
import { RECEIPT } from "./tables/receipt-table.ts";
import { ownerIn, RUN, type RunGuardRow } from "./tables/run-table.ts";
import { ENROLLED_PROCESS } from "./tables/step-process-table.ts";
import { type BudgetRow, type LiveStepRow, STEP, type StepGuardRow } from "./tables/step-table.ts";
import { guardedToolOf, TOOL, TOOL_DEFINITION, type ToolGuardRow } from "./tables/tool-table.ts";
import { USAGE } from "./tables/usage-table.ts";
import { FACT, RISK } from "./tables/world-table.ts";

/** What rules ask for, in SQL. */
export function createSqlView(db: Connection): LedgerView {
  const step = (sql: string, parameters: SqlParameters) => guardedStepOf(db.get<StepGuardRow>(sql, parameters));
  const count = (sql: string, parameters: SqlParameters = {}) =>
    db.get<{ readonly count: number }>(sql, parameters)?.count ?? 0;
  return {
    ...createPruningView(db),
    run(runId) {
      const row = db.get<RunGuardRow>(RUN.guard, { runId });
      if (row === undefined) return undefined;
      const owner = ownerIn(row);
      return {
        ...(owner === undefined ? {} : { owner }),
        isBarred: row.barredSequence !== null,
        isPrincipalBarred: row.principalBarredAt !== null,
      };
    },
    step: (stepId) => step(STEP.guardById, { stepId }),
    newestAttempt: (runId, name) => step(STEP.guardNewestAttempt, { runId, step: name }),
    stepByRequest: (entryId, process, requestId) =>
      step(STEP.guardByRequest, { entryId, process: formatProcess(process), requestId }),
    liveSteps: (target, at) => liveSteps(db, target, at),
    liveStepsOfExecutor: (process) => count(STEP.liveOfExecutorCount, byProcess(process)),
    isEnrolled: (process) => db.get(ENROLLED_PROCESS.byProcess, { process: formatProcess(process) }) !== undefined,
    lineage: (stepId) => lineageOf(db, stepId),
    callsCounted: (holder) => callsCounted(db, holder),
    callApproval(approvalId) {
      const row = db.get<CallApprovalGuardRow>(CALL_APPROVAL.guard, { approvalId });
      return row === undefined ? undefined : guardedCallApprovalOf(row);
    },
    standingCallApprovals: (stepId, now) =>
      db.all<CallApprovalGuardRow>(CALL_APPROVAL.guardStanding, { stepId, now }).map(guardedCallApprovalOf),
    usageCalls: (entryId, usage) =>
      db.get<{ readonly calls: number }>(USAGE.callsOf, { ...usage, entryId })?.calls ?? 0,
    usageGap: (entryId) => db.get<{ readonly calls: number }>(USAGE.gapOf, { entryId })?.calls ?? 0,
    closeOf(stepId) {
      const sequence = db.get<StepGuardRow>(STEP.guardById, { stepId })?.closedSequence ?? undefined;
      return sequence === undefined ? undefined : db.get<RecordedClose>(STEP.closeAt, { sequence });
    },

    entry(entryId) {
      const row = db.get<EntryGuardRow>(ENTRY.guard, { entryId });
      if (row === undefined) return undefined;
      const { revision, openSteps, disabled, retiredSequence } = row;
      return { revision, openSteps, isDisabled: disabled === 1, isRetired: retiredSequence !== null };
    },
    entryNamed: (kind, name) => db.get<{ readonly entryId: string }>(ENTRY.named, { kind, name })?.entryId,
    entriesCount: () => count(ENTRY.count),
    entriesOf: (kind) => db.all<EntryRow>(ENTRY.ofKind, { kind }).map(entryOf),

    exchange: (exchangeId) => db.get(EXCHANGE.guardById, { exchangeId }),
    standingExchanges(stepId, requestId, now) {
      type Row = { readonly count: number; readonly known: number };
      const row = db.get<Row>(EXCHANGE.guardOfStep, { stepId, requestId, now: secondsOf(now) });
      return { count: row?.count ?? 0, isKnown: (row?.known ?? 0) > 0 };
    },

    issuance: (issuanceId) => guardedIssuanceOf(db.get(ISSUANCE.guardById, { issuanceId })),
    issuanceNamed: (credential) =>
      guardedIssuanceOf(
        "jti" in credential
          ? db.get(ISSUANCE.guardByJti, credential)
          : db.get(ISSUANCE.guardBySerialNumber, credential),
      ),
    delegationToken(jti) {
      const row = db.get<DelegationTokenGuardRow>(DELEGATION_TOKEN.guardByJti, { jti });
      const issuance = guardedIssuanceOf(db.get(ISSUANCE.guardByJti, { jti }));
      if (row === undefined || issuance === undefined) return undefined;
      const { undeliveredSequence, revokedSequence } = issuance;
      return { ...row, isTakenBack: undeliveredSequence !== undefined || revokedSequence !== undefined };
    },
    liveIssuancesOfEntry: (entryId, at) =>
      db.all<{ readonly issuanceId: string }>(ISSUANCE.liveOfEntry, { entryId, at }).map(idOf),
    acceptableIssuances: (authorityId, at) => acceptableOf(db, authorityId, at).map(idOf),
    authority(authorityId) {
      const row = db.get<AuthorityGuardRow>(AUTHORITY.guard, { authorityId });
      return row === undefined ? undefined : { state: row.state, isTainted: row.tainted === 1 };
    },

    policySetNamed: (root) => db.get<{ readonly version: number }>(POLICY_SET.named, { root })?.version,
    policySetRoot: (version) => db.get<{ readonly root: string }>(POLICY_SET.byVersion, { version })?.root,
    newestPolicySet: () => db.get<{ readonly version: number | null }>(POLICY_SET.newest)?.version ?? 0,
    isPolicyKnown: (digest) => db.get(POLICY.byDigest, { digest }) !== undefined,
    policiesInForce: () => db.get(POLICY_SET.guardInForce) ?? { version: 0, sequence: 0 },
    facts: (scope) => db.get(FACT.guard, { scope }),
    risk: (scope) => db.get(RISK.guard, { scope }),
    riskRoseAt: (scopes) =>
      db.get<{ readonly sequence: number }>(RISK.roseAt, { scopes: JSON.stringify(scopes) })?.sequence ?? 0,

    tool(location, tool) {
      const row = db.get<ToolGuardRow>(TOOL.guard, { location, tool });
      return row === undefined ? undefined : guardedToolOf(row);
    },
    toolsAt: (location) => ({
      tools: count(TOOL.countAt, { location }),
      definitions: count(TOOL_DEFINITION.countAt, { location }),
    }),

    principal(principalId) {
      const row = db.get<PrincipalGuardRow>(PRINCIPAL.guard, { principalId });
      if (row === undefined) return undefined;
      const { isBarred, isKept, erasedAt } = row;
      return { isBarred: isBarred === 1, isKept: isKept === 1, ...(erasedAt === null ? {} : { erasedAt }) };
    },
    federation(trustDomain) {
      const row = db.get<FederationRow>(FEDERATION.of, { trustDomain });
      return row === undefined ? undefined : federationOf(row);
    },
    joinToken: (sha256) => db.get<JoinTokenGuard>(JOIN_TOKEN.bySha256, { sha256 }),
    liveJoinTokens: (name, now) => count(JOIN_TOKEN.liveOfName, { name, now }),
    isEvidenceSpent: (sha256) => db.get(SPENT_EVIDENCE.bySha256, { sha256 }) !== undefined,
    closure(closedSequence) {
      const row = db.get<ClosureRow>(CLOSURE.of, { closedSequence });
      return row === undefined ? undefined : row.reachedAt === null ? {} : { reachedAt: row.reachedAt };
    },
    eventStreamOf: (entryId) => db.get<{ readonly streamId: string }>(EVENT_STREAM.ofEntry, { entryId })?.streamId,
    eventsDelivered: (streamId) =>
      db.get<{ readonly delivered: number }>(EVENT_STREAM.deliveredOf, { streamId })?.delivered,
    receipt: (entryId) => db.get<{ readonly sequence: number }>(RECEIPT.of, { entryId })?.sequence,
  };
}

const idOf = ({ issuanceId }: { readonly issuanceId: string }) => issuanceId;

/** A process, and the tree below it. */
function byProcess(identity: ProcessIdentity): { readonly process: string; readonly tree: string } {
  const process = formatProcess(identity);
  return { process, tree: treeText(process) };
}

/** The live steps of a target and their live descendants; a preview of a close reads the same. */
export function liveSteps(db: Connection, target: LiveTarget, at: UnixMicros): readonly LiveStep[] {
  const named = namedLiveSteps(db, target, at);
  const all = new Map(named.map((row) => [row.openedSequence, liveStepOf(row, true)]));
  // The map grows while it is walked: the children of each step are put at its end.
  for (const parentSequence of all.keys()) {
    for (const row of db.all<LiveStepRow>(STEP.liveChildren, { parentSequence, at })) {
      if (!all.has(row.openedSequence)) all.set(row.openedSequence, liveStepOf(row, false));
    }
  }
  return [...all.values()];
}

function namedLiveSteps(db: Connection, target: LiveTarget, at: UnixMicros): readonly LiveStepRow[] {
  switch (target.kind) {
    case "steps":
      return target.stepIds.flatMap((stepId) => db.all<LiveStepRow>(STEP.liveStep, { stepId, at }));
    case "run":
      return db.all(STEP.liveOfRun, { runId: target.runId, at });
    case "entry":
      return db.all(STEP.liveOfEntry, { entryId: target.entryId, at });
    case "process":
      return db.all(STEP.liveOfProcess, { ...byProcess(target.process), at });
    case "principal":
      return db.all(STEP.liveOfPrincipal, { principalId: target.principalId, at });
    case "attempts":
      return db.all(STEP.liveOfAttempts, { runId: target.runId, step: target.step, at });
    case "all":
      return db.all(STEP.liveOfAll, { at });
  }
}

function liveStepOf({ parentStepId, executor, ...row }: LiveStepRow, isNamed: boolean): LiveStep {
  return {
    ...row,
    ...(parentStepId === null ? {} : { parentStepId }),
    ...(executor === null ? {} : { executor }),
    isNamed,
  };
}

/** Parent by parent: no step is delegated more than `LIMITS.delegationDepthMax` times. */
function lineageOf(db: Connection, stepId: string): readonly BudgetHolder[] {
  const lineage: BudgetHolder[] = [];
  let row = db.get<BudgetRow>(STEP.budget, { stepId });
  while (row !== undefined) {
    const { granted, parentStepId, ...step } = row;
    lineage.push({ ...step, grant: JSON.parse(granted) as Grant, calls: callsCounted(db, step.stepId) });
    row = parentStepId === null ? undefined : db.get<BudgetRow>(STEP.budget, { stepId: parentStepId });
  }
  return lineage;
}

/** How long after its expiry a credential may be accepted: the leeway, and the largest clock error still believed. */
const LENIENCE_SECONDS = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;

/**
 * All credentials that an authority signed and that a verifier may still accept at this instant, oldest first.
 * Credentials that were taken back already, by themselves or with their step, are not among them.
 */
export function acceptableOf(db: Connection, authorityId: string, at: UnixMicros): readonly AcceptableIssuance[] {
  const livesSeconds = LIMITS.svidTtlSecondsMax + LENIENCE_SECONDS;
  return db.all<AcceptableIssuance>(ISSUANCE.acceptableOfAuthority, {
    authorityId,
    refusedThrough: secondsOf(at) - LENIENCE_SECONDS,
    sinceMinute: minuteOf(addMicros(at, -livesSeconds * 1_000_000)),
  });
}

function guardedStepOf(row: StepGuardRow | undefined): GuardedStep | undefined {
  if (row === undefined) return undefined;
  const { executor, executable, requestDigest, leaseSeconds, leaseExpiresAt, factScopes, approval } = row;
  return {
    stepId: row.stepId,
    runId: row.runId,
    agent: row.agent,
    judgedSequence: row.judgedSequence,
    attempt: row.attempt,
    state: row.state,
    expiresAt: row.expiresAt,
    openerEntryId: row.openerEntryId,
    isHeld: row.held === 1,
    ...(row.keeper === null ? {} : { keeper: row.keeper }),
    ...(factScopes === null ? {} : { factScopes: JSON.parse(factScopes) as readonly FactScope[] }),
    ...(executor === null ? {} : { executor }),
    ...(executable === null ? {} : { executable }),
    ...(requestDigest === null ? {} : { requestDigest }),
    ...(leaseSeconds === null ? {} : { leaseSeconds }),
    ...(leaseExpiresAt === null ? {} : { leaseExpiresAt }),
    ...(approval === null ? {} : { approval: JSON.parse(approval) as PendingApproval }),
  };
}

function guardedIssuanceOf(row: IssuanceGuardRow | undefined): GuardedIssuance | undefined {
  if (row === undefined) return undefined;
  const { issuanceId, undeliveredSequence, revokedSequence } = row;
  return {
    issuanceId,
    ...(undeliveredSequence === null ? {} : { undeliveredSequence }),
    ...(revokedSequence === null ? {} : { revokedSequence }),
  };
}
