import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { createModelApprovals } from "./model-approvals.ts";
import { createModelBounds } from "./model-bounds.ts";
import { createModelCallApprovals, type ModelCallApprovals } from "./model-call-approvals.ts";
import { createModelCalls, type ModelCalls } from "./model-calls.ts";
import { createModelClosings } from "./model-closings.ts";
import { createModelClosures, type ModelClosures } from "./model-closures.ts";
import { createModelCredentials } from "./model-credentials.ts";
import {
  approvalOf,
  createHistory,
  isLiveBut,
  type ModelCredential,
  type ModelStep,
  note,
  openSteps,
  promise,
} from "./model-history.ts";
import { modelOpening } from "./model-openings.ts";
import { createModelPrincipals, type ModelPrincipals } from "./model-principals.ts";
import { createModelRetention, type ModelRetention } from "./model-retention.ts";
import { createModelStreams, type ModelStreams } from "./model-streams.ts";
import { createModelTerms } from "./model-terms.ts";
import { createModelUsage, type ModelUsage } from "./model-usage.ts";

/**
 * What the events say, by rules of its own: sets in memory, told from the contract and not from the tables. Each event
 * is held against all that the broker promises; one that breaks a promise throws.
 */
export type Model = {
  readonly steps: ReadonlyMap<string, ModelStep>;
  readonly credentials: ReadonlyMap<string, ModelCredential>;
  readonly entries: ReadonlyMap<string, RegistrationEntry>;
  readonly principals: Pick<ModelPrincipals, "checkBarred" | "wasBarred">;
  readonly calls: Pick<ModelCalls, "allowed" | "denied">;
  readonly callApprovals: ModelCallApprovals["all"];
  readonly retention: Pick<ModelRetention, "pruned" | "holds">;
  readonly streams: Pick<ModelStreams, "all">;
  readonly closures: Pick<ModelClosures, "reached" | "applied">;
  readonly usage: Pick<ModelUsage, "reported" | "gaps">;
  /** Each names the ledger from its event on. */
  readonly epochs: readonly string[];
  readonly sequence: number;
  /** How often each kind of event was told, and what else is worth counting. */
  readonly seen: Map<string, number>;
  take(event: LedgerEvent, sequence: number): void;
  isLive(credential: ModelCredential, now: UnixMicros): boolean;
  /** Holds every open step against what its entries permit now. */
  checkPermitted(): void;
  /** Holds every open step against what the policies in force permit now. */
  checkJudged(now: UnixMicros): void;
};

export function createModel(): Model {
  const history = createHistory();
  const { steps, credentials, entries, decisions, policies, facts, seen } = history;
  const principals = createModelPrincipals(history);
  const terms = createModelTerms(history, principals);
  const bounds = createModelBounds(history);
  const open = modelOpening(history, { terms, bounds });
  const approvals = createModelApprovals(history, { terms, bounds, principals });
  const closings = createModelClosings(history);
  const closures = createModelClosures(history);
  const callApprovals = createModelCallApprovals(history);
  const retention = createModelRetention(history, callApprovals);
  const streams = createModelStreams(history);
  const calls = createModelCalls(history, callApprovals);
  const signed = createModelCredentials(history);
  const usage = createModelUsage(history);
  const epochs: string[] = [];
  let last = 0;
  let lastType: LedgerEvent["type"] | undefined;

  function stepOf(stepId: string): ModelStep {
    const one = steps.get(stepId);
    promise(one?.state === "OPEN", "only an open step is held or renewed");
    return one;
  }

  function credentialOf(issuanceId: string): ModelCredential {
    const one = credentials.get(issuanceId);
    promise(one !== undefined, "what is said of a credential is said after its record");
    return one;
  }

  return {
    steps,
    credentials,
    entries,
    principals,
    calls,
    callApprovals: callApprovals.all,
    retention,
    streams,
    closures,
    epochs,
    usage,
    seen,
    get sequence() {
      return last;
    },
    checkPermitted() {
      for (const { step } of openSteps(history)) terms.permitted(step);
    },
    checkJudged(now) {
      for (const one of steps.values()) {
        const { step, state } = one;
        const classes = facts.classesAround(step);
        const question = { at: now, stepsOpen: 0, classes, approved: approvalOf(one) };
        promise(state !== "OPEN" || policies.permits(step, question), "no open step holds what the policies forbid");
      }
    },
    isLive: (credential, now) => !credential.undelivered && isLiveBut(credential, now),
    take(event, sequence) {
      promise(sequence === last + 1, "sequences are dense");
      last = sequence;
      note(history, event.type);
      const before = lastType;
      lastType = event.type;
      policies.take(event, sequence);
      principals.take(event, sequence);
      retention.take(event, sequence);
      streams.take(event, sequence);
      switch (event.type) {
        case "epoch.started":
          epochs.push(event.epoch);
          return signed.removeAuthorities();
        case "authority.put":
          return signed.put(event.authority);
        case "authority.tainted":
          return signed.taint(event, sequence);
        case "entry.put":
          return void entries.set(event.entry.entryId, event.entry);
        case "entry.retired":
          return void entries.delete(event.entryId);
        case "decision.made":
          decisions.set(event.decision.decisionId, event.decision);
          return calls.take(event.decision, event.at);
        case "step.opened":
          return open(event.step, event.at, sequence);
        case "step.pending":
          return approvals.wait(event, before, sequence);
        case "step.approved":
          return approvals.approve(event, sequence);
        case "step.refused":
          promise(steps.get(event.stepId)?.state === "PENDING_APPROVAL", "what is refused waited for approval");
          return;
        case "call.pending":
          return callApprovals.wait(event, before);
        case "call.approved":
          return callApprovals.approve(event);
        case "call.refused":
          return callApprovals.refuse(event);
        case "closure.reached":
          return closures.reach(event);
        case "receipts.taken":
          return closures.take(event, sequence);
        case "usage.reported":
          return usage.take(event);
        case "step.held":
          Object.assign(stepOf(event.stepId), { held: true, keeper: event.keeper });
          return;
        case "step.renewed":
          stepOf(event.stepId).leaseExpiresAt = event.leaseExpiresAt;
          return;
        case "steps.judged":
          for (const stepId of event.stepIds) {
            const one = steps.get(stepId);
            promise(one !== undefined && event.through < sequence, "what is judged is a step, on what came before");
            one.judged = event.through;
          }
          return;
        case "step.closed":
          bounds.closing(event);
          return closings.close(event, sequence);
        case "run.barred":
          return terms.bar(event.runId);
        case "issuance.recorded":
          return signed.issue(event.issuance, sequence, event.at);
        case "issuance.undelivered":
          credentialOf(event.issuanceId).undelivered = true;
          return;
        case "issuance.revoked":
          credentialOf(event.issuanceId).revoked = { sequence, at: event.at, reason: event.reason };
          return;
        default:
      }
    },
  };
}
