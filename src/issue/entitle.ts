import { isBelow, isExecutedBy, STARTED_BY_EXECUTOR } from "../decide/executed-by.ts";
import { knownPrincipal } from "../decide/known-principal.ts";
import { type DenialRecorder, denyOf, isDecision } from "../decide/record-denial.ts";
import { accessTo } from "../decide/step-access.ts";
import type { Confirmation } from "../domain/confirmation.ts";
import { decidedOn } from "../domain/decision.ts";
import { BrokerError, type Denial, denial, denialFrom, errorOf, invalidField, isDenial } from "../domain/errors.ts";
import type { Executor } from "../domain/executor.ts";
import { divide, type Grant, narrowTo, withDefinitionsOf } from "../domain/grant.ts";
import { LIMITS } from "../domain/limits.ts";
import type { PrincipalName } from "../domain/principal.ts";
import { sameProcess } from "../domain/process.ts";
import { type AgentEntry, isOfKind } from "../domain/registration-entry.ts";
import type { Attested, Entitled, SvidContent, Unbranded } from "../domain/stages.ts";
import { audiencesOf, permits, type Step } from "../domain/step.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory, IssuanceGate, StepDirectory } from "../ports/directories.ts";
import type { PrincipalVault } from "../ports/principal-vault.ts";
import type { Randomness } from "../ports/randomness.ts";
import { checkCsr } from "../verify/csr-proof.ts";
import { checkAskedGrant, nameRefused } from "./asked-grant.ts";
import { each } from "./each.ts";
import type { IssuanceRate } from "./issuance-rate.ts";

export type SvidOrder = {
  readonly stepId: string;
  readonly wanted: readonly SvidWanted[];
  /** For whom the caller asks: as executor for itself, or as opener, through the Broker API, for the executor. */
  readonly as?: "executor" | "opener";
};

export type SvidWanted =
  | { readonly kind: "x509-svid"; readonly csr: Uint8Array }
  /** SubjectPublicKeyInfo, DER, of a key whose possession was proved, or that the broker itself made for the caller. */
  | { readonly kind: "x509-svid"; readonly publicKey: Uint8Array }
  /** SubjectPublicKeyInfo, DER, of a P-256 key. */
  | { readonly kind: "wit-svid"; readonly publicKey: Uint8Array }
  | {
      readonly kind: "jwt-svid";
      readonly audiences: readonly string[];
      /** Narrower than the step's grant; absent: all of the step's grant at that audience. */
      readonly grant?: Grant;
      /** What the token's presenter will have to prove. */
      readonly confirmation?: Confirmation;
    }
  | {
      readonly kind: "txn-token";
      /** Of the step's grant. */
      readonly location: string;
      /** Narrower than the step's grant; absent: all of the step's grant at that location. */
      readonly grant?: Grant;
    };

export type EntitlePorts = {
  readonly stepDirectory: Pick<StepDirectory, "byId">;
  readonly gate: IssuanceGate;
  /** For orders that the caller makes as the opener. */
  readonly entries: Pick<EntryDirectory, "byId">;
  readonly processes: Pick<ProcessWatch, "find">;
  readonly rate: IssuanceRate;
  readonly denials: DenialRecorder;
  readonly principals: Pick<PrincipalVault, "open">;
  readonly clock: Clock;
  readonly random: Randomness;
};

/**
 * What the caller may be issued. As executor, its process must be the step's executor and match the agent's entry as it
 * is now; as opener, it must match the entry that opened the step. Each credential must lie within the step's grant and
 * audiences.
 *
 * @throws BrokerError STEP_NOT_FOUND, STEP_CLOSED, NOT_ENTITLED, EXECUTOR_GONE, LIMIT_EXCEEDED, and the gate's refusal
 */
