import type { OutcomeOf } from "stint-sdk/runtime";

/**
 * LangGraph pauses by a throw inside of a node and by a result around `invoke`; Mastra's `generate` returns, also when a tool suspended
 * it. A step that was left so is done with, and what comes after the pause opens another.
 */
export const outcomeOf: OutcomeOf = (end) => {
  if (end.kind === "threw") {
    return end.error instanceof Error && end.error.name === "GraphInterrupt" ? "CANCELLED" : undefined;
  }
  const { __interrupt__: interrupts, finishReason } = (end.result ?? {}) as Readonly<Record<string, unknown>>;
  return interrupts !== undefined || finishReason === "suspended" ? "CANCELLED" : undefined;
};
