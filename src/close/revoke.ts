import { BrokerError, errorOf } from "../domain/errors.ts";
import type { Actor } from "../domain/ledger-event.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { Step } from "../domain/step.ts";
import type { Clock } from "../ports/clock.ts";
import type { CloseResult, CloseTarget, EntryResult, IssuanceRow, Ledger } from "../ports/ledger.ts";
import type { HistoryReads } from "../ports/ledger-reads.ts";

/** What an operator takes back: one credential, or steps with all they hold. */
export type RevocationTarget =
  | { readonly kind: "jti"; readonly jti: string }
  | { readonly kind: "serialNumber"; readonly serialNumber: string }
  /** Also barred until enabled again. */
  | { readonly kind: "agent"; readonly entryId: string }
  | Exclude<CloseTarget, { kind: "entry" } | { kind: "steps" }>
  | { readonly kind: "step"; readonly stepId: string };

export type RevokePorts = {
  readonly ledger: Ledger;
  readonly history: HistoryReads;
  readonly clock: Clock;
  readonly disableEntry: (entryId: string, by: Actor) => Promise<EntryResult>;
  readonly closed: (result: CloseResult) => void;
};

/** What was, or on a dry run would be, closed and revoked. The lists are cut; the counts are whole. */
export type Revoked = {
  /** 0 on a dry run. */
  readonly sequence: number;
  readonly steps: readonly Step[];
  readonly issuances: readonly IssuanceRow[];
  readonly stepsCount: number;
  readonly issuancesCount: number;
};

/**
 * Takes back by operator's order, in one transaction. What is taken back is told from what was there just before.
 *
 * @throws BrokerError STEP_NOT_FOUND when nothing has that name, LEDGER_UNAVAILABLE
 */
export async function revoke(
  target: RevocationTarget,
  order: { readonly reason: RevocationReason; readonly dryRun: boolean; readonly by: Actor },
  ports: RevokePorts,
): Promise<Revoked> {
  if (target.kind === "jti" || target.kind === "serialNumber") return revokeCredential(target, order, ports);

  const now = ports.clock.now();
  const closeTarget = closeTargetOf(target);
  const preview = await ports.history.preview(closeTarget, now);
  if (order.dryRun) return { sequence: 0, ...preview };

  if (target.kind === "agent") {
    const { sequence, stepsClosed } = await ports.disableEntry(target.entryId, order.by);
    return { ...preview, sequence, stepsCount: stepsClosed };
  }
  const result = await ports.ledger.perform({
    act: "close",
    target: closeTarget,
    state: "REVOKED",
    reason: order.reason,
    by: order.by,
    now,
  });
  if (result.kind === "denial") throw errorOf(result);
  if (!result.alreadyClosed) ports.closed(result);
  return {
    ...preview,
    sequence: result.sequence,
    stepsCount: result.stepsClosed,
    issuancesCount: result.credentialsRevoked,
  };
}

async function revokeCredential(
  target: Extract<RevocationTarget, { kind: "jti" | "serialNumber" }>,
  order: { readonly reason: RevocationReason; readonly dryRun: boolean; readonly by: Actor },
  ports: RevokePorts,
): Promise<Revoked> {
  const now = ports.clock.now();
  const credential = target.kind === "jti" ? { jti: target.jti } : { serialNumber: target.serialNumber };
  if (order.dryRun) {
    const issuances = await ports.history.issuances({ ...credential, now, limit: 1 });
    if (issuances.length === 0) throw new BrokerError("STEP_NOT_FOUND", "no credential has it");
    return { sequence: 0, steps: [], issuances, stepsCount: 0, issuancesCount: 1 };
  }
  const result = await ports.ledger.perform({
    act: "revoke-credential",
    credential,
    reason: order.reason,
    by: order.by,
    now,
  });
  if (result.kind === "denial") throw errorOf(result);
  return { sequence: result.sequence, steps: [], issuances: [result.issuance], stepsCount: 0, issuancesCount: 1 };
}

function closeTargetOf(target: Exclude<RevocationTarget, { kind: "jti" | "serialNumber" }>): CloseTarget {
  switch (target.kind) {
    case "step":
      return { kind: "steps", stepIds: [target.stepId] };
    case "agent":
      return { kind: "entry", entryId: target.entryId };
    default:
      return target;
  }
}
