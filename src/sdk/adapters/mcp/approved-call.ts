import { type RefusalFacts, refusalFactsOf } from "../refusal-facts.ts";

/** Asks somebody, and resolves once the approval was given. What it throws ends the call. */
export type OnApprovalNeeded = (refusal: RefusalFacts, signal: AbortSignal) => Promise<void>;

/** One approval lets a call through; a server that asks for more than this of one call never does. */
const APPROVALS_MAX = 3;

/**
 * Makes a call, and makes it again once an approval that it waited for was given: in the same step, for which alone it is.
 *
 * @param asking.signal - of step and call, for whoever is asked.
 * @throws what the call throws, but for a wait that ended well; what `onApprovalNeeded` throws
 */
export async function approvedCall<Result>(
  call: () => Promise<Result>,
  asking: {
    readonly tool: string;
    readonly signal: AbortSignal;
    readonly onApprovalNeeded: OnApprovalNeeded | undefined;
  },
): Promise<Result> {
  const { tool, signal, onApprovalNeeded } = asking;
  const asked = new Set<string>();
  for (;;) {
    try {
      return await call();
    } catch (thrown) {
      const refusal = refusalFactsOf(thrown, tool);
      const id = refusal?.approvalId;
      if (onApprovalNeeded === undefined || refusal === undefined || id === undefined) throw thrown;
      if (asked.has(id) || asked.size === APPROVALS_MAX) throw thrown;
      asked.add(id);
      await onApprovalNeeded(refusal, signal);
    }
  }
}
