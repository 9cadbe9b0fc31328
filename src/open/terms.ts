import type { DescendantPorts } from "../decide/descendants.ts";
import { processNamed } from "../decide/named-process.ts";
import { BrokerError, invalidField } from "../domain/errors.ts";
import type { Executor } from "../domain/executor.ts";
import { LIMITS } from "../domain/limits.ts";
import { machineOf } from "../domain/owner.ts";
import type { SealedPrincipal } from "../domain/principal.ts";
import { isRemote, type ProcessIdentity } from "../domain/process.ts";
import { type AgentEntry, isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import { kindOf, matches, namesGroup } from "../domain/selector.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import { addSeconds, secondsOf, type UnixMicros, type UnixSeconds } from "../domain/time.ts";
import type { ProcessWatch } from "../ports/attestor.ts";
import type { Clock } from "../ports/clock.ts";
import type { EntryDirectory } from "../ports/directories.ts";
import type { Delegated, DelegationPorts } from "./delegation.ts";
import { mayOpenFor, openerApart } from "./kin.ts";
import type { OpenRequest } from "./open-request.ts";
import { audiencesToPassOn, openingEntries, type Parent, parentOf } from "./parent.ts";

/** On what terms a step may be opened at all, before anything is decided about its grant. */
export type Terms = {
  readonly agent: AgentEntry;
  readonly opener: RegistrationEntry;
  readonly executor: Executor;
  readonly parent: Step | undefined;
  /** Present where a delegation token let the opener below the parent. */
  readonly delegated?: Delegated;
  readonly expiresAt: UnixSeconds;
  /** Whom the step works for; set by `withPrincipal`. */
  readonly principal?: SealedPrincipal;
  /** When the principal was erased last, as it was known before anything was sealed. */
  readonly principalErasedAt?: UnixMicros;
  readonly openStepsMax: number;
  readonly executorOpenStepsMax: number;
};

export type TermsPorts = DescendantPorts &
  DelegationPorts & {
    readonly entries: EntryDirectory;
    readonly processes: Pick<ProcessWatch, "find">;
    readonly clock: Pick<Clock, "now">;
  };

/**
 * Who opens, for whom, executed by which process, under which parent, until when.
 *
 * @throws BrokerError NOT_ENTITLED, ENTRY_NOT_FOUND, DELEGATION_REFUSED, EXECUTOR_GONE, INVALID_FIELD, LIMIT_EXCEEDED
 */
export async function termsOf(caller: Attested, request: OpenRequest, ports: TermsPorts): Promise<Terms> {
  // A token is looked at first, since it says by which of its entries the caller may open.
  const byToken = request.parentToken === undefined ? undefined : await parentOf(caller, request, ports);
  const openers = openingEntries(caller, byToken).filter((entry) => mayOpenFor(entry, request.agent));
  const [first, ...others] = openers;
  const agent = ports.entries.byName("agent", request.agent);
  // A caller that may not open steps for an agent can't tell whether the agent exists.
  if (first === undefined) {
    const message = "the caller may not open steps for this agent: stint whoami says by which entries it is known";
    throw new BrokerError("NOT_ENTITLED", message);
  }
  if (agent === undefined) throw new BrokerError("ENTRY_NOT_FOUND", "no entry of this agent");
  if (agent.disabled) throw new BrokerError("NOT_ENTITLED", "the agent's entry is disabled");

  const delegation = byToken ?? (await parentOf(caller, request, ports));
  const parent = delegation?.step;
  if (parent !== undefined && parent.depth + 1 > LIMITS.delegationDepthMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `delegation goes at most ${LIMITS.delegationDepthMax} levels deep`);
  }
  const opener = openerApart(caller, [first, ...others], parent, ports);
  checkAudiences(request.audiences, agent, delegation);
  return {
    agent,
    opener,
    executor: executorOf(caller, request, agent, ports.processes),
    parent,
    ...(delegation?.delegated === undefined ? {} : { delegated: delegation.delegated }),
    expiresAt: expiryOf(request, agent, parent, secondsOf(ports.clock.now())),
    executorOpenStepsMax: agent.content.executorOpenStepsMax ?? LIMITS.openStepsPerExecutorDefault,
    openStepsMax: isOfKind(opener, "runtime") ? opener.content.openStepsMax : LIMITS.openStepsPerRuntimeDefault,
  };
}

