import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import type { UnixMicros } from "../../src/domain/time.ts";
import { type History, isLiveBut, isStanding, promise } from "./model-history.ts";

/** What the events say of those whom steps work for. */
export type ModelPrincipals = {
  /** What stands before the event is told. */
  take(event: LedgerEvent, sequence: number): void;
  /** Holds a step that is opened, or is to be, against whom it and its run work for. */
  opened(step: OpenedStep): void;
  /** Holds a step that waited against the same. */
  approved(step: OpenedStep): void;
  /** Nothing of whoever is offboarded is open or live. */
  checkBarred(at: UnixMicros): void;
  /** Whether somebody was offboarded at some moment between the two sequences. */
  wasBarred(principalId: string, from: number, through: number): boolean;
};

/** A run that works for several principals, or for nobody. */
const NO_ONE_ALONE = "";

export function createModelPrincipals(history: History): ModelPrincipals {
  const { steps, credentials } = history;
  const bars = new Map<string, { readonly sequence: number; readonly isBarred: boolean }[]>();
  /** Whom all steps of a run work for. */
  const ofRuns = new Map<string, string>();
  /** Of each principal, keys that what was recorded of them was sealed with; and those that went with an erasure. */
  const keys = new Map<string, Set<string>>();
  const erased = new Set<string>();
  /** Of whom everything has just been ended, in the act that is being told. */
  let ended: string | undefined;

  const isBarred = (principalId: string) => bars.get(principalId)?.at(-1)?.isBarred === true;

  function nothingStands(principalId: string): void {
    const standing = [...steps.values()].filter(
      (one) => isStanding(one) && one.step.principal?.principalId === principalId,
    );
    promise(standing.length === 0, "the act that offboards or erases a principal ends all steps of theirs");
  }

  function standsForNobodyBarred({ principal, runId }: OpenedStep): void {
    promise(principal === undefined || !isBarred(principal.principalId), "nothing opens for who was offboarded");
    const ofRun = ofRuns.get(runId);
    promise(ofRun === undefined || !isBarred(ofRun), "no run goes on that was all for who was offboarded");
  }

  return {
    take(event, sequence) {
      if (ended !== undefined && event.type !== "step.closed") {
        nothingStands(ended);
        ended = undefined;
      }
      const note = (principalId: string, barred: boolean) => {
        bars.set(principalId, [...(bars.get(principalId) ?? []), { sequence, isBarred: barred }]);
      };
      switch (event.type) {
        case "principal.offboarded":
          note(event.principalId, true);
          ended = event.principalId;
          return;
        case "principal.readmitted":
          promise(isBarred(event.principalId), "who is readmitted was offboarded");
          return note(event.principalId, false);
        case "principal.erased":
          for (const key of keys.get(event.principalId) ?? []) erased.add(key);
          ended = event.principalId;
          return;
        default:
      }
    },
    approved: standsForNobodyBarred,
    opened(step) {
      const { principal, runId, parentStepId } = step;
      const parent = parentStepId === undefined ? undefined : steps.get(parentStepId);
      const isAsParent = principal?.principalId === parent?.step.principal?.principalId;
      promise(parent === undefined || isAsParent, "a child works for whom its parent works for");
      standsForNobodyBarred(step);
      if (principal !== undefined) {
        const [key = ""] = principal.sealed.split(".");
        promise(!erased.has(key), "nothing opens for whom nobody can name any more");
        keys.set(principal.principalId, (keys.get(principal.principalId) ?? new Set()).add(key));
      }
      const ofRun = ofRuns.get(runId);
      const own = principal?.principalId ?? NO_ONE_ALONE;
      ofRuns.set(runId, ofRun === undefined || ofRun === own ? own : NO_ONE_ALONE);
    },
    checkBarred(at) {
      if (ended !== undefined) nothingStands(ended);
      ended = undefined;
      for (const principalId of bars.keys()) if (isBarred(principalId)) nothingStands(principalId);
      for (const credential of credentials.values()) {
        const { principal } = steps.get(credential.stepId)?.step ?? {};
        const isOver = credential.undelivered || !isLiveBut(credential, at);
        promise(isOver || principal === undefined || !isBarred(principal.principalId), "nor is a credential live");
      }
    },
    wasBarred(principalId, from, through) {
      const changes = bars.get(principalId) ?? [];
      const before = changes.findLast(({ sequence }) => sequence <= from)?.isBarred === true;
      return before || changes.some((one) => one.isBarred && one.sequence > from && one.sequence <= through);
    },
  };
}
