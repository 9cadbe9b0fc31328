import { BrokerError, type Denial, denial, isDenial } from "../../../domain/errors.ts";
import type { IssuanceRecorded } from "../../../domain/ledger-event.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type {
  MarkUndeliveredAct,
  RecordIssuancesAct,
  ResultOf,
  RevokeCredentialAct,
  Sequenced,
} from "../../../ports/ledger.ts";
import { ISSUANCE, type IssuanceGuard, issuanceOf, type StoredIssuance } from "../tables/issuance-table.ts";
import { hasExpired } from "../tables/step-table.ts";
import { type ActContext, sequenced } from "./act-context.ts";
import { authorityRefusal, entryRefusal, openStepOr } from "./refusals.ts";

type Item = RecordIssuancesAct["items"][number];

export function recordIssuances(context: ActContext, act: RecordIssuancesAct): readonly (Sequenced | Denial)[] {
  return act.items.map((item) =>
    item.record.subject.kind === "step"
      ? recordForStep(context, item, item.record.subject.stepId, act.now)
      : recordForEntry(context, item, item.record.subject.entryId, act.now),
  );
}

function recordForStep(context: ActContext, item: Item, stepId: string, now: UnixMicros): Sequenced | Denial {
  const { record, executable } = item;
  const step = openStepOr(context.db, stepId);
  if (isDenial(step)) return step;
  if (hasExpired(step.expiresAt, now)) return denial("STEP_EXPIRING", "the step's time is over");
  // Written as "not by then", so that a NaN is refused.
  if (!(record.expiresAt <= step.expiresAt))
    return denial("STEP_EXPIRING", "the step ends before the credential would");
  const refusal = entryRefusal(context.db, item.entryId, item.entryRevision);
  if (refusal !== undefined) return refusal;
  if (step.executor === null) return write(context, { record, now });
  if (step.executable !== null && step.executable !== executable) {
    return denial("EXECUTOR_GONE", "the executor runs another program than it did at the first issuance");
  }
  return write(context, { record, now, pin: step.executable === null ? executable : undefined });
}

function recordForEntry(context: ActContext, item: Item, entryId: string, now: UnixMicros): Sequenced | Denial {
  if (entryId !== item.entryId) return denial("NOT_ENTITLED", "the credential is for another registration entry");
  const refusal = entryRefusal(context.db, item.entryId, item.entryRevision);
  return refusal ?? write(context, { record: item.record, now });
}

function write(
  context: ActContext,
  {
    record,
    now,
    pin,
  }: { readonly record: Item["record"]; readonly now: UnixMicros; readonly pin?: string | undefined },
): Sequenced | Denial {
  const refusal = authorityRefusal(context.db, record.authorityId);
  if (refusal !== undefined) return refusal;
  const event: IssuanceRecorded = {
    type: "issuance.recorded",
    v: 1,
    at: now,
    issuance: record,
    ...(pin === undefined ? {} : { executable: pin }),
  };
  return sequenced(context.append(event));
}

/** Idempotent. */
export function markUndelivered({ db, append }: ActContext, { issuanceId, now }: MarkUndeliveredAct): Sequenced {
  const issuance = db.get<IssuanceGuard>(ISSUANCE.guardById, { issuanceId });
  if (issuance === undefined) throw new BrokerError("STEP_NOT_FOUND", "no issuance has this id");
  if (issuance.undeliveredSequence !== null) return sequenced(issuance.undeliveredSequence);
  return sequenced(append({ type: "issuance.undelivered", v: 1, at: now, issuanceId }));
}

/** What is revoked already, be it with its step, stays as it was recorded. */
export function revokeCredential(
  { db, append }: ActContext,
  { credential, reason, by, now }: RevokeCredentialAct,
): ResultOf<RevokeCredentialAct> {
  const found =
    "jti" in credential
      ? db.get<StoredIssuance>(ISSUANCE.byJti, credential)
      : db.get<StoredIssuance>(ISSUANCE.bySerialNumber, credential);
  if (found === undefined) return denial("STEP_NOT_FOUND", "no credential has it");
  const issuance = issuanceOf(found);
  if (issuance.revokedSequence !== undefined) return { ...sequenced(issuance.revokedSequence), issuance };
  const { issuanceId } = issuance;
  const sequence = append({ type: "issuance.revoked", v: 1, at: now, issuanceId, reason, by });
  const row = db.get<StoredIssuance>(ISSUANCE.bySequence, { sequence: issuance.sequence });
  return { ...sequenced(sequence), issuance: row === undefined ? issuance : issuanceOf(row) };
}
