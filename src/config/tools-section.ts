import { oneOf, section } from "./fields.ts";

/** What decides which definition of a tool may be called. */
const TOOL_PINS = ["first_sight", "accepted"] as const;

/** Definitions of tools, as verifiers and guards report them. */
export const toolsSection = section({
  pin: oneOf(TOOL_PINS)
    .prefault("first_sight")
    .describe(
      "Which definition of a tool is pinned: the one that is reported first, or none until an operator accepts it. Another one is always for an operator to accept.",
    ),
});