export async function entitle(
  caller: Attested,
  order: SvidOrder,
  ports: EntitlePorts,
): Promise<readonly (Entitled | Denial)[]> {
  const suspended = ports.gate.refusal();
  if (suspended !== undefined) throw errorOf(suspended);

  const step = await ports.stepDirectory.byId(order.stepId);
  if (step === undefined) throw new BrokerError("STEP_NOT_FOUND", "no such step");
  const { as = "executor" } = order;
  let entry: AgentEntry;
  let principal: PrincipalName | undefined;
  try {
    entry = as === "executor" ? executorEntry(caller, step) : entryForOpener(caller, step, ports);
    if (!permits(step.state)) {
      throw new BrokerError("STEP_CLOSED", `the step is ${step.state}`, { metadata: { state: step.state } });
    }
    principal = await knownPrincipal(step, ports.principals);
    ports.rate.take(step.stepId, order.wanted.length);
  } catch (thrown) {
    await recordDenial(caller, step, [], denialFrom(thrown), ports);
    throw thrown;
  }

  const executable = executableOf(caller, step, as);
  const entitled = each(order.wanted, (wanted) => entitlement(step, entry, wanted, { executable, principal }));
  for (const [index, item] of entitled.entries()) {
    if (isDenial(item)) await recordDenial(caller, step, askedBy(order.wanted[index]), item, ports);
  }
  return entitled;
}

export function executorEntry(caller: Attested, step: Step): AgentEntry {
  const entry = caller.entries.find((one) => one.entryId === step.agentEntryId);
  if (entry === undefined || !isOfKind(entry, "agent")) {
    throw new BrokerError("NOT_ENTITLED", "the calling process does not match the entry of the step's agent");
  }
  const { executor } = step;
  if (!isExecutedBy(step, caller)) throw new BrokerError("NOT_ENTITLED", notTheExecutor(executor, caller));
  const pinned = executor.kind === "process" ? executor.executable : undefined;
  if (pinned !== undefined && pinned !== caller.executable) {
    throw new BrokerError("EXECUTOR_GONE", "the executor runs another program than the one first issued to");
  }
  return entry;
}

function notTheExecutor(executor: Executor, caller: Attested): string {
  const message = "the calling process is not the step's executor";
  if (executor.kind === "any") return `${message}: it was opened on another machine`;
  if (executor.kind === "tree") return `${message}, and no chain of parents leads to it`;
  return isBelow(executor, caller) ? STARTED_BY_EXECUTOR : message;
}

/** The program that the step is pinned to: none where several processes execute the step, each with its own. */
export function executableOf(caller: Attested, { executor }: Step, as: SvidOrder["as"]): string | undefined {
  if (executor.kind === "tree") return undefined;
  if (as === "executor") return caller.executable;
  return executor.kind === "process" ? executor.executable : undefined;
}

/**
 * The agent's entry, for the runtime that opened the step and hands its SVIDs on to the executor: only while there is
 * an executor.
 */
export function entryForOpener(
  caller: Attested,
  step: Step,
  ports: Pick<EntitlePorts, "entries" | "processes">,
): AgentEntry {
  if (!accessTo(step, caller).asOpener) {
    throw new BrokerError("NOT_ENTITLED", "the step belongs to another entry's run");
  }
  const entry = ports.entries.byId(step.agentEntryId);
  if (entry === undefined || entry.disabled || !isOfKind(entry, "agent")) {
    throw new BrokerError("NOT_ENTITLED", "the entry of the step's agent is no longer in force");
  }
  if (step.executor.kind !== "any") {
    const found = ports.processes.find(step.executor.process.pid, step.executor.process);
    if (found === undefined || !sameProcess(found.process, step.executor.process)) {
      throw new BrokerError("EXECUTOR_GONE", "the step's executor has ended");
    }
  }
  return entry;
}

type Known = { readonly executable: string | undefined; readonly principal: PrincipalName | undefined };

/** For those who have found the caller to be the step's executor, or its opener. @throws BrokerError */
export function entitlement(
  step: Step,
  entry: AgentEntry,
  wanted: SvidWanted,
  { executable, principal }: Known,
): Entitled {
  const content = contentOf(step, entry, wanted);
  const { x509SvidTtlSeconds, jwtSvidTtlSeconds } = entry.content;
  return entitledTo({
    subject: { kind: "step", stepId: step.stepId },
    spiffeId: step.spiffeId,
    step,
    decidedOn: decidedOn(entry),
    // A WIT-SVID lives as long as an X.509-SVID, since both are identities with a key of their own; what carries a grant
    // lives as long as a JWT-SVID.
    ttlSeconds: wanted.kind === "jwt-svid" || wanted.kind === "txn-token" ? jwtSvidTtlSeconds : x509SvidTtlSeconds,
    content,
    ...(executable === undefined ? {} : { executable }),
    ...(principal === undefined ? {} : { principal }),
  });
}

/** For this stage alone: each function that calls this one has decided. */
export function entitledTo(facts: Unbranded<Entitled>): Entitled {
  return facts as Entitled;
}

