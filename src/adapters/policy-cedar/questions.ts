import { BrokerError } from "../../domain/errors.ts";
import type { Action, GrantElement } from "../../domain/grant.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { PolicyRequest } from "../../ports/policy-engine.ts";
import type { UseOf } from "./situation.ts";

/** One question to the engine, as far as it differs from the others of its request. */
export type PolicyQuestion =
  | { readonly action: Action; readonly tool: string; readonly use: UseOf }
  | { readonly action: "open_step" | "delegate" };

/**
 * Counts what would be asked, before anything is.
 *
 * @returns how many questions about tools there are
 * @throws BrokerError LIMIT_EXCEEDED
 */
export function countQuestions({ requested, elements }: PolicyRequest): number {
  const max = LIMITS.policyEvaluationsMax;
  let count = 0;
  for (const { locations, actions, datatypes } of elements) {
    count += locations.length * actions.length * datatypes.length;
    if (count > max) {
      throw new BrokerError(
        "LIMIT_EXCEEDED",
        `grant: at most ${max} combinations of server, action and data class; ask for fewer in one step`,
        { metadata: { field: "grant" } },
      );
    }
  }
  // An element with an empty list asks nothing, and nothing asked is nothing allowed.
  if (elements.length > LIMITS.grantElementsMax || requested.length > LIMITS.grantElementsMax) {
    throw new BrokerError("LIMIT_EXCEEDED", `grant: at most ${LIMITS.grantElementsMax} elements`, {
      metadata: { field: "grant" },
    });
  }
  return count;
}

export function questionsOf({ identifier, locations, actions, datatypes }: GrantElement): readonly PolicyQuestion[] {
  return actions.flatMap((action) =>
    locations.flatMap((server) =>
      datatypes.map((dataClass) => ({ action, tool: identifier, use: { server, dataClass } })),
    ),
  );
}

/** Whether a step may be open at all is not asked where it is open, and one tool is to be called. */
export function questionsOfWhole({ act, parent }: PolicyRequest): readonly PolicyQuestion[] {
  if (act === "call") return [];
  return [{ action: "open_step" }, ...(parent === undefined ? [] : [{ action: "delegate" } as const])];
}
