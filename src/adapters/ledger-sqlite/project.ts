import { canonicalText } from "../../domain/canonical-json.ts";
import { withDescendants } from "../../domain/descendants.ts";
import { digestOfIds } from "../../domain/digest.ts";
import type { Grant } from "../../domain/grant.ts";
import {
  type AuthorityTainted,
  answerOf,
  type BundleAccepted,
  type DecisionMade,
  type EpochStarted,
  type IssuanceRecorded,
  type IssuanceRevoked,
  type IssuanceUndelivered,
  type LedgerEvent,
  type PolicySetActivated,
  type PolicySetListed,
  type PolicySetPut,
  type ReceiptsTaken,
  type RiskSet,
  type StepApproved,
  type StepClosed,
  type StepHeld,
  type StepOpened,
  type StepPending,
  type StepRefused,
  type StepRenewed,
  type StepsJudged,
  type UsageReported,
} from "../../domain/ledger-event.ts";
import { ownerOf } from "../../domain/owner.ts";
import { formatProcess, isRemote } from "../../domain/process.ts";
import { isRiskier } from "../../domain/risk.ts";
import { factScopesOf } from "../../domain/run-facts.ts";
import { descendantState, hasExpired, permits } from "../../domain/step.ts";
import { secondsOf, type UnixMicros } from "../../domain/time.ts";
import type { Connection } from "./connection.ts";
import { answerCall, pendCall, useApproval } from "./project-call-approvals.ts";
import { createJoinToken, revokeJoinTokens, spendEvidence } from "./project-evidence.ts";
import { answerExchange, endExchange, intendExchange } from "./project-exchanges.ts";
import { countClosed, countedStepOf, countGrant, countWaiting, type ScopesRow } from "./project-facts.ts";
import { placeHold, pruneEvents, takeSnapshot } from "./project-retention.ts";
import { acceptTool, changeTool, forgetTool, seeTool } from "./project-tools.ts";
import { ProjectionMismatch } from "./projection-mismatch.ts";
import { acceptableOf } from "./sql-view.ts";
import { AUTHORITY, parametersOfAuthority } from "./tables/authority-table.ts";
import { CALL } from "./tables/call-table.ts";
import { CLOSURE } from "./tables/closure-table.ts";
import { DECISION, parametersOfDecision } from "./tables/decision-table.ts";
import { DELEGATION_TOKEN } from "./tables/delegation-token-table.ts";
import { ENTRY, parametersOfEntry } from "./tables/entry-table.ts";
import { EVENT_STREAM } from "./tables/event-stream-table.ts";
import { EPOCH } from "./tables/event-table.ts";
import { JOIN_TOKEN, SPENT_EVIDENCE } from "./tables/evidence-table.ts";
import { FEDERATION } from "./tables/federation-table.ts";
import { type HeldByStep, ISSUANCE, type IssuanceSubject, parametersOfIssuance } from "./tables/issuance-table.ts";
import { POLICY, POLICY_SET } from "./tables/policy-table.ts";
import { PRINCIPAL } from "./tables/principal-table.ts";
import { RECEIPT } from "./tables/receipt-table.ts";
import { LEGAL_HOLD } from "./tables/retention-table.ts";
import { REVOCATION } from "./tables/revocation-table.ts";
import { RUN } from "./tables/run-table.ts";
import { parametersOfStatusList, STATUS_LIST } from "./tables/status-list-table.ts";
import { ENROLLED_PROCESS, STEP_OPENER } from "./tables/step-process-table.ts";
import { type ClosingRow, parametersOfOpened, STEP } from "./tables/step-table.ts";
import { USAGE } from "./tables/usage-table.ts";
import { RISK, type RiskGuardRow } from "./tables/world-table.ts";

type EventOf<Type extends LedgerEvent["type"]> = Extract<LedgerEvent, { readonly type: Type }>;

