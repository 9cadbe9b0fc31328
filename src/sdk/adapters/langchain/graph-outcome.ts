import type { Outcome, OutcomeOf } from "../../runtime/index.ts";

/** How LangGraph leaves a tool without the tool having failed: each is a throw. */
const LEFT_BY: Readonly<Record<string, Outcome>> = {
  GraphInterrupt: "CANCELLED",
  NodeInterrupt: "CANCELLED",
  GraphDrained: "CANCELLED",
  /** The tool has said where its graph's parent goes on. */
  ParentCommand: "COMPLETED",
};

/** What the graph throws to itself, through the tool; whoever keeps or changes it breaks the graph. */
export function isGraphBubbleUp(thrown: unknown): thrown is Error {
  return thrown instanceof Error && "is_bubble_up" in thrown && thrown.is_bubble_up === true;
}

/** A step that a pause leaves is done with: the body runs again on resume, as another attempt. */
export const outcomeOfGraph: OutcomeOf = (end) =>
  end.kind === "threw" && isGraphBubbleUp(end.error) ? LEFT_BY[end.error.name] : undefined;
