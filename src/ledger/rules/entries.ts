import { mayShareUser } from "../../domain/entry-users.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { EntryKind } from "../../domain/registration-entry.ts";
import type { RevocationReason } from "../../domain/revocation.ts";
import type { EntryChange, EntryResult, PutEntryAct, RetireEntryAct } from "../../ports/ledger-acts.ts";
import { ask, type Deliberation, type Ruling, read, recorded, refused } from "../rule.ts";
import type { GuardedEntry, KnownEntry, LiveStep, LiveTarget } from "../view.ts";
import { closingOf } from "./closing.ts";
import { writtenFrom } from "./sequenced.ts";

/** An agent that has an operator's user could act as that operator. */
const APART: Partial<Record<EntryKind, EntryKind>> = { agent: "operator", operator: "agent" };

/** The entry is recorded with the revision after `expectedRevision`, whatever revision the caller wrote in it. */
export function* putEntry(act: PutEntryAct): Deliberation<EntryResult | Denial> {
  const { closes, expectedRevision, by, now, reason } = act;
  const { entryId, content } = act.entry;
  const target: LiveTarget = closes === "all" ? { kind: "entry", entryId } : { kind: "steps", stepIds: closes };
  // Nobody is kept from putting an entry out of force, whatever it shares.
  const other = act.usersApart !== undefined && !act.entry.disabled ? APART[content.kind] : undefined;
  const mayEndAdmin = content.kind === "operator" && by.kind === "operator";
  const { current, namesake, count, others, operators, live, issued } = yield* ask({
    current: read("entry", entryId),
    namesake: read("entryNamed", content.kind, content.name),
    count: expectedRevision === 0 ? read("entriesCount") : undefined,
    others: other === undefined ? undefined : read("entriesOf", other),
    operators: mayEndAdmin ? read("entriesOf", "operator") : undefined,
    live: read("liveSteps", target, now),
    issued: closes === "all" ? read("liveIssuancesOfEntry", entryId, now) : undefined,
  });
  const refusal =
    revisionRefusal(current, expectedRevision) ??
    nameRefusal(namesake, entryId) ??
    countRefusal(count) ??
    sharingRefusal(act, others) ??
    lastAdminRefusal(entryId, operators, act.entry);
  if (refusal !== undefined) return refused(refusal);
  const entry = { ...act.entry, revision: expectedRevision + 1 };
  const { events, answer } = changed(
    { type: "entry.put", v: 1, at: now, entry, by },
    { live, issued: issued ?? [], reason, by, now },
  );
  return recorded(events, (first) => ({ ...answer(first), entry }));
}

export function* retireEntry({ entryId, by, now }: RetireEntryAct): Deliberation<EntryChange | Denial> {
  const { current, operators, live, issued } = yield* ask({
    current: read("entry", entryId),
    operators: by.kind === "operator" ? read("entriesOf", "operator") : undefined,
    live: read("liveSteps", { kind: "entry", entryId }, now),
    issued: read("liveIssuancesOfEntry", entryId, now),
  });
  if (current === undefined || current.isRetired) {
    return refused(denial("ENTRY_NOT_FOUND", "no such registration entry"));
  }
  const refusal = lastAdminRefusal(entryId, operators);
  if (refusal !== undefined) return refused(refusal);
  const ending = { live, issued, reason: "privilegeWithdrawn", by, now } as const;
  return changed({ type: "entry.retired", v: 1, at: now, entryId, by }, ending);
}

/** What a change of an entry takes back. */
type Withdrawal = {
  readonly live: readonly LiveStep[];
  /** Ids of issuances to the entry itself, outside of any step. */
  readonly issued: readonly string[];
  readonly reason: RevocationReason;
} & Pick<PutEntryAct, "by" | "now">;

/** Records a change of an entry with all that the change takes back. */
function changed(change: LedgerEvent, { live, issued, reason, by, now }: Withdrawal): Ruling<EntryChange> {
  const { events: closes, stepsClosed, credentialsRevoked } = closingOf(live, { state: "REVOKED", reason, by, now });
  const revokes = issued.map(
    (issuanceId) => ({ type: "issuance.revoked", v: 1, at: now, issuanceId, reason, by }) as const,
  );
  const events = [change, ...closes, ...revokes];
  return recorded(events, (first) => ({
    kind: "entry",
    ...writtenFrom(first, events.length),
    stepsClosed,
    credentialsRevoked: credentialsRevoked + issued.length,
  }));
}

function revisionRefusal(current: GuardedEntry | undefined, expected: number): Denial | undefined {
  const isExpected = (current?.revision ?? 0) === expected && current?.isRetired !== true;
  return isExpected
    ? undefined
    : denial("INVALID_FIELD", "revision: the current one of this entry", { field: "revision" });
}

function nameRefusal(namesake: string | undefined, entryId: string): Denial | undefined {
  return namesake === undefined || namesake === entryId
    ? undefined
    : denial("INVALID_FIELD", "name: one that no other entry of this kind has", { field: "name" });
}

/** @param count - of the entries there are; absent when an entry is changed. */
function countRefusal(count = 0): Denial | undefined {
  return count < LIMITS.entriesMax
    ? undefined
    : denial("LIMIT_EXCEEDED", `at most ${LIMITS.entriesMax} registration entries`);
}

/** @param others - of the kind that the entry has to be apart from; absent where it need not be apart from any. */
function sharingRefusal(
  { entry: { content }, usersApart }: PutEntryAct,
  others: readonly KnownEntry[] = [],
): Denial | undefined {
  const isShared =
    usersApart !== undefined &&
    others.some((other) => mayShareUser(content.selectors, other.content.selectors, usersApart));
  return isShared
    ? denial("INVALID_FIELD", "selectors: one user a role: an agent's user is not an operator's", {
        field: "selectors",
      })
    : undefined;
}

/**
 * An operator is kept from leaving a broker that nobody may administer; the configuration, which whoever runs the broker
 * writes, is not.
 *
 * @param operators - as they are; absent where no operator acts.
 * @param after - the entry as it is to be; absent when it is removed.
 */
function lastAdminRefusal(
  entryId: string,
  operators: readonly KnownEntry[] = [],
  after?: Pick<KnownEntry, "content" | "disabled">,
): Denial | undefined {
  const admins = operators.filter(isEnabledAdmin);
  const isLast = admins.length === 1 && admins[0]?.entryId === entryId;
  return isLast && (after === undefined || !isEnabledAdmin(after))
    ? denial("INVALID_FIELD", "entry: another than the last enabled admin's, or nobody could administer the broker", {
        field: "entry",
      })
    : undefined;
}

function isEnabledAdmin({ content, disabled }: Pick<KnownEntry, "content" | "disabled">): boolean {
  return content.kind === "operator" && content.role === "admin" && !disabled;
}
