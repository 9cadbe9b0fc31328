import { BrokerError } from "../domain/errors.ts";
import { LIMITS } from "../domain/limits.ts";
import { type EntryKind, isInfrastructure } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { IssuePorts } from "../issue/issue-svids.ts";
import { issueTogether, type SvidRequest } from "../issue/issue-together.ts";
import type { Cancel } from "../ports/clock.ts";
import type { ExecutingProcess, ExecutorSteps } from "../ports/executor-steps.ts";
import type { SvidIdentity } from "./svid-identity.ts";
import type { SvidSource } from "./svid-stream.ts";

export type ProcessIdentitiesPorts = IssuePorts & {
  readonly executorSteps: ExecutorSteps;
  /** Calls after a change of the registration entries. */
  readonly onEntriesChange: (changed: () => void) => Cancel;
};

/**
 * The open steps that the caller executes, oldest first.
 *
 * @throws BrokerError LIMIT_EXCEEDED when there are more steps than one process may execute
 */
export function executedSteps(caller: Attested, steps: ExecutorSteps): readonly Step[] {
  const executed = steps.executedBy(executingOf(caller));
  if (executed.length <= LIMITS.openStepsPerExecutorMax) return executed;
  throw new BrokerError("LIMIT_EXCEEDED", `a process executes at most ${LIMITS.openStepsPerExecutorMax} open steps`);
}

/** The order among those outside of any step: a default in the order of the entries would change with the entries. */
const INFRASTRUCTURE: readonly EntryKind[] = ["runtime", "verifier", "operator"];

/**
 * The caller's identities: first those of the steps that it executes, then those outside of any step. A library that is asked for
 * "the" SVID takes the first, and in the middle of a step that must be the one that may do less and ends with the step.
 */
function identitiesOf(caller: Attested, steps: ExecutorSteps): readonly SvidIdentity[] {
  const infrastructure = caller.entries
    .filter(isInfrastructure)
    .toSorted(
      ({ content: a }, { content: b }) =>
        INFRASTRUCTURE.indexOf(a.kind) - INFRASTRUCTURE.indexOf(b.kind) || (a.name < b.name ? -1 : 1),
    );
  return [
    ...executedSteps(caller, steps).map((step) => ({ kind: "step", step }) as const),
    ...infrastructure.map((entry) => ({ kind: "infrastructure", entry }) as const),
  ];
}

/**
 * The identities of one process, for a stream to the process.
 *
 * @param attested - the process at the other end, as it is now; called for every act.
 * @param kind - of the SVIDs; only steps have WIT-SVIDs.
 * @param isWanted - which of its identities the subscriber wants.
 */
export function processIdentities(
  attested: () => Promise<Attested>,
  kind: "x509-svid" | "wit-svid",
  isWanted: (identity: SvidIdentity) => boolean,
  ports: ProcessIdentitiesPorts,
): SvidSource {
  let told: () => void = () => undefined;
  let unfollow: Cancel = () => undefined;
  let isOver = false;

  /** Follows anew, since a process with another program or other entries executes other steps. */
  function followAs(caller: Attested): void {
    unfollow();
    unfollow = isOver ? () => undefined : ports.executorSteps.followExecutor(executingOf(caller), told);
  }

  return {
    async identities() {
      const caller = await attested();
      followAs(caller);
      const all = identitiesOf(caller, ports.executorSteps);
      return all.filter((one) => (one.kind === "step" || kind === "x509-svid") && isWanted(one));
    },
    async issue(wanted) {
      const caller = await attested();
      const requests = wanted.map(({ identity, publicKey }) => requestOf(identity, kind, publicKey));
      return issueTogether(caller, requests, ports);
    },
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
  return { process: caller.process, entryIds: agents.map(({ entryId }) => entryId) };
}
