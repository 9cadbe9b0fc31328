import { knownPrincipal } from "../decide/known-principal.ts";
import { accessTo } from "../decide/step-access.ts";
import { decidedOn } from "../domain/decision.ts";
import { brokerAudience } from "../domain/delegation.ts";
import { BrokerError, denialFrom, errorOf, invalidField } from "../domain/errors.ts";
import type { Grant } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import { type Segment, trustDomainOf } from "../domain/spiffe-id.ts";
import type { Attested, Entitled } from "../domain/stages.ts";
import { permits, type Step } from "../domain/step.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import {
  type EntitlePorts,
  entitledTo,
  entryForOpener,
  executableOf,
  executorEntry,
  grantedOf,
  recordDenial,
} from "./entitle.ts";

/** A delegation token that is wanted: for a runtime that is to open children under the step. */
export type DelegationOrder = {
  readonly stepId: string;
  /** Name of the receiving runtime's entry. */
  readonly runtime: Segment;
  /** The most that a child may be granted; absent: all of the step's grant. */
  readonly grant?: Grant;
  /** How many children may be opened. */
  readonly uses: number;
  /** Absent: as long as a JWT-SVID of the step's agent. */
  readonly ttlSeconds?: number;
};

export type EntitleDelegationPorts = EntitlePorts & { readonly entries: Pick<EntryDirectory, "byName"> };

/**
 * Whether the caller may have a delegation token of a step: as one who could delegate from the step itself, its executor
 * or any process of the entry that opened it. What is passed on lies within the step's grant.
 *
 * @throws BrokerError STEP_NOT_FOUND, STEP_CLOSED, NOT_ENTITLED, EXECUTOR_GONE, GRANT_EXCEEDED, LIMIT_EXCEEDED,
 *   INVALID_FIELD; ENTRY_NOT_FOUND where no such runtime is in force; and the gate's refusal
 */
export async function entitleDelegation(
  caller: Attested,
  order: DelegationOrder,
  ports: EntitleDelegationPorts,
): Promise<Entitled> {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);
  checkTerms(order);
  const step = await ports.stepDirectory.byId(order.stepId);
  if (step === undefined) throw new BrokerError("STEP_NOT_FOUND", "no such step");
  try {
    return await entitled(caller, step, order, ports);
  } catch (thrown) {
    await recordDenial(caller, step, order.grant ?? [], denialFrom(thrown), ports);
    throw thrown;
  }
}

function checkTerms({ uses, ttlSeconds }: DelegationOrder): void {
  const { delegationUsesMax, svidTtlSecondsMin, svidTtlSecondsMax } = LIMITS;
  if (!(Number.isInteger(uses) && uses >= 1 && uses <= delegationUsesMax)) {
    throw invalidField("uses", `a whole number from 1 to ${delegationUsesMax}`);
  }
  if (ttlSeconds !== undefined && !(ttlSeconds >= svidTtlSecondsMin && ttlSeconds <= svidTtlSecondsMax)) {
    throw invalidField("ttl", `${svidTtlSecondsMin} s to ${svidTtlSecondsMax} s`);
  }
}

async function entitled(
  caller: Attested,
  step: Step,
  order: DelegationOrder,
  ports: EntitleDelegationPorts,
): Promise<Entitled> {
  const as = accessTo(step, caller).asOpener ? "opener" : "executor";
  const entry = as === "opener" ? entryForOpener(caller, step, ports) : executorEntry(caller, step);
  if (!permits(step.state)) {
    throw new BrokerError("STEP_CLOSED", `the step is ${step.state}`, { metadata: { state: step.state } });
  }
  const principal = await knownPrincipal(step, ports.principals);
  ports.rate.take(step.stepId, 1);
  const runtime = runtimeOf(order, ports);
  const executable = executableOf(caller, step, as);
  return entitledTo({
    subject: { kind: "step", stepId: step.stepId },
    spiffeId: step.spiffeId,
    step,
    decidedOn: decidedOn(entry, runtime),
    ttlSeconds: order.ttlSeconds ?? entry.content.jwtSvidTtlSeconds,
    content: {
      kind: "jwt-svid",
      audiences: [brokerAudience(trustDomainOf(step.spiffeId))],
      grant: order.grant === undefined ? step.grant : grantedOf(order.grant, step.grant, "above the step's grant"),
      delegation: { runtimeEntryId: runtime.entryId, mayAct: runtime.spiffeId, usesMax: order.uses },
    },
    ...(executable === undefined ? {} : { executable }),
    ...(principal === undefined ? {} : { principal }),
  });
}

function runtimeOf({ runtime: name }: DelegationOrder, { entries }: EntitleDelegationPorts): RegistrationEntry {
  const runtime = entries.byName("runtime", name);
  if (runtime !== undefined && !runtime.disabled) return runtime;
  throw new BrokerError("ENTRY_NOT_FOUND", "no entry of this runtime is in force", { metadata: { field: "runtime" } });
}
