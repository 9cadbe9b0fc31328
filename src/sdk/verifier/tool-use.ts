import { invalidField } from "../../domain/errors.ts";
import { type Action, type Coverage, coverageOf } from "../../domain/grant.ts";
import type { VerifiedStep } from "./verified-step.ts";

/** One use of a tool. */
export type ToolUse = {
  readonly tool: string;
  /** What it does; all of it must be granted. At least one. */
  readonly actions: readonly Action[];
  /** The classes of data it touches; all must be granted. At least one. */
  readonly datatypes: readonly string[];
  /**
   * Digest of the tool's definition as its server shows it, hexadecimal: what grants for one definition alone are held to. Absent: not
   * known, so that such a grant does not cover the use.
   */
  readonly definitionSha256?: string;
};

/**
 * Refuses a use that says nothing of what is done, or to what: every grant would cover it.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function checkToolUse(use: ToolUse): void {
  if (use.actions.length === 0) throw invalidField("actions", "at least one");
  if (use.datatypes.length === 0) throw invalidField("datatypes", "at least one");
}

/** Whether one element of the step's grant permits all of a use at the audience that its token is for. */
export function isGranted(verified: Pick<VerifiedStep, "grant" | "audience">, use: ToolUse): boolean {
  return coverageOfUse(verified, use).isCovered;
}

/** How the step's grant covers a use at the audience that its token is for. */
export function coverageOfUse({ grant, audience }: Pick<VerifiedStep, "grant" | "audience">, use: ToolUse): Coverage {
  const { tool: identifier, actions, datatypes, definitionSha256: definition } = use;
  return coverageOf(grant, {
    ...({ type: "mcp_tool", locations: [audience], identifier, actions, datatypes } as const),
    ...(definition === undefined ? {} : { definition_sha256: definition }),
  });
}
