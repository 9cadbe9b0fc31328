import type { Actor } from "../domain/actor.ts";
import { BrokerError, errorOf, isDenial } from "../domain/errors.ts";
import type { RevocationReason } from "../domain/revocation.ts";
import type { Clock } from "../ports/clock.ts";
import type { CredentialReads } from "../ports/credential-reads.ts";
import type { InForce } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { CloseTarget, CredentialName, EntryResult, Written } from "../ports/ledger-acts.ts";
import type { HistoryReads, TakenBack } from "../ports/ledger-reads.ts";

/** What an operator takes back: one credential, or steps with all they hold. */
export type RevocationTarget =
  | { readonly kind: "jti"; readonly jti: string }
  | { readonly kind: "serialNumber"; readonly serialNumber: string }
  /** The agent's entry is also disabled, until an operator enables it again. */
  | { readonly kind: "agent"; readonly entryId: string }
  | Exclude<CloseTarget, { kind: "entry" }>
  | { readonly kind: "step"; readonly stepId: string };

type OfCredential = Extract<RevocationTarget, { kind: "jti" | "serialNumber" }>;
type OfSteps = Exclude<RevocationTarget, OfCredential>;

export type RevokePorts = {
  readonly ledger: Pick<Ledger, "perform">;
  readonly history: Pick<HistoryReads, "preview" | "steps" | "takenBack">;
  readonly credentials: Pick<CredentialReads, "issuance">;
  readonly clock: Clock;
  readonly disableEntry: (entryId: string, by: Actor, reason: RevocationReason) => Promise<EntryResult>;
  readonly inForce: InForce;
};

export type RevocationOrder = {
  readonly reason: RevocationReason;
  readonly dryRun: boolean;
  readonly by: Actor;
};

/** What was, or on a dry run would be, closed and revoked. */
export type Revoked = TakenBack & {
  /** 0 on a dry run. */
  readonly sequence: number;
};

/**
 * Takes back what an operator orders, in one transaction; what was taken back is read afterwards.
 *
 * @throws BrokerError STEP_NOT_FOUND when no step and no credential has that name, LEDGER_UNAVAILABLE, and what
 *   `disableEntry` throws
 */
export async function revoke(target: RevocationTarget, order: RevocationOrder, ports: RevokePorts): Promise<Revoked> {
  if (target.kind === "jti" || target.kind === "serialNumber") return revokeCredential(nameOf(target), order, ports);
  if (order.dryRun) {
    return preview(target, ports);
  }
  const closed = await close(target, order, ports);
  await ports.inForce(closed.sequence);
  return told(closed, ports);
}

async function preview(target: OfSteps, { history, clock }: RevokePorts): Promise<Revoked> {
  const found = await history.preview(closeTargetOf(target), clock.now());
  // Nothing would be closed of a step that has ended, nor of one that never was: the second is refused, as the act is.
  if (found.stepsCount === 0 && target.kind === "step") {
    const [known] = await history.steps({ stepId: target.stepId, limit: 1 });
    if (known === undefined) throw new BrokerError("STEP_NOT_FOUND", "no such step");
  }
  return { sequence: 0, ...found };
}

type Closed = Written & { readonly stepsClosed: number; readonly credentialsRevoked: number };

async function close(target: OfSteps, { by, reason }: RevocationOrder, ports: RevokePorts): Promise<Closed> {
  if (target.kind === "agent") return ports.disableEntry(target.entryId, by, reason);
  const result = await ports.ledger.perform({
    act: "close",
    target: closeTargetOf(target),
    state: "REVOKED",
    reason,
    by,
    now: ports.clock.now(),
  });
  if (isDenial(result)) throw errorOf(result);
  return result;
}

/** The counts are those of the act. When the lists can't be read, they are empty. */
async function told(closed: Closed, { history, clock }: RevokePorts): Promise<Revoked> {
  const { firstSequence, sequence, stepsClosed: stepsCount, credentialsRevoked: issuancesCount } = closed;
  const counts = { sequence, stepsCount, issuancesCount };
  const nothing = { ...counts, steps: [], issuances: [], exchanges: [] };
  if (stepsCount === 0) return nothing;
  const found = await listed(() => history.takenBack(firstSequence, sequence, clock.now()), nothing);
  return { ...found, ...counts };
}

/** Answers with `instead` when the read fails: the act was done, and must not be answered with an error. */
async function listed<Value>(read: () => Promise<Value>, instead: Value): Promise<Value> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof BrokerError) return instead;
    throw thrown;
  }
}

async function revokeCredential(
  credential: CredentialName,
  { reason, dryRun, by }: RevocationOrder,
  { ledger, clock, credentials, inForce }: RevokePorts,
): Promise<Revoked> {
  const counts = { stepsCount: 0, issuancesCount: 1 };
  if (dryRun) {
    const issuance = await credentials.issuance(credential);
    if (issuance === undefined) throw new BrokerError("STEP_NOT_FOUND", "no credential has it");
    return { sequence: 0, steps: [], issuances: [issuance], exchanges: [], ...counts };
  }
  const result = await ledger.perform({ act: "revoke-credential", credential, reason, by, now: clock.now() });
  if (isDenial(result)) throw errorOf(result);
  const { sequence } = result;
  await inForce(sequence);
  const issuance = await listed(() => credentials.issuance(credential), undefined);
  const issuances = issuance === undefined ? [] : [issuance];
  return { sequence, steps: [], issuances, exchanges: [], ...counts };
}

function nameOf(target: OfCredential): CredentialName {
  return target.kind === "jti" ? { jti: target.jti } : { serialNumber: target.serialNumber };
}

function closeTargetOf(target: OfSteps): CloseTarget {
  switch (target.kind) {
    case "step":
      return { kind: "steps", stepIds: [target.stepId] };
    case "agent":
      return { kind: "entry", entryId: target.entryId };
    default:
      return target;
  }
}
