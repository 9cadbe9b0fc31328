import type { GrantElement } from "../../domain/grant.ts";
import type { RefusalFacts } from "./refusal-facts.ts";

/** A model reads the first of a long list, and pays for all of it. */
const ELEMENTS_TOLD_MAX = 4;

/**
 * A refusal in words for a model: which tool, what it would have taken, whether approval can help and by which id, and whether calling
 * again can. Made of reasons, names and ids alone; of nobody's message, but for an approver's words, which are quoted.
 */
export function refusalSentence(refusal: RefusalFacts): string {
  const { tool, reason, decisionId, approverReason } = refusal;
  return [
    `The call of the tool ${JSON.stringify(tool)} was not permitted (${reason}).`,
    takenOf(refusal),
    wordsOf(approverReason),
    adviceOf(refusal),
    decisionId === undefined ? "" : `An operator finds out more by the decision ${decisionId}.`,
  ]
    .filter((part) => part !== "")
    .join(" ");
}

function takenOf({ refused, refusedOmitted }: RefusalFacts): string {
  if (refused.length === 0) return "";
  const told = refused.slice(0, ELEMENTS_TOLD_MAX).map(elementText);
  const more = refused.length - told.length + refusedOmitted;
  return `It takes a grant of ${told.join("; ")}${more === 0 ? "" : `; and ${more} more`}.`;
}

function elementText({ identifier, locations, actions, datatypes }: GrantElement): string {
  const name = identifier === "*" ? "every tool" : identifier;
  return `${name} at ${locations.join(", ")} to ${actions.join(", ")} data of the classes ${datatypes.join(", ")}`;
}

function wordsOf(approverReason: string | undefined): string {
  if (approverReason === undefined) return "";
  return `Whoever was asked to approve it refused, saying ${JSON.stringify(approverReason)}.`;
}

/** What can be done next. The order is that of what helps: to wait for an approval that was asked for, to ask for one, to ask for less. */
function adviceOf(refusal: RefusalFacts): string {
  const { reason, state, approval, approvalId, approvalUntil, approvalEnded, approverReason, refused, retryable } =
    refusal;
  if (approvalId !== undefined) {
    const who = approval === undefined ? "a person" : `somebody with the role ${approval}`;
    if (approvalEnded) {
      return `It waited for ${who} to approve it, and no longer than this call: say so. Calling again asks anew.`;
    }
    const until = approvalUntil === undefined ? "" : `, until ${approvalUntil.toISOString()}`;
    return `It waits for ${who} to approve it as ${approvalId}${until}: say so, and once it is approved make the very same call again.`;
  }
  if (approval !== undefined) {
    return `Somebody with the role ${approval} can approve it: ask for that. Calling again before will be refused again.`;
  }
  if (approverReason !== undefined) return "Do not make this call again.";
  if (reason === "STEP_CLOSED") {
    const how = state === undefined ? "" : ` (${state})`;
    return `The step that this call worked in has ended${how}: its result does not count, and more calls in it will be refused.`;
  }
  if (reason === "APPROVAL_TIMEOUT") return "Nobody approved it in time: say so, and ask whether to try again.";
  if (retryable) return "That is so just now: the same call may succeed later.";
  if (refused.length > 0)
    return "Approval is not offered for it: do without, or ask whoever runs this agent to grant it.";
  return "Calling again will not help: do without this tool, and say that it was refused.";
}