const PROJECTIONS: {
  readonly [Type in LedgerEvent["type"]]: (db: Connection, event: EventOf<Type>, sequence: number) => void;
} = {
  "epoch.started": startEpoch,
  "entry.put": (db, event, sequence) => void db.run(ENTRY.put, parametersOfEntry(event, sequence)),
  "entry.retired": (db, { entryId }, sequence) => {
    db.run(ENTRY.retire, { entryId, sequence });
    db.run(EVENT_STREAM.endOfEntry, { entryId });
  },
  "decision.made": makeDecision,
  "step.opened": openStep,
  "step.pending": waitStep,
  "step.approved": approveStep,
  "step.refused": refuseStep,
  "step.held": holdStep,
  "step.renewed": renewStep,
  "step.closed": closeSteps,
  "call.pending": pendCall,
  "call.approved": answerCall,
  "call.refused": answerCall,
  "process.enrolled": (db, { process }, sequence) => void db.run(ENROLLED_PROCESS.insert, { process, sequence }),
  "run.barred": (db, { runId }, sequence) => void db.run(RUN.bar, { runId, sequence }),
  "issuance.recorded": recordIssuance,
  "issuance.undelivered": markUndelivered,
  "issuance.revoked": revokeIssuance,
  "exchange.intended": intendExchange,
  "exchange.answered": answerExchange,
  "exchange.ended": endExchange,
  "authority.put": (db, { authority }, sequence) =>
    void db.run(AUTHORITY.put, parametersOfAuthority(authority, sequence)),
  "authority.tainted": taintAuthority,
  "federation.put": (db, { relationship }) =>
    void db.run(FEDERATION.put, {
      trustDomain: relationship.trustDomain,
      relationship: canonicalText(relationship),
    }),
  "federation.ended": (db, { trustDomain }) => void db.run(FEDERATION.end, { trustDomain }),
  "bundle.accepted": acceptBundle,
  "join_token.created": createJoinToken,
  "join_token.revoked": revokeJoinTokens,
  "join_token.spent": (db, { sha256 }) => void db.run(JOIN_TOKEN.spend, { sha256 }),
  "evidence.spent": spendEvidence,
  "principal.offboarded": (db, { principalId, at }, sequence) =>
    void db.run(PRINCIPAL.bar, { principalId, at, sequence }),
  "principal.readmitted": (db, { principalId }) => void db.run(PRINCIPAL.readmit, { principalId }),
  "principal.erased": (db, { principalId, at }) => void db.run(PRINCIPAL.erase, { principalId, at }),
  "receipts.taken": takeReceipts,
  "closure.reached": (db, { closedSequence, at }) => void db.run(CLOSURE.insert, { closedSequence, reachedAt: at }),
  "policy.put": (db, { digest, policy }) => void db.run(POLICY.insert, { digest, ...policy }),
  "policy_set.listed": listPolicies,
  "policy_set.put": putPolicySet,
  "policy_set.activated": activatePolicySet,
  "risk.set": setRisk,
  "steps.judged": judgeSteps,
  "tool.seen": seeTool,
  "tool.changed": changeTool,
  "tool.accepted": acceptTool,
  "tool.forgotten": forgetTool,
  "usage.reported": reportUsage,
  "event_stream.put": (db, { stream }, sequence) =>
    void db.run(EVENT_STREAM.put, {
      streamId: stream.streamId,
      entryId: stream.entryId,
      stream: canonicalText(stream),
      sequence,
    }),
  "event_stream.ended": (db, { streamId }) => void db.run(EVENT_STREAM.end, { streamId }),
  "events.delivered": (db, { streams }) => {
    for (const one of streams) db.run(EVENT_STREAM.deliver, one);
  },
  "security_event.taken": (db, { event: { sha256 }, expiresAt, at }) => {
    db.run(SPENT_EVIDENCE.forget, { now: secondsOf(at) });
    db.run(SPENT_EVIDENCE.insert, { sha256, expiresAt });
  },
  "snapshot.taken": takeSnapshot,
  "events.pruned": pruneEvents,
  "hold.placed": placeHold,
  "hold.lifted": (db, { holdId }) => void db.run(LEGAL_HOLD.delete, { holdId }),
  // In the log alone.
  "operator.acted": () => undefined,
};

/**
 * Writes what follows from an event into the tables. The projection looks only at the event and at what the events
 * before it left in the tables, so that replaying the log gives the same tables.
 */
export function project<Event extends LedgerEvent>(db: Connection, event: Event, sequence: number): void {
  const write = PROJECTIONS[event.type] as (db: Connection, event: Event, sequence: number) => void;
  write(db, event, sequence);
}