export function checkAudiences(asked: readonly string[], agent: AgentEntry, parent: Parent | undefined): void {
  const held = parent === undefined ? undefined : audiencesToPassOn(parent);
  for (const audience of asked) {
    if (!agent.content.audiences.includes(audience)) {
      throw new BrokerError("AUDIENCE_INVALID", "the agent's entry does not allow one of the audiences", {
        metadata: { field: "audiences" },
      });
    }
    if (held?.includes(audience) === false) {
      throw new BrokerError("DELEGATION_REFUSED", "the parent step does not hold, or pass on, one of the audiences");
    }
  }
}

/** Selectors of the executable. A child that has yet to exec can't match them, so the first issuance checks them. */
const OF_EXECUTABLE: readonly string[] = ["unix:path", "unix:sha256"];

function executorOf(
  caller: Attested,
  request: OpenRequest,
  agent: AgentEntry,
  processes: TermsPorts["processes"],
): Executor {
  switch (request.executor.kind) {
    case "any":
      if (!agent.content.allowAnyExecutor)
        throw invalidField("executor", "a process: the agent's entry does not allow any executor");
      if (namesGroup(agent.content.selectors) && machineOf(caller.process) === undefined)
        throw invalidField("executor", "not any: for an agent of a group of nodes only on one of its machines");
      return { kind: "any" };
    case "self":
      return { kind: "process", process: ownProcess(caller, agent) };
    case "pid":
      return { kind: "process", process: processOf(request.executor.pid, caller, agent, processes) };
    case "tree": {
      if (agent.content.allowExecutorTree !== true)
        throw invalidField("executor", "a single process: the agent's entry does not say allow_executor_tree");
      const { pid } = request.executor;
      const process = pid === undefined ? ownProcess(caller, agent) : processOf(pid, caller, agent, processes);
      if (process.pid === ORPHANS_PARENT)
        throw invalidField("executor", "a single process: every process whose parent ends becomes a child of this one");
      return { kind: "tree", process };
    }
  }
}

/** The first process of a PID namespace. */
const ORPHANS_PARENT = 1;

function ownProcess(caller: Attested, agent: AgentEntry): ProcessIdentity {
  if (isRemote(caller.process)) throw invalidField("executor", "any: over a network nobody sees the opener's process");
  if (!caller.entries.some((entry) => entry.entryId === agent.entryId)) {
    throw new BrokerError(
      "NOT_ENTITLED",
      "the opener's process does not match the agent's entry, so it can't execute the step",
    );
  }
  return caller.process;
}

function processOf(
  pid: number,
  caller: Attested,
  agent: AgentEntry,
  processes: TermsPorts["processes"],
): ProcessIdentity {
  const found = processNamed(pid, caller, processes, { field: "executor", instead: "any" });
  if (found === undefined) throw new BrokerError("EXECUTOR_GONE", "no process has the executor's pid");
  const selectors = agent.content.selectors.filter((one) => !OF_EXECUTABLE.includes(kindOf(one)));
  if (selectors.length > 0 && !matches(selectors, found.selectors)) {
    throw new BrokerError("NOT_ENTITLED", "the executor's process does not match the agent's entry");
  }
  return found.process;
}

function expiryOf(request: OpenRequest, agent: AgentEntry, parent: Step | undefined, now: UnixSeconds): UnixSeconds {
  const latest = addSeconds(now, agent.content.stepSecondsMax);
  if (request.expiresAt === undefined) {
    return Math.min(addSeconds(now, LIMITS.stepSecondsDefault), latest, parent?.expiresAt ?? latest) as UnixSeconds;
  }
  // A second of tolerance: the caller computed the longest expiry a moment ago, by another clock's rounding.
  if (request.expiresAt > latest + 1)
    throw invalidField("expires_at", `at most ${agent.content.stepSecondsMax} s from now`);
  if (parent !== undefined && request.expiresAt > parent.expiresAt) {
    throw new BrokerError("DELEGATION_REFUSED", "the parent step expires before that");
  }
  return Math.min(request.expiresAt, latest) as UnixSeconds;
}
