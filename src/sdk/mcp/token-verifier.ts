import { type AuthInfo, OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";
import type { GuardSettings } from "../mcp-guard/guard-settings.ts";
import { identifyByToken } from "../mcp-guard/step-auth-info.ts";

/**
 * The MCP SDK's `OAuthTokenVerifier`, for its own bearer middleware. It identifies and no more: what a step may call, and
 * that a call stops when its step ends, is the guard's work, and so are proofs.
 *
 * @throws OAuthError `invalid_token` for a token that does not hold (401), `server_error` when the verifier cannot tell
 * (500); never anything else
 */
export function createTokenVerifier(settings: GuardSettings): (token: string) => Promise<AuthInfo> {
  return async (token) =>
    identifyByToken(
      settings,
      token,
      (message, fault) =>
        new OAuthError(fault === "verifier" ? OAuthErrorCode.ServerError : OAuthErrorCode.InvalidToken, message),
    );
}