function startEpoch(db: Connection, event: EpochStarted, sequence: number): void {
  db.run(EPOCH.insert, { sequence, epoch: event.epoch, reason: event.reason, at: event.at });
  db.run(AUTHORITY.removeAll, { since: secondsOf(event.at) });
  // A join token that was spent since the backup was made would be good again.
  db.run(JOIN_TOKEN.removeAll);
}

function acceptBundle(db: Connection, { trustDomain, bundle, at }: BundleAccepted, sequence: number): void {
  const { document, sequence: counted = null } = bundle;
  const changed = db.run(FEDERATION.accept, { trustDomain, document, sequence: counted, acceptedAt: at });
  if (changed !== 1) throw new ProjectionMismatch(sequence);
}

function makeDecision(db: Connection, event: DecisionMade, sequence: number): void {
  db.run(DECISION.insert, parametersOfDecision(event, sequence));
  if (event.decision.stepId !== undefined) db.run(DECISION.linkToStep, { sequence });
  const { call, effect, decisionId } = event.decision;
  for (const { holder, element } of call?.counted ?? []) db.run(CALL.count, { holder, element });
  if (call?.approvalId === undefined || effect !== "allow") return;
  useApproval(db, { approvalId: call.approvalId, decisionId }, sequence);
}

function openStep(db: Connection, event: StepOpened, sequence: number): void {
  putStep(db, event, sequence);
  countGrant(db, { runId: event.step.runId, scopes: factScopesOf(event.step) }, event.step.grant);
}

function waitStep(db: Connection, event: StepPending, sequence: number): void {
  putStep(db, event, sequence);
  countWaiting(db, factScopesOf(event.step));
}

/** What holds of a step that is open, and of one that waits to be, which counts as granted nothing. */
function putStep(db: Connection, event: StepOpened | StepPending, sequence: number): void {
  const { step, at } = event;
  const { principal } = step;
  const { entryId, machine = null } = ownerOf(step);
  db.run(RUN.claim, { runId: step.runId, entryId, machine, principalId: principal?.principalId ?? null });
  if (principal !== undefined) db.run(PRINCIPAL.seen, { ...principal, sequence, at });
  db.run(STEP.insert, parametersOfOpened(event, sequence));
  db.run(STEP.insertEvent, { stepSequence: sequence, sequence });
  db.run(DECISION.linkOpening, { stepSequence: sequence, decisionId: step.decisionId });
  db.run(ENTRY.countOpened, { entryId: step.openerEntryId });
  if (!isRemote(step.opener)) db.run(STEP_OPENER.insert, { process: formatProcess(step.opener), sequence });
  if (step.delegationJti === undefined) return;
  if (db.run(DELEGATION_TOKEN.use, { jti: step.delegationJti }) !== 1) throw new ProjectionMismatch(sequence);
}

function approveStep(db: Connection, event: StepApproved, sequence: number): void {
  const { stepId, decisionId, expiresAt, at } = event;
  const step = db.get<ScopesRow & { readonly sequence: number; readonly granted: string }>(STEP.approvedOf, { stepId });
  const answer = answerText(event, true);
  const changed = db.run(STEP.approve, { stepId, decisionId, expiresAt, at, sequence, answer });
  if (step === undefined || changed !== 1) throw new ProjectionMismatch(sequence);
  db.run(STEP.insertEvent, { stepSequence: step.sequence, sequence });
  countGrant(db, countedStepOf(step), JSON.parse(step.granted) as Grant);
}

function refuseStep(db: Connection, event: StepRefused, sequence: number): void {
  const changed = db.run(STEP.refuse, { stepId: event.stepId, answer: answerText(event, false) });
  if (changed !== 1) throw new ProjectionMismatch(sequence);
  concernStep(db, event, sequence);
}

function answerText(event: StepApproved | StepRefused, approved: boolean): string {
  return canonicalText(answerOf(event, approved));
}

function listPolicies(db: Connection, { version, digests }: PolicySetListed, sequence: number): void {
  for (const digest of digests) {
    if (db.get(POLICY.byDigest, { digest }) === undefined) throw new ProjectionMismatch(sequence);
    db.run(POLICY_SET.list, { version, digest });
  }
}

