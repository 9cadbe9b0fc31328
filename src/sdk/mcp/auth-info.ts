import type { AuthInfo } from "@modelcontextprotocol/server";
import { OAuthError, OAuthErrorCode } from "@modelcontextprotocol/server";
import { type StepFacts, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import type { McpGuardSettings } from "./guard-settings.ts";

/** Where the step is found in `AuthInfo.extra`. */
const STEP = "step";

/**
 * What the MCP SDK's handlers get to know of their caller. The token is not among it: a handler could only pass it on,
 * and the server it were passed to could then act as the step here.
 *
 * @see MCP authorization, token passthrough
 */
export function authInfoOf(verified: VerifiedStep, metadataUrl: string): AuthInfo {
  return {
    token: "",
    clientId: verified.step.agent,
    scopes: [...verified.scopes],
    expiresAt: verified.expiresAt,
    resource: new URL(verified.audience),
    resourceMetadataUrl: metadataUrl,
    extra: { spiffeId: verified.spiffeId, [STEP]: verified.step, jti: verified.jti },
  };
}

/**
 * The step on whose behalf a handler runs: `stepOf(ctx.http?.authInfo)`.
 *
 * @returns `undefined` when the request did not come through a guard.
 */
export function stepOf(authInfo: AuthInfo | undefined): StepFacts | undefined {
  return authInfo?.extra?.[STEP] as StepFacts | undefined;
}

/**
 * The MCP SDK's `OAuthTokenVerifier`, for its own bearer middleware. It identifies and no more: what a step may call, and
 * that a call stops when its step ends, is the guard's work.
 *
 * @throws OAuthError `invalid_token` for a token that does not hold (401), `server_error` when the verifier cannot tell
 * (500); never anything else
 */
export function createTokenVerifier(settings: McpGuardSettings): (token: string) => Promise<AuthInfo> {
  return async (token) => {
    try {
      const verified = settings.verifier.verify(token, { audience: settings.resource });
      return authInfoOf(verified, settings.metadataUrl);
    } catch (thrown) {
      if (thrown instanceof VerificationError && thrown.fault !== "verifier") {
        throw new OAuthError(OAuthErrorCode.InvalidToken, thrown.message);
      }
      const message = thrown instanceof VerificationError ? thrown.message : "the token could not be verified";
      throw new OAuthError(OAuthErrorCode.ServerError, message);
    }
  };
}
