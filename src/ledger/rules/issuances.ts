import { BrokerError, type Denial, denial } from "../../domain/errors.ts";
import type { IssuanceRecorded } from "../../domain/ledger-event.ts";
import { riskScopesOf } from "../../domain/risk.ts";
import { factScopesOf } from "../../domain/run-facts.ts";
import { hasExpired } from "../../domain/step.ts";
import type { UnixMicros, UnixSeconds } from "../../domain/time.ts";
import type { MarkUndeliveredAct, RecordIssuanceItem, RecordIssuancesAct } from "../../ports/issuance-acts.ts";
import type { RevokeCredentialAct, Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, type Ruling, read, recorded, refused } from "../rule.ts";
import type { GuardedAuthority, GuardedStep } from "../view.ts";
import { authorityRefusal, eachDecidedOn, guardsOf, stepRefusal } from "./refusals.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

/** What the guards of one item with a step look at. */
export type IssuingSituation = {
  readonly step: GuardedStep | undefined;
  /** Why what the item was decided on no longer stands. */
  readonly undecided: Denial | undefined;
  /** When the risk around the step rose last. */
  readonly riskRoseAt: number;
  /** The executable that is pinned to the step once the items before this item are recorded. */
  readonly pinned: string | undefined;
  readonly now: UnixMicros;
};

type Situation = IssuingSituation & { readonly authority: GuardedAuthority | undefined };

export function* recordIssuances({ items, now }: RecordIssuancesAct): Deliberation<readonly (Sequenced | Denial)[]> {
  const decisions = items.map(({ decidedOn }) => decidedOn);
  const { steps, authorities, inForce, ...guards } = yield* ask({
    inForce: read("policiesInForce"),
    steps: items.flatMap(({ record: { subject } }) => (subject.kind === "step" ? [read("step", subject.stepId)] : [])),
    ...guardsOf(decisions),
    authorities: items.map(({ record }) => read("authority", record.authorityId)),
  });
  const { rises = [] } = yield* ask({
    // Where no policies are in force nobody judges, so that nothing may wait for it.
    rises: inForce.version === 0 ? undefined : steps.map(riseAround),
  });
  const stepAnswers = steps[Symbol.iterator]();
  const riseAnswers = rises[Symbol.iterator]();
  const undecidedOf = eachDecidedOn(decisions, guards);
  const pins = new Map<string, string>();
  const rulings = items.map((item, index): IssuanceRecorded | Denial => {
    const { subject } = item.record;
    const step = subject.kind === "step" ? stepAnswers.next().value : undefined;
    const situation: Situation = {
      step,
      undecided: undecidedOf(item.decidedOn),
      riskRoseAt: subject.kind === "step" ? (riseAnswers.next().value ?? 0) : 0,
      authority: authorities[index],
      pinned: step === undefined ? undefined : (pins.get(step.stepId) ?? step.executable),
      now,
    };
    const refusal =
      (subject.kind === "step"
        ? issuingRefusal({ ...item, expiresAt: item.record.expiresAt }, situation)
        : infrastructureItemRefusal(item, situation)) ?? authorityRefusal(situation.authority);
    if (refusal !== undefined) return refusal;
    const pin = pinOf(item, situation);
    if (pin !== undefined && step !== undefined) pins.set(step.stepId, pin);
    return issuanceRecorded(item, now, pin);
  });
  return answerEach(rulings);
}

export function riseAround(step: GuardedStep | undefined) {
  return read("riskRoseAt", step === undefined ? [] : riskScopesOf(step.agent, factScopesOf(step)));
}

/** Why a step is given nothing that ends at this instant. */
export function issuingRefusal(
  item: Pick<RecordIssuanceItem, "executable"> & { readonly expiresAt: UnixSeconds },
  situation: IssuingSituation,
): Denial | undefined {
  const { step, undecided, riskRoseAt, pinned, now } = situation;
  const refusal = stepRefusal(step);
  if (refusal !== undefined || step === undefined) return refusal;
  if (hasExpired(step.expiresAt, now)) return denial("STEP_EXPIRING", "the step's time is over");
  // Written as "not by then", so that a NaN is refused.
  if (!(item.expiresAt <= step.expiresAt)) {
    return denial("STEP_EXPIRING", "the step ends before the credential would");
  }
  if (undecided !== undefined) return undecided;
  if (riskRoseAt > step.judgedSequence) {
    return denial("DECISION_OUTDATED", "the risk has risen, and the step is about to be judged anew: ask again");
  }
  return step.executor !== undefined && pinned !== undefined && pinned !== item.executable
    ? denial("EXECUTOR_GONE", "the executor runs another program than it did at the first issuance")
    : undefined;
}

function infrastructureItemRefusal({ record, decidedOn }: RecordIssuanceItem, { undecided }: Situation) {
  const { subject } = record;
  const isNamed =
    subject.kind === "infrastructure" && decidedOn.entries.some(({ entryId }) => entryId === subject.entryId);
  if (!isNamed) return denial("NOT_ENTITLED", "the credential is for another registration entry");
  return undecided;
}

/** The executable that this item pins to its step; only the first issuance to a process executor pins one. */
function pinOf({ executable }: RecordIssuanceItem, { step, pinned }: Situation): string | undefined {
  return step?.executor !== undefined && pinned === undefined ? executable : undefined;
}

function issuanceRecorded({ record }: RecordIssuanceItem, at: UnixMicros, pin: string | undefined): IssuanceRecorded {
  const event = { type: "issuance.recorded", v: 1, at, issuance: record } as const;
  return pin === undefined ? event : { ...event, executable: pin };
}

function answerEach(rulings: readonly (IssuanceRecorded | Denial)[]): Ruling<readonly (Sequenced | Denial)[]> {
  const events = rulings.filter((one): one is IssuanceRecorded => "type" in one);
  return recorded(events, (first) => {
    let sequence = first - 1;
    return rulings.map((one) => {
      if (!("type" in one)) return one;
      sequence += 1;
      return sequenced(sequence);
    });
  });
}

export function* markUndelivered({ issuanceId, now }: MarkUndeliveredAct): Deliberation<Sequenced> {
  const { issuance } = yield* ask({ issuance: read("issuance", issuanceId) });
  if (issuance === undefined) throw new BrokerError("STEP_NOT_FOUND", "no issuance has this id");
  if (issuance.undeliveredSequence !== undefined) return answered(sequenced(issuance.undeliveredSequence));
  return recordedAll([{ type: "issuance.undelivered", v: 1, at: now, issuanceId }]);
}

/** A credential that is revoked already, by itself or with its step, stays as it was recorded. */
export function* revokeCredential(act: RevokeCredentialAct): Deliberation<Sequenced | Denial> {
  const { credential, reason, by, now } = act;
  const { issuance } = yield* ask({ issuance: read("issuanceNamed", credential) });
  if (issuance === undefined) return refused(denial("STEP_NOT_FOUND", "no credential has it"));
  if (issuance.revokedSequence !== undefined) return answered(sequenced(issuance.revokedSequence));
  return recordedAll([{ type: "issuance.revoked", v: 1, at: now, issuanceId: issuance.issuanceId, reason, by }]);
}
