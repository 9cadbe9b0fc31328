import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import { createGuard, type Guard } from "../mcp-guard/guard.ts";
import { guardSettingsOf, type McpGuardOptions } from "../mcp-guard/guard-settings.ts";
import { createTokenVerifier } from "./token-verifier.ts";

export type McpGuard = Guard & {
  /** For the MCP SDK's bearer middleware, where the guard itself cannot stand in front; see `createTokenVerifier`. */
  verifyAccessToken(token: string): Promise<AuthInfo>;
};

/**
 * A guard for servers of the MCP SDK's version 1; `serveStateless(…)` is what it stands in front of. See `createGuard`.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function createMcpGuard(options: McpGuardOptions): McpGuard {
  const settings = guardSettingsOf(options);
  return { ...createGuard(settings), verifyAccessToken: createTokenVerifier(settings) };
}
