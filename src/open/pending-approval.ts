import type { PendingApproval } from "../domain/approval.ts";
import { approvalDigestOf } from "../domain/approval-digest.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Executor } from "../domain/executor.ts";
import { isRemote, sameProcess } from "../domain/process.ts";
import type { Attested } from "../domain/stages.ts";
import type { OpenedStep } from "../domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../domain/time.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { DecidedOpening } from "./decide-opening.ts";
import type { Terms } from "./terms.ts";

/**
 * What a step waits for that policies hold back: until when, for how long it may work then, and who asked.
 *
 * @param step - with all that was asked for.
 * @throws BrokerError EXECUTOR_GONE
 */
export function pendingApprovalOf(
  step: OpenedStep,
  opening: { readonly caller: Attested; readonly terms: Terms; readonly decided: DecidedOpening },
  ports: { readonly processes: Pick<ProcessWatch, "find">; readonly approvalSeconds: number },
): PendingApproval {
  const { caller, terms, decided } = opening;
  const { decision, heldBackBy = [] } = decided;
  const { approval: role } = decision;
  if (role === undefined) throw new RangeError("nobody may approve what this decision denies");
  const asked = secondsOf(step.openedAt);
  const until = addSeconds(asked, ports.approvalSeconds);
  const stepSeconds = terms.expiresAt - asked;
  return {
    role,
    policies: heldBackBy,
    until: Math.min(until, terms.parent?.expiresAt ?? until) as UnixSeconds,
    stepSeconds,
    requestDigest: approvalDigestOf(step, stepSeconds),
    requesters: [...new Set([...openerOf(caller), ...executorOf(terms.executor, ports.processes)])],
  };
}

function openerOf({ process, uid }: Attested): readonly number[] {
  return isRemote(process) ? [] : [uid];
}

function executorOf(executor: Executor, processes: Pick<ProcessWatch, "find">): readonly number[] {
  if (executor.kind === "any") return [];
  const found = processes.find(executor.process.pid, executor.process);
  if (found === undefined || !sameProcess(found.process, executor.process)) {
    throw new BrokerError("EXECUTOR_GONE", "the executor ended while the step was being opened");
  }
  return [found.uid];
}
