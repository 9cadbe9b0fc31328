import { type Denial, denial } from "../../../domain/errors.ts";
import type { EntryResult, PutEntryAct, RetireEntryAct } from "../../../ports/ledger.ts";
import { ENTRY, type EntryGuard, entryOf } from "../tables/entry-table.ts";
import { ISSUANCE } from "../tables/issuance-table.ts";
import { liveStepsOf } from "../targets.ts";
import type { ActContext } from "./act-context.ts";
import { closeSteps } from "./close.ts";

/** The entry is recorded with the revision that follows the expected one, whatever the caller wrote there. */
export function putEntry(context: ActContext, act: PutEntryAct): EntryResult | Denial {
  const { db } = context;
  const { expectedRevision, by, now } = act;
  const { entryId, content } = act.entry;
  const current = db.get<EntryGuard>(ENTRY.guard, { entryId });
  if ((current?.revision ?? 0) !== expectedRevision || (current !== undefined && current.retiredSequence !== null)) {
    return denial("INVALID_FIELD", "revision: the current one of this entry", { field: "revision" });
  }
  const namesake = db.get<{ readonly entryId: string }>(ENTRY.namesake, { kind: content.kind, name: content.name });
  if (namesake !== undefined && namesake.entryId !== entryId) {
    return denial("INVALID_FIELD", "name: one that no other entry of this kind has", { field: "name" });
  }
  const entry = { ...act.entry, revision: expectedRevision + 1 };
  const sequence = context.append({ type: "entry.put", v: 1, at: now, entry, by });
  const target =
    act.closes === "all" ? ({ kind: "entry", entryId } as const) : ({ kind: "steps", stepIds: act.closes } as const);
  const withdrawn = withdraw(context, { sequence, entry, target, act });
  return act.closes === "all" ? withIdentity(context, withdrawn, act) : withdrawn;
}

export function retireEntry(context: ActContext, act: RetireEntryAct): EntryResult | Denial {
  const { entryId, by, now } = act;
  const row = context.db.get<{ readonly canonical: Uint8Array }>(ENTRY.byId, { entryId });
  if (row === undefined) return denial("ENTRY_NOT_FOUND", "no such registration entry");
  const sequence = context.append({ type: "entry.retired", v: 1, at: now, entryId, by });
  return withIdentity(
    context,
    withdraw(context, { sequence, entry: entryOf(row), target: { kind: "entry", entryId }, act }),
    act,
  );
}

/** Takes back what the entry was issued for itself, beside any step. */
function withIdentity(
  { db, append }: ActContext,
  result: EntryResult,
  { by, now }: PutEntryAct | RetireEntryAct,
): EntryResult {
  const { entryId } = result.entry;
  let { sequence } = result;
  for (const { issuanceId } of db.all<{ readonly issuanceId: string }>(ISSUANCE.liveOfEntry, { entryId, at: now })) {
    sequence = append({ type: "issuance.revoked", v: 1, at: now, issuanceId, reason: "privilegeWithdrawn", by });
  }
  return { ...result, sequence };
}

/** Closes the steps that hold what the entry permits no more. */
function withdraw(
  context: ActContext,
  change: {
    readonly sequence: number;
    readonly entry: EntryResult["entry"];
    readonly target: Parameters<typeof liveStepsOf>[1];
    readonly act: PutEntryAct | RetireEntryAct;
  },
): EntryResult {
  const { by, now } = change.act;
  const ending = { state: "REVOKED", reason: "privilegeWithdrawn", by, now } as const;
  const closed = closeSteps(context, liveStepsOf(context.db, change.target), ending);
  return {
    kind: "entry",
    sequence: Math.max(change.sequence, closed.sequence),
    entry: change.entry,
    stepsClosed: closed.stepsClosed,
  };
}
