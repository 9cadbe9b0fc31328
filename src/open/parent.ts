import { isExecutedBy } from "../decide/executed-by.ts";
import { isOpenedBy } from "../decide/step-access.ts";
import type { RegistrationEntry } from "../domain/registration-entry.ts";
import type { Attested } from "../domain/stages.ts";
import { audiencesOf, type Step } from "../domain/step.ts";
import { type Delegated, type DelegationPorts, delegatedParent, openParent } from "./delegation.ts";
import type { OpenRequest } from "./open-request.ts";

/** The open step that a child is to be opened under. */
export type Parent = {
  readonly step: Step;
  /** Present where the opener was let in by a token, and not by what it is to the step. */
  readonly delegated?: Delegated;
};

/**
 * The step that a request names as its parent: by its id, if the step is the caller's to delegate from, or by a
 * delegation token for the caller. `undefined` where it names none.
 *
 * @throws BrokerError DELEGATION_REFUSED
 */
export async function parentOf(
  caller: Attested,
  { parentStepId, parentToken }: OpenRequest,
  ports: DelegationPorts,
): Promise<Parent | undefined> {
  if (parentToken !== undefined) return delegatedParent(parentToken, caller, ports);
  if (parentStepId === undefined) return undefined;
  const step = await ports.stepDirectory.byId(parentStepId);
  return { step: openParent(step !== undefined && mayDelegate(step, caller) ? step : undefined) };
}

/** The caller's entries by which it may open a child: with a token the one that the token is for, and no other. */
export function openingEntries(caller: Attested, parent: Parent | undefined): readonly RegistrationEntry[] {
  return parent?.delegated === undefined ? caller.entries : [parent.delegated.runtime];
}

/** Of a parent's audiences those that a child may have: with a token not the locations that the token leaves out. */
export function audiencesToPassOn({ step, delegated }: Parent): readonly string[] {
  return audiencesOf({ grant: delegated?.cap ?? step.grant, audiences: step.audiences });
}

function mayDelegate(step: Step, caller: Attested): boolean {
  if (caller.entries.some((entry) => isOpenedBy(step, entry, caller))) return true;
  switch (step.executor.kind) {
    case "any":
      return false;
    case "process":
      return isExecutedBy(step, caller);
    case "tree":
      // Below the executor there may be programs of other users, which it started for something else.
      return caller.entries.some(({ entryId }) => entryId === step.agentEntryId) && isExecutedBy(step, caller);
  }
}
