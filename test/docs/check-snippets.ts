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

export function approvingGuardOf(options: McpGuardOptions) {
  // #region approval
  const guard = createMcpGuard({
    ...options,
    // Held for up to 30 seconds; after that the client is told what waits, and calls again.
    check: { tools: ["delete_repo"], acceptPending: true, approvalWaitMs: 30_000 },
  });
  // #endregion
  return guard;
}

export function pinningGuardOf(options: McpGuardOptions, warn: (line: string) => void) {
  // #region pin
  const guard = createMcpGuard({
    ...options,
    // A tool whose definition changed is neither listed nor called until an operator accepts it.
    pinTools: true,
    onToolRefused: (tool, verdict) => warn(`${tool} is ${verdict}`),
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
