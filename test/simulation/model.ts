import { AUTHORITY_STATES, type Authority } from "../../src/domain/authority.ts";
import type { Decision } from "../../src/domain/decision.ts";
import { isWithin, narrowTo } from "../../src/domain/grant.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { AuthorityTainted, LedgerEvent, StepClosed } from "../../src/domain/ledger-event.ts";
import { sameProcess } from "../../src/domain/process.ts";
import type { AgentContent, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { RevocationReason } from "../../src/domain/revocation.ts";
import { factScopesOf } from "../../src/domain/run-facts.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { audiencesOf, type StepState } from "../../src/domain/step.ts";
import { addMicros, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { createModelPolicies } from "./model-policies.ts";

export type ModelStep = {
  readonly step: OpenedStep;
  state: StepState;
  held: boolean;
  leaseExpiresAt: UnixMicros | undefined;
  /** Up to which sequence what was decided of it takes account of what happened. */
  judged: number;
  closed: { readonly sequence: number; readonly at: UnixMicros; readonly reason: RevocationReason } | undefined;
};

export type ModelCredential = {
  readonly record: IssuanceRecord;
  readonly sequence: number;
  readonly stepId: string;
  undelivered: boolean;
  revoked: { readonly sequence: number; readonly at: UnixMicros; readonly reason: RevocationReason } | undefined;
};

/**
 * What the events say, by rules of its own: sets in memory, told from the contract and not from the tables. Each event
 * is held against all that the broker promises; one that breaks a promise throws.
 */
export type Model = {
  readonly steps: ReadonlyMap<string, ModelStep>;
  readonly credentials: ReadonlyMap<string, ModelCredential>;
  readonly sequence: number;
  /** Steps that were judged anew, and steps that policy closed. */
  readonly judgements: { readonly permitted: number; readonly closed: number };
  take(event: LedgerEvent, sequence: number): void;
  isLive(credential: ModelCredential, now: UnixMicros): boolean;
  /** Holds every open step against what its entries permit now. */
  checkPermitted(): void;
  /** Holds every open step against what the policies in force permit now. */
  checkJudged(now: UnixMicros): void;
};

export function promise(isKept: boolean, sentence: string): asserts isKept {
  if (!isKept) throw new Error(`broken: ${sentence}`);
}

export function createModel(): Model {
  const steps = new Map<string, ModelStep>();
  const credentials = new Map<string, ModelCredential>();
  const entries = new Map<string, RegistrationEntry>();
  const decisions = new Map<string, Decision>();
  const authorities = new Map<string, Authority["state"]>();
  const owners = new Map<string, string>();
  const barred = new Set<string>();
  const uses = new Map<string, number>();
  const names = new Set<string>();
  const policies = createModelPolicies();
  const judgements = { permitted: 0, closed: 0 };
  let last = 0;

  function openSubtree(stepId: string): readonly ModelStep[] {
    const root = steps.get(stepId);
    if (root?.state !== "OPEN") return [];
    const children = [...steps.values()].filter((one) => one.step.parentStepId === stepId);
    return [root, ...children.flatMap((one) => openSubtree(one.step.stepId))];
  }

  function inForce(entryId: string): RegistrationEntry {
    const entry = entries.get(entryId);
    promise(entry !== undefined && !entry.disabled, "nothing is granted by an entry that is disabled or gone");
    return entry;
  }

  /** What the agent's entry says, all of which the step is within. */
  function permitted(step: OpenedStep): AgentContent {
    const { content } = inForce(step.agentEntryId);
    const opener = inForce(step.openerEntryId).content;
    const mayOpen =
      opener.kind === "runtime"
        ? opener.agents.includes(step.agent)
        : opener.kind === "agent" && opener.mayOpen && opener.name === step.agent;
    promise(mayOpen, "a step is opened by who may");
    promise(content.kind === "agent" && isWithin(step.grant, content.ceiling), "a grant is within the ceiling");
    promise(
      step.audiences.every((one) => content.audiences.includes(one)),
      "audiences are the entry's",
    );
    promise(step.executor.kind !== "any" || content.allowAnyExecutor, "any executor is allowed by the entry");
    return content;
  }

  function open(step: OpenedStep, at: UnixMicros, sequence: number): void {
    const { stepId, runId, parentStepId } = step;
    const agent = permitted(step);
    const parent = parentStepId === undefined ? undefined : steps.get(parentStepId);
    promise(microsOf(step.expiresAt) >= addMicros(at, 10_000_000), "a step has ten seconds at least");
    promise(microsOf(step.expiresAt) <= addMicros(at, (agent.stepSecondsMax + 1) * 1_000_000), "nor more than allowed");
    if (parentStepId !== undefined) {
      promise(parent?.state === "OPEN", "a child is opened under an open parent");
      promise(isWithin(step.grant, parent.step.grant), "a child is granted no more than its parent");
      promise(
        step.audiences.every((one) => audiencesOf(parent.step).includes(one)),
        "nor for an audience that its parent has not",
      );
      promise(step.expiresAt <= parent.step.expiresAt, "nor for longer");
      delegated(step, parent.step, at);
    }
    promise(step.depth === (parent === undefined ? 0 : parent.step.depth + 1) && step.depth <= 8, "depth is counted");
    promise(!barred.has(runId), "a run that was revoked stays barred");
    const owner = owners.get(runId) ?? step.openerEntryId;
    promise(owner === step.openerEntryId || parent?.step.runId === runId, "a run is its first opener's");
    owners.set(runId, owner);
    const attempts = [...steps.values()].filter((one) => one.step.runId === runId && one.step.step === step.step);
    promise(
      attempts.every((one) => one.state !== "OPEN"),
      "one attempt of a step is open",
    );
    promise(
      attempts.every((one) => one.step.attempt < step.attempt),
      "a later attempt has the higher number",
    );
    const decision = decisions.get(step.decisionId);
    promise(decision?.effect === "allow" && decision.stepId === stepId, "a step is opened by an allow of its own");
    promise(isWithin(step.grant, decision.requested), "a grant is within the request");
    const openIn = factScopesOf(step).map((scope) => {
      const all = [...steps.values()];
      return all.filter((one) => one.state === "OPEN" && factScopesOf(one.step).includes(scope)).length;
    });
    const stepsOpen = openIn.reduce((sum, count) => sum + count, 0);
    promise(
      policies.permits(step, decision.decidedAt, stepsOpen),
      "what is opened is permitted by the policies in force",
    );
    const leaseExpiresAt = step.leaseSeconds === undefined ? undefined : addMicros(at, step.leaseSeconds * 1_000_000);
    steps.set(stepId, { step, state: "OPEN", held: false, leaseExpiresAt, judged: sequence, closed: undefined });
  }

  /** Who opens a child has a part in the parent, or a token that was made for it. */
  function delegated(
    { delegationJti, openerEntryId, opener, grant }: OpenedStep,
    parent: OpenedStep,
    at: UnixMicros,
  ): void {
    if (delegationJti === undefined) {
      const isExecutor = parent.executor.kind === "process" && sameProcess(parent.executor.process, opener);
      promise(isExecutor || parent.openerEntryId === openerEntryId, "nobody else opens a child by the parent's id");
      return;
    }
    const token = [...credentials.values()].find(({ record }) => record.jti === delegationJti);
    const { record } = token ?? {};
    promise(token !== undefined && record?.delegation !== undefined, "a delegation token was recorded as one");
    promise(token.stepId === parent.stepId, "it opens below its own step");
    promise(record.delegation.runtimeEntryId === openerEntryId, "it is used by the runtime that it names alone");
    promise(!token.undelivered && isLiveBut(token, at), "nobody is let in by a token that is over, taken back or lost");
    promise(isWithin(grant, record.grant), "a child is granted no more than the token passes on");
    const used = uses.get(delegationJti) ?? 0;
    promise(used < record.delegation.usesMax, "no token is used more often than it says");
    uses.set(delegationJti, used + 1);
  }

  function close(event: StepClosed, sequence: number): void {
    const { at, reason, state, by } = event;
    const subtree = openSubtree(event.stepId);
    const [root] = subtree;
    promise(root !== undefined, "what is closed was open");
    promise(event.count === subtree.length, "a close takes the live descendants along, all of them and no others");
    if (by.kind === "broker" && by.cause === "policy") {
      judgements.closed += 1;
      const decision = decisions.get(event.decisionId ?? "");
      promise(
        decision?.stepId === event.stepId && decision.effect === "deny",
        "what policy closes has a deny of its own",
      );
      promise(
        !policies.permits(root.step, decision.decidedAt, openBeside(root)),
        "policy closes what it does not permit",
      );
    }
    if (by.kind === "broker" && by.cause === "expiry")
      promise(at >= microsOf(root.step.expiresAt), "expired means expired");
    if (by.kind === "broker" && by.cause === "lease")
      promise(at >= (root.leaseExpiresAt ?? Infinity), "so does lapsed");
    if (by.kind === "broker" && by.cause === "hold") promise(root.held, "only what was held needs a hold");
    let revoked = 0;
    for (const one of subtree) {
      const isOutcome = state === "COMPLETED" || state === "FAILED";
      one.state = one !== root && isOutcome ? "CANCELLED" : state;
      one.closed = { sequence, at, reason };
      for (const credential of credentials.values()) {
        if (credential.stepId !== one.step.stepId || !isLiveBut(credential, at)) continue;
        credential.revoked = { sequence, at, reason };
        revoked += credential.undelivered ? 0 : 1;
      }
    }
    promise(event.revoked === revoked, "a close says how many credentials it took back");
  }

  /** How many open steps a step's judge counts beside it, in each of its scopes. */
  function openBeside({ step }: ModelStep): number {
    const counts = factScopesOf(step).map((scope) => {
      const all = [...steps.values()];
      return all.filter((one) => one.step !== step && one.state === "OPEN" && factScopesOf(one.step).includes(scope))
        .length;
    });
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Not yet expired nor revoked. */
  const isLiveBut = ({ record, revoked }: ModelCredential, at: UnixMicros) =>
    revoked === undefined && microsOf(record.expiresAt) > at;

  function issue(record: IssuanceRecord, sequence: number, at: UnixMicros): void {
    promise(record.subject.kind === "step", "agents get credentials for steps alone");
    const { stepId } = record.subject;
    const one = steps.get(stepId);
    promise(one?.state === "OPEN", "nothing is recorded for a step that is not open");
    const { step } = one;
    promise(policies.roseAt(step) <= one.judged, "nothing is issued after a rise of risk until the step was judged");
    promise(record.expiresAt <= step.expiresAt, "no credential outlives its step");
    promise(microsOf(record.expiresAt) > at, "nor has it expired when it is made");
    promise(record.spiffeId === step.spiffeId, "its identity is the step");
    inForce(step.agentEntryId);
    promise(authorities.get(record.authorityId) === "active", "only an active authority signs");
    if (record.delegation !== undefined) {
      promise(inForce(record.delegation.runtimeEntryId).content.kind === "runtime", "a step is delegated to a runtime");
      promise(isWithin(record.grant, step.grant), "a token passes on no more than its step has");
      promise(record.audiences.join() === "spiffe://example.org/stint/server", "and is for the broker alone");
    }
    for (const audience of record.delegation === undefined ? record.audiences : []) {
      promise(audiencesOf(step).includes(audience), "its audience is one of the step's");
      promise(isWithin(record.grant, narrowTo(step.grant, audience)), "it grants no more than the step at that place");
    }
    const own = [record.issuanceId, record.toBeSignedSha256, record.jti ?? record.serialNumber ?? ""];
    promise(
      own.every((name) => name !== "" && !names.has(name)),
      "no two credentials share a name or their bytes",
    );
    for (const name of own) names.add(name);
    credentials.set(record.issuanceId, { record, sequence, stepId, undelivered: false, revoked: undefined });
  }

  function taint({ authorityId, reason, count, at }: AuthorityTainted, sequence: number): void {
    // A verifier may accept it for ten seconds after its expiry.
    const accepted = [...credentials.values()].filter(
      ({ record, stepId, revoked, undelivered }) =>
        record.authorityId === authorityId &&
        microsOf(record.expiresAt) > addMicros(at, -10_000_000) &&
        revoked === undefined &&
        !undelivered &&
        steps.get(stepId)?.closed === undefined,
    );
    promise(count === accepted.length, "all that a tainted authority signed is taken back");
    for (const credential of accepted) credential.revoked = { sequence, at, reason };
  }

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
    judgements,
    get sequence() {
      return last;
    },
    checkPermitted() {
      for (const { step, state } of steps.values()) if (state === "OPEN") permitted(step);
    },
    checkJudged(now) {
      for (const { step, state } of steps.values()) {
        promise(state !== "OPEN" || policies.permits(step, now, 0), "no open step holds what the policies forbid");
      }
    },
    isLive: (credential, now) => !credential.undelivered && isLiveBut(credential, now),
    take(event, sequence) {
      promise(sequence === last + 1, "sequences are dense");
      last = sequence;
      policies.take(event, sequence);
      switch (event.type) {
        case "epoch.started":
          for (const authorityId of authorities.keys()) authorities.set(authorityId, "removed");
          return;
        case "authority.put":
          promise(
            AUTHORITY_STATES.indexOf(event.authority.state) >=
              AUTHORITY_STATES.indexOf(authorities.get(event.authority.authorityId) ?? "prepared"),
            "an authority's life only goes forward",
          );
          return void authorities.set(event.authority.authorityId, event.authority.state);
        case "authority.tainted":
          return taint(event, sequence);
        case "entry.put":
          return void entries.set(event.entry.entryId, event.entry);
        case "entry.retired":
          return void entries.delete(event.entryId);
        case "decision.made":
          return void decisions.set(event.decision.decisionId, event.decision);
        case "step.opened":
          return open(event.step, event.at, sequence);
        case "step.held":
          stepOf(event.stepId).held = true;
          return;
        case "step.renewed":
          stepOf(event.stepId).leaseExpiresAt = event.leaseExpiresAt;
          return;
        case "steps.judged":
          for (const stepId of event.stepIds) {
            const one = steps.get(stepId);
            promise(one !== undefined && event.through < sequence, "what is judged is a step, on what came before");
            one.judged = event.through;
            judgements.permitted += 1;
          }
          return;
        case "step.closed":
          return close(event, sequence);
        case "run.barred":
          return void barred.add(event.runId);
        case "issuance.recorded":
          return issue(event.issuance, sequence, event.at);
        case "issuance.undelivered":
          credentialOf(event.issuanceId).undelivered = true;
          return;
        case "issuance.revoked":
          credentialOf(event.issuanceId).revoked = { sequence, at: event.at, reason: event.reason };
          return;
        case "receipts.taken":
        case "operator.acted":
          return;
      }
    },
  };
}