function putPolicySet(db: Connection, { set, at }: PolicySetPut, sequence: number): void {
  const listed = db.get<{ readonly count: number }>(POLICY_SET.membersCount, { version: set.version });
  if (listed?.count !== set.count) throw new ProjectionMismatch(sequence);
  db.run(POLICY_SET.insert, { ...set, dataClasses: canonicalText(set.dataClasses), putAt: at });
}

function activatePolicySet(db: Connection, event: PolicySetActivated, sequence: number): void {
  const { version, reason, by, at } = event;
  const changed = db.run(POLICY_SET.activate, { version, sequence, activatedAt: at });
  if (version !== 0 && changed !== 1) throw new ProjectionMismatch(sequence);
  db.run(POLICY_SET.putInForce, { version, sequence, actor: canonicalText(by), reason, activatedAt: at });
}

function setRisk(db: Connection, { scope, level, expiresAt, reason, at }: RiskSet, sequence: number): void {
  const before = db.get<RiskGuardRow>(RISK.guard, { scope });
  const known = before === undefined || hasExpired(before.expiresAt, at) ? "low" : before.level;
  const risenSequence = isRiskier(level, known) ? sequence : (before?.risenSequence ?? 0);
  db.run(RISK.put, { scope, level, expiresAt, reason, sequence, risenSequence });
}

function judgeSteps(db: Connection, { through, stepIds }: StepsJudged, sequence: number): void {
  for (const stepId of stepIds) {
    if (db.run(STEP.judge, { stepId, through }) !== 1) throw new ProjectionMismatch(sequence);
  }
}

function holdStep(db: Connection, event: StepHeld, sequence: number): void {
  db.run(STEP.hold, { stepId: event.stepId, keeper: event.keeper ?? null });
  concernStep(db, event, sequence);
}

function renewStep(db: Connection, event: StepRenewed, sequence: number): void {
  db.run(STEP.renew, { stepId: event.stepId, leaseExpiresAt: event.leaseExpiresAt });
  concernStep(db, event, sequence);
}

function closeSteps(db: Connection, event: StepClosed, sequence: number): void {
  const root = db.get<ClosingRow>(STEP.closing, { stepId: event.stepId });
  if (root === undefined) throw new ProjectionMismatch(sequence);
  const subtree = withDescendants(root, ({ sequence: parentSequence }) =>
    db.all<ClosingRow>(STEP.closingChildren, { parentSequence }),
  );
  const digest = digestOfIds(subtree.map(({ stepId }) => stepId));
  if (subtree.length !== event.count || digest !== event.digest) throw new ProjectionMismatch(sequence);
  const { reason, at } = event;
  for (const step of subtree) {
    const state = step === root ? event.state : descendantState(event.state);
    const { latestExpiry, concernsAll, live } = heldByStep(db, step.sequence, at);
    const closed = { state, closedSequence: sequence, closedAt: at, reason, revoked: live };
    db.run(STEP.close, { sequence: step.sequence, decisionId: event.decisionId ?? null, ...closed });
    // A step that was never approved was never counted.
    if (permits(step.state)) countClosed(db, countedStepOf(step));
    db.run(STEP.insertEvent, { stepSequence: step.sequence, sequence });
    db.run(ENTRY.countClosed, { entryId: step.openerEntryId });
    // Of a step that never had a credential, nobody can present anything.
    if (latestExpiry === null || concernsAll === null) continue;
    const subject = { subject: "step", subjectSequence: step.sequence };
    db.run(REVOCATION.insert, { ...subject, sequence, reason, state, latestExpiry, concernsAll });
  }
}

/** What a step holds, as a close at this instant finds it. */
function heldByStep(db: Connection, stepSequence: number, at: UnixMicros): HeldByStep {
  const held = db.get<HeldByStep>(ISSUANCE.heldByStep, { stepSequence, at });
  return held ?? { latestExpiry: null, concernsAll: null, live: 0 };
}

