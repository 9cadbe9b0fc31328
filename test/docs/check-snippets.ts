// Calls that the broker decides, for the documentation; compiled, and the same is run by test/sdk/mcp/checked-calls.test.ts.
import { createMcpGuard, type McpGuardOptions } from "stint-sdk/mcp";
import { argumentsSha256, type ToolUse, type VerifiedStep, type Verifier } from "stint-sdk/verifier";

export function guardOf(options: McpGuardOptions) {
  // #region check
  const guard = createMcpGuard({
    ...options,
    // By what they do, and by name. The others cost nothing more than before.
    check: { actions: ["write", "move_data"], tools: ["delete_repo"] },
  });
  // #endregion
  return guard;
}

export async function checked(verifier: Verifier, verified: VerifiedStep, args: object): Promise<string> {
  // #region check-call
  const use: ToolUse = { tool: "create_issue", actions: ["write"], datatypes: ["internal"] };
  const { decisionId, callsLeft } = await verifier.check(verified, use, { argumentsSha256: argumentsSha256(args) });
  // #endregion
  return `${decisionId} ${callsLeft ?? "any"}`;
}
