import { type ReferencePorts, referencedSteps, type WorkloadReference } from "../decide/referenced-steps.ts";
import { BrokerError } from "../domain/errors.ts";
import type { Attested } from "../domain/stages.ts";
import type { Step } from "../domain/step.ts";
import type { IssuePorts } from "../issue/issue-svids.ts";
import { issueTogether } from "../issue/issue-together.ts";
import type { Cancel } from "../ports/clock.ts";
import type { ExecutorSteps } from "../ports/executor-steps.ts";
import { fewEnough } from "./process-identities.ts";
import type { SvidSource } from "./svid-stream.ts";

export type ReferencedPorts = IssuePorts &
  ReferencePorts & {
    readonly executorSteps: ExecutorSteps;
    readonly followStep: (stepId: string, changed: () => void) => Cancel;
    /** Calls after a change of the registration entries. */
    readonly onEntriesChange: (changed: () => void) => Cancel;
  };

/**
 * The identities that a runtime may have on behalf of the workload that it references, for a stream to the runtime. The
 * reference is resolved anew for every act: whether the workload is still there, and still the caller's.
 *
 * @param attested - the runtime at the other end, as it is now.
 * @param referenceFor - what the runtime references; throws when the runtime may not.
 * @see SPIFFE Broker API sections 4.2, 4.4 and 4.9
 */
export function referencedIdentities(
  attested: () => Promise<Attested>,
  referenceFor: (caller: Attested) => WorkloadReference,
  ports: ReferencedPorts,
): SvidSource {
  const followed = new Map<string, Cancel>();
  let told: () => void = () => undefined;

  function followAll(steps: readonly Step[], reference: WorkloadReference): void {
    const ids = new Set(steps.map(({ stepId }) => stepId));
    for (const [id, end] of followed) {
      if (ids.has(id)) continue;
      followed.delete(id);
      end();
    }
    for (const { stepId, executor } of steps) {
      if (!followed.has(stepId)) followed.set(stepId, ports.followStep(stepId, told));
      // Another step may be opened for the same process.
      if (reference.kind === "process" && executor.kind !== "any" && !followed.has(PROCESS)) {
        const { process } = executor;
        followed.set(PROCESS, ports.executorSteps.followExecutor({ process, entryIds: [] }, told));
      }
    }
  }

  return {
    async identities() {
      const caller = await attested();
      const reference = referenceFor(caller);
      const steps = fewEnough(await referencedSteps(caller, reference, ports), "reference each step");
      followAll(steps, reference);
      return steps.map((step) => ({ kind: "step", step }) as const);
    },
    async issue(wanted) {
      const caller = await attested();
      referenceFor(caller);
      const requests = wanted.flatMap(({ identity, publicKey }) =>
        identity.kind === "step"
          ? [
              {
                kind: "step",
                stepId: identity.step.stepId,
                wanted: { kind: "x509-svid", publicKey },
                as: "opener",
              } as const,
            ]
          : [],
      );
      return issueTogether(caller, requests, ports);
    },
    nothingLeft: () => new BrokerError("STEP_NOT_FOUND", "the workload has ended"),
    follow(changed) {
      told = changed;
      const end = ports.onEntriesChange(changed);
      return () => {
        end();
        for (const unfollow of followed.values()) unfollow();
        followed.clear();
      };
    },
  };
}

/** Not the id of any step. */
const PROCESS = "process";
