import type { Actor } from "../../domain/actor.ts";
import { type Denial, denial } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { BAR_AHEAD } from "../../domain/principal.ts";
import type { TakeSecurityEventAct } from "../../ports/event-stream-acts.ts";
import type { CloseResult, Sequenced } from "../../ports/ledger-acts.ts";
import type { ErasePrincipalAct, OffboardPrincipalAct, ReadmitPrincipalAct } from "../../ports/principal-acts.ts";
import { ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import type { GuardedRun, LiveStep } from "../view.ts";
import { closeResult, closingOf } from "./closing.ts";
import { recordedAll } from "./sequenced.ts";

export function* offboardPrincipal(act: OffboardPrincipalAct): Deliberation<CloseResult | Denial> {
  const { principalId, by, now, barAhead } = act;
  const { known, live } = yield* ask(concerning(act));
  if (known === undefined && !barAhead) {
    return refused(denial("INVALID_FIELD", `bar_ahead: ${BAR_AHEAD}`, { field: "bar_ahead" }));
  }
  const before =
    known?.isBarred === true ? [] : [{ type: "principal.offboarded", v: 1, at: now, principalId, by } as const];
  return closed(act, before, live);
}

export function* readmitPrincipal({ principalId, by, now }: ReadmitPrincipalAct): Deliberation<Sequenced | Denial> {
  const { known } = yield* ask({ known: read("principal", principalId) });
  if (known?.isBarred === true) return recordedAll([{ type: "principal.readmitted", v: 1, at: now, principalId, by }]);
  return refused(denial("INVALID_FIELD", "by: a principal who was offboarded", { field: "by" }));
}

export function* erasePrincipal(act: ErasePrincipalAct): Deliberation<CloseResult | Denial> {
  const { principalId, by, now } = act;
  const { known, live } = yield* ask(concerning(act));
  if (known === undefined) {
    return refused(denial("INVALID_FIELD", "by: a principal whom a step named", { field: "by" }));
  }
  const before = known.isKept ? [{ type: "principal.erased", v: 1, at: now, principalId, by } as const] : [];
  return closed(act, before, live);
}

export function* takeSecurityEvent({ event, expiresAt, now }: TakeSecurityEventAct): Deliberation<CloseResult> {
  const { principalId, effect, sha256 } = event;
  const { isTaken, known, live } = yield* ask({
    isTaken: read("isEvidenceSpent", sha256),
    ...concerning({ principalId, now }),
  });
  const by: Actor = { kind: "broker", cause: "security-event" };
  if (isTaken) return closed({ by, now }, [], []);
  const before: LedgerEvent[] = [{ type: "security_event.taken", v: 1, at: now, event, expiresAt }];
  if (effect === "offboard" && known?.isBarred !== true) {
    before.push({ type: "principal.offboarded", v: 1, at: now, principalId, by });
  }
  return closed({ by, now }, before, live);
}

function concerning({ principalId, now }: Pick<OffboardPrincipalAct, "principalId" | "now">) {
  return {
    known: read("principal", principalId),
    live: read("liveSteps", { kind: "principal", principalId }, now),
  };
}

/** Closes what the principal's steps are, after the event that says why. */
function closed(
  { by, now }: Pick<OffboardPrincipalAct, "by" | "now">,
  before: readonly LedgerEvent[],
  live: readonly LiveStep[],
) {
  const closing = closingOf(live, { state: "REVOKED", reason: "privilegeWithdrawn", by, now });
  const events = [...before, ...closing.events];
  return recorded(events, (first): CloseResult => closeResult(closing, { events, first, closedAt: now }));
}

/**
 * Why nothing may be opened for a principal, or in a run that is a principal's alone: else the run would go on without
 * its principal.
 */
export function principalRefusal(
  principal: { readonly isBarred: boolean } | undefined,
  run: GuardedRun | undefined,
): Denial | undefined {
  if (principal?.isBarred === true) return denial("NOT_ENTITLED", "the principal was offboarded");
  if (run?.isPrincipalBarred === true) return denial("NOT_ENTITLED", "the run is of a principal who was offboarded");
  return undefined;
}