function recordIssuance(db: Connection, event: IssuanceRecorded, sequence: number): void {
  const { issuance, executable } = event;
  const { subject } = issuance;
  if (subject.kind === "infrastructure") {
    db.run(ISSUANCE.insert, parametersOfIssuance(event, sequence, null));
    return;
  }
  const stepSequence = stepSequenceOf(db, subject.stepId, sequence);
  db.run(ISSUANCE.insert, parametersOfIssuance(event, sequence, stepSequence));
  db.run(STEP.insertEvent, { stepSequence, sequence });
  const list = parametersOfStatusList(event, sequence);
  if (list !== undefined) db.run(STATUS_LIST.begin, list);
  if (issuance.delegation !== undefined) db.run(DELEGATION_TOKEN.insert, { sequence, ...issuance.delegation });
  if (executable !== undefined) db.run(STEP.pinExecutable, { stepId: subject.stepId, executable });
}

function markUndelivered(db: Connection, event: IssuanceUndelivered, sequence: number): void {
  db.run(ISSUANCE.markUndelivered, { issuanceId: event.issuanceId, sequence });
  concernIssuance(db, event, sequence);
}

function revokeIssuance(db: Connection, event: IssuanceRevoked, sequence: number): void {
  takeBack(db, { ...issuanceOf(db, event.issuanceId, sequence), issuanceId: event.issuanceId }, event, sequence);
}

function taintAuthority(db: Connection, event: AuthorityTainted, sequence: number): void {
  const issuances = acceptableOf(db, event.authorityId, event.at);
  const digest = digestOfIds(issuances.map(({ issuanceId }) => issuanceId));
  if (issuances.length !== event.count || digest !== event.digest) throw new ProjectionMismatch(sequence);
  if (db.run(AUTHORITY.taint, { authorityId: event.authorityId }) !== 1) throw new ProjectionMismatch(sequence);
  for (const issuance of issuances) takeBack(db, issuance, event, sequence);
}

/** Takes back one credential; an event takes back one or many. */
function takeBack(
  db: Connection,
  issuance: IssuanceSubject & { readonly issuanceId: string },
  { reason, at }: IssuanceRevoked | AuthorityTainted,
  sequence: number,
): void {
  db.run(ISSUANCE.revoke, { issuanceId: issuance.issuanceId, sequence, at, reason });
  db.run(REVOCATION.insert, {
    sequence,
    subject: "issuance",
    subjectSequence: issuance.sequence,
    reason,
    state: "REVOKED",
    latestExpiry: issuance.expiresAt,
    // Only JWT-SVIDs and transaction tokens have an audience; any other credential may be presented anywhere.
    concernsAll: issuance.kind === "jwt-svid" || issuance.kind === "txn-token" ? 0 : 1,
  });
  if (issuance.stepSequence !== null) db.run(STEP.insertEvent, { stepSequence: issuance.stepSequence, sequence });
}

function takeReceipts(db: Connection, event: ReceiptsTaken, _sequence: number): void {
  for (const { entryId, sequence, signed } of event.receipts) {
    const text = signed === undefined ? null : canonicalText(signed);
    db.run(RECEIPT.put, { entryId, sequence, at: event.at, signed: text });
  }
}

function reportUsage(db: Connection, { entryId, usages, gap, at }: UsageReported, sequence: number): void {
  for (const usage of usages) {
    if (db.run(USAGE.put, { ...usage, entryId, at }) !== 1) throw new ProjectionMismatch(sequence);
  }
  if (gap > 0) db.run(USAGE.putGap, { entryId, gap });
}

function concernStep(db: Connection, event: StepHeld | StepRenewed | StepRefused, sequence: number): void {
  db.run(STEP.insertEvent, { stepSequence: stepSequenceOf(db, event.stepId, sequence), sequence });
}

function concernIssuance(db: Connection, event: IssuanceUndelivered, sequence: number): void {
  const { stepSequence } = issuanceOf(db, event.issuanceId, sequence);
  if (stepSequence !== null) db.run(STEP.insertEvent, { stepSequence, sequence });
}

function stepSequenceOf(db: Connection, stepId: string, sequence: number): number {
  const step = db.get<{ readonly sequence: number }>(STEP.sequenceOf, { stepId });
  if (step === undefined) throw new ProjectionMismatch(sequence);
  return step.sequence;
}

function issuanceOf(db: Connection, issuanceId: string, sequence: number): IssuanceSubject {
  const issuance = db.get<IssuanceSubject>(ISSUANCE.subjectById, { issuanceId });
  if (issuance === undefined) throw new ProjectionMismatch(sequence);
  return issuance;
}
