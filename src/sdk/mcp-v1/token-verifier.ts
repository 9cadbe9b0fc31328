import {
  InsufficientScopeError,
  InvalidTokenError,
  type OAuthError,
  ServerError,
} from "@modelcontextprotocol/sdk/server/auth/errors.js";
import type { AuthInfo } from "@modelcontextprotocol/sdk/server/auth/types.js";
import type { GuardSettings } from "../mcp-guard/guard-settings.ts";
import { identifyByToken } from "../mcp-guard/step-auth-info.ts";

/**
 * The MCP SDK's `OAuthTokenVerifier`, for its `requireBearerAuth`. It identifies and no more: what a step may call, and that
 * a call stops when its step ends, is the guard's work, and so are proofs.
 *
 * @throws InvalidTokenError for a token that does not hold (401), ServerError when the verifier cannot tell (500); never
 *   what that middleware does not know
 */
export function createTokenVerifier(settings: GuardSettings): (token: string) => Promise<AuthInfo> {
  return async (token) => identifyByToken(settings, token, (message, fault) => ERRORS[fault](message));
}

const ERRORS = {
  token: (message: string) => new InvalidTokenError(message),
  grant: (message: string) => new InsufficientScopeError(message),
  verifier: (message: string) => new ServerError(message),
} as const satisfies Record<string, (message: string) => OAuthError>;
