import { identityRefusal } from "../decide/descendants.ts";
import { STARTED_BY_EXECUTOR } from "../decide/executed-by.ts";
import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type EntryKind, isInfrastructure } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { IssuePorts } from "../issue/issue-svids.ts";
import { issueTogether, type SvidRequest } from "../issue/issue-together.ts";
import type { Cancel } from "../ports/clock.ts";
import type { ExecutingProcess, ExecutorSteps } from "../ports/executor-steps.ts";
import { noIdentity } from "./nothing-left.ts";
import type { SvidIdentity } from "./svid-identity.ts";
import type { SvidSource } from "./svid-stream.ts";

export type ProcessIdentitiesPorts = IssuePorts & {
  readonly executorSteps: ExecutorSteps;
  /** Calls after a change of the registration entries. */
  readonly onEntriesChange: (changed: () => void) => Cancel;
};

/** The open steps that the caller executes, oldest first. */
export function executedSteps(caller: Attested, steps: ExecutorSteps): readonly Step[] {
  return steps.executedBy(executingOf(caller));
}

/**
 * The steps, if they are few enough for an answer that has something of each.
 *
 * @param instead - how to get what is wanted all the same.
 * @throws BrokerError LIMIT_EXCEEDED
 */
export function fewEnough(steps: readonly Step[], instead = INSTEAD_OF_STREAM): readonly Step[] {
  const { stepsPerStreamMax: max } = LIMITS;
  if (steps.length <= max) return steps;
  const message = `${steps.length} open steps, and an answer with all SVIDs of a process has those of ${max} at most: ${instead}`;
  throw new BrokerError("LIMIT_EXCEEDED", message);
}

const INSTEAD_OF_STREAM = "ask for each step's by stint.v1.Credentials";

/** What is told to a process without an identity: whether it is one that the executor of a step started. */
export function withoutIdentity(caller: Attested, steps: Pick<ExecutorSteps, "stepsOf">): BrokerError | undefined {
  const isBelowExecutor = caller
    .ancestors?.()
    .some((one) =>
      steps.stepsOf(one).some(({ agentEntryId }) => caller.entries.some(({ entryId }) => entryId === agentEntryId)),
    );
  return isBelowExecutor === true
    ? new BrokerError("NO_IDENTITY", `the calling process has no identity at present: ${STARTED_BY_EXECUTOR}`)
    : undefined;
}

/** Why a process has none of the identities that its entries could give it. */
function whyNone(caller: Attested, ports: ProcessIdentitiesPorts): BrokerError | undefined {
  const ofExecutor = withoutIdentity(caller, ports.executorSteps);
  if (ofExecutor !== undefined) return ofExecutor;
  for (const entry of caller.entries.filter(isInfrastructure)) {
    const withheld = identityRefusal(caller, entry, ports);
    if (withheld !== undefined) {
      return new BrokerError("NO_IDENTITY", `the calling process has no identity at present: ${withheld.message}`);
    }
  }
  return undefined;
}

/** The order among those outside of any step: a default in the order of the entries would change with the entries. */
const INFRASTRUCTURE: readonly EntryKind[] = ["runtime", "verifier", "operator", "node"];

/**
 * The caller's identities: first those of the steps that it executes, then those outside of any step. A library that is asked for
 * "the" SVID takes the first, and in the middle of a step that must be the one that may do less and ends with the step.
 * What a process with a part in steps started has none of its own, by which it could pass for that one elsewhere.
 */
function identitiesOf(caller: Attested, ports: ProcessIdentitiesPorts): readonly SvidIdentity[] {
  const infrastructure = caller.entries
    .filter((entry) => isInfrastructure(entry) && identityRefusal(caller, entry, ports) === undefined)
    .toSorted(
      ({ content: a }, { content: b }) =>
        INFRASTRUCTURE.indexOf(a.kind) - INFRASTRUCTURE.indexOf(b.kind) || (a.name < b.name ? -1 : 1),
    );
  return [
    ...fewEnough(executedSteps(caller, ports.executorSteps)).map((step) => ({ kind: "step", step }) as const),
    ...infrastructure.map((entry) => ({ kind: "infrastructure", entry }) as const),
  ];
}

/**
 * The identities of one process, for a stream to the process.
 *
 * @param attested - the process at the other end, as it is now; called for every act.
 * @param kind - of the SVIDs; only steps have WIT-SVIDs.
 * @param wantedOf - which of its identities the subscriber wants, of all that the process has now, in their order.
 */
export function processIdentities(
  attested: () => Promise<Attested>,
  kind: "x509-svid" | "wit-svid",
  wantedOf: (identities: readonly SvidIdentity[]) => readonly SvidIdentity[],
  ports: ProcessIdentitiesPorts,
): SvidSource {
  let told: () => void = () => undefined;
  let unfollow: Cancel = () => undefined;
  let isOver = false;
  let refusal: BrokerError | undefined;

  /** Follows anew, since a process with another program or other entries executes other steps. */
  function followAs(caller: Attested): void {
    unfollow();
    unfollow = isOver ? () => undefined : ports.executorSteps.followExecutor(executingOf(caller), told);
  }

  return {
    async identities() {
      const caller = await attested();
      followAs(caller);
      const all = identitiesOf(caller, ports);
      refusal = all.length === 0 ? whyNone(caller, ports) : undefined;
      return wantedOf(kind === "x509-svid" ? all : all.filter((one) => one.kind === "step"));
    },
    async issue(wanted) {
      const caller = await attested();
      const requests = wanted.map(({ identity, publicKey }) => requestOf(identity, kind, publicKey));
      return issueTogether(caller, requests, ports);
    },
    nothingLeft: () => refusal ?? noIdentity(),
    follow(changed) {
      told = changed;
      const end = ports.onEntriesChange(changed);
      return () => {
        isOver = true;
        unfollow();
        end();
      };
    },
  };
}

function requestOf(identity: SvidIdentity, kind: "x509-svid" | "wit-svid", publicKey: Uint8Array): SvidRequest {
  if (identity.kind === "infrastructure") {
    return { kind: "infrastructure", wanted: { entryId: identity.entry.entryId, publicKey } };
  }
  const wanted = kind === "x509-svid" ? { kind, publicKey } : { kind, publicKey };
  return { kind: "step", stepId: identity.step.stepId, wanted };
}

function executingOf(caller: Attested): ExecutingProcess {
  const agents = caller.entries.filter(({ content }) => content.kind === "agent");
  const entryIds = agents.map(({ entryId }) => entryId);
  return { process: caller.process, entryIds, ancestors: caller.ancestors };
}
