import { isWithin } from "../domain/grant.ts";
import { type EntryContent, isOfKind, type RegistrationEntry } from "../domain/registration-entry.ts";
import type { Step } from "../domain/step.ts";

/** The open steps of an entry that hold what its new content no longer permits. */
export function stepsNoLongerPermitted(
  entry: RegistrationEntry,
  content: EntryContent,
  openSteps: readonly Step[],
): readonly string[] {
  return openSteps.filter((step) => !stillPermitted(entry, content, step)).map((step) => step.stepId);
}

function stillPermitted(entry: RegistrationEntry, content: EntryContent, step: Step): boolean {
  if (content.kind === "runtime") {
    return step.openerEntryId !== entry.entryId || content.agents.includes(step.agent);
  }
  if (content.kind !== "agent" || step.agentEntryId !== entry.entryId) return true;
  const opensItself = step.openerEntryId === entry.entryId;
  return (
    isWithin(step.grant, content.ceiling) &&
    step.audiences.every((audience) => content.audiences.includes(audience)) &&
    (step.executor.kind !== "any" || content.allowAnyExecutor) &&
    (step.executor.kind !== "tree" || content.allowExecutorTree === true) &&
    (!opensItself || content.mayOpen) &&
    isOfKind(entry, "agent") &&
    // The identities of the entry's steps were made from the old template.
    entry.content.spiffeIdTemplate === content.spiffeIdTemplate
  );
}