function contentOf(step: Step, entry: AgentEntry, wanted: SvidWanted): SvidContent {
  switch (wanted.kind) {
    case "x509-svid":
      return { kind: wanted.kind, publicKey: "csr" in wanted ? checkCsr(wanted.csr).publicKey : wanted.publicKey };
    case "wit-svid":
      return { kind: wanted.kind, publicKey: wanted.publicKey };
    case "jwt-svid":
      return claimsOf(step, entry, wanted);
    case "txn-token":
      return transactionOf(step, wanted);
  }
}

/** A transaction token carries a grant and identifies nobody, so there is none where nothing is granted. */
function transactionOf(
  step: Step,
  { location, grant: asked }: Extract<SvidWanted, { kind: "txn-token" }>,
): SvidContent {
  const held = narrowTo(step.grant, location);
  if (held.length === 0) throw new BrokerError("AUDIENCE_INVALID", "not a location of the step's grant");
  const grant = asked === undefined ? held : grantedOf(asked, held);
  if (grant.length === 0) throw invalidField("grant", "at least one element, or none given for all of the step's");
  return { kind: "txn-token", location, grant };
}

function claimsOf(step: Step, entry: AgentEntry, wanted: Extract<SvidWanted, { kind: "jwt-svid" }>): SvidContent {
  const [audience, ...more] = wanted.audiences;
  if (audience === undefined) throw new BrokerError("AUDIENCE_INVALID", "a JWT-SVID needs an audience");
  const bound = wanted.confirmation === undefined ? {} : { confirmation: wanted.confirmation };
  const known = audiencesOf(step);
  if (
    wanted.audiences.length > LIMITS.audiencesPerStepMax ||
    new Set(wanted.audiences).size !== wanted.audiences.length
  ) {
    throw new BrokerError("AUDIENCE_INVALID", `1 to ${LIMITS.audiencesPerStepMax} audiences, none twice`);
  }
  if (!wanted.audiences.every((one) => known.includes(one))) {
    throw new BrokerError("AUDIENCE_INVALID", "the step was not opened for this audience");
  }
  if (more.length > 0) {
    if (!entry.content.allowMultipleAudiences) {
      throw new BrokerError("AUDIENCE_INVALID", "one audience a token: the agent's entry does not allow several");
    }
    if (wanted.grant !== undefined) {
      throw new BrokerError("AUDIENCE_INVALID", "a token for several audiences only identifies; it carries no grant");
    }
    return { kind: "jwt-svid", audiences: wanted.audiences, grant: [], ...bound };
  }

  const held = narrowTo(step.grant, audience);
  const grant = wanted.grant === undefined ? held : grantedOf(wanted.grant, held);
  return { kind: "jwt-svid", audiences: [audience], grant, ...bound };
}

/** A narrower grant that was asked for, within what the step holds. */
export function grantedOf(asked: Grant, held: Grant, above = "above the step's grant at that audience"): Grant {
  checkAskedGrant(asked, "grant");
  const { permitted, refused } = divide(withDefinitionsOf(asked, held), held);
  if (refused.length > 0) {
    throw new BrokerError("GRANT_EXCEEDED", `${above}: ${nameRefused(refused)}`);
  }
  return permitted;
}

function askedBy(wanted: SvidWanted | undefined): Grant {
  return wanted !== undefined && "grant" in wanted && wanted.grant !== undefined ? wanted.grant : [];
}

export async function recordDenial(
  caller: Attested,
  step: Step,
  requested: Grant,
  refused: Denial,
  ports: Pick<EntitlePorts, "denials" | "clock" | "random">,
): Promise<void> {
  if (!isDecision(refused.code)) return;
  const { agent, runId, step: name, attempt, stepId } = step;
  const callerEntryId = caller.entries[0]?.entryId;
  const decision = denyOf(
    {
      ...{
        act: "issue",
        reason: refused.code,
        message: refused.message,
        agent,
        runId,
        step: name,
        attempt,
        stepId,
        requested,
      },
      ...(callerEntryId === undefined ? {} : { callerEntryId }),
      determiningPolicies: [`grant:${step.decisionId}`],
    },
    ports,
  );
  await ports.denials.record(decision, caller);
}

/** The one answer, for a caller that asked for a single credential. */
export function onlyAnswer<T extends object>(answers: readonly (T | Denial)[]): T | Denial {
  const [answer] = answers;
  return answer ?? denial("NOT_SERVING", "no answer");
}
