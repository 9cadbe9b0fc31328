import { type StepFacts, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import type { GuardSettings } from "./guard-settings.ts";

/** What both lines of the MCP SDK have as `AuthInfo`. */
export type StepAuthInfo = {
  /** Always empty. */
  token: string;
  clientId: string;
  scopes: string[];
  /** Unix seconds. */
  expiresAt: number;
  resource: URL;
  resourceMetadataUrl: string;
  extra: Record<string, unknown>;
};

/** Where the step is found in `extra`. */
const STEP = "step";

/**
 * What the MCP SDK's handlers get to know of their caller. The token is not among it: a handler could only pass it on,
 * and the server it were passed to could then act as the step here.
 *
 * @see MCP authorization, token passthrough
 */
export function authInfoOf(verified: VerifiedStep, metadataUrl: string): StepAuthInfo {
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
 * The step on whose behalf a handler runs.
 *
 * @param authInfo - of a handler's context.
 * @returns `undefined` when the request did not come through a guard.
 */
export function stepOf(authInfo: { readonly extra?: Record<string, unknown> } | undefined): StepFacts | undefined {
  return authInfo?.extra?.[STEP] as StepFacts | undefined;
}

/**
 * Whose a token is, for the MCP SDK's own bearer middleware, which shows nothing of a request but its token: one that is
 * bound to a key is refused, and where proofs are required every one is.
 *
 * @throws what `refuse` makes of whatever went wrong
 */
export async function identifyByToken(
  settings: GuardSettings,
  token: string,
  refuse: (message: string, fault: "token" | "grant" | "verifier") => Error,
): Promise<StepAuthInfo> {
  try {
    if (settings.proof === "required") {
      throw new VerificationError("PROOF_REQUIRED", "proofs are required here, and none can be seen", { proof: "any" });
    }
    await settings.verifier.learn(token);
    return authInfoOf(settings.verifier.verify(token, { audience: settings.resource }), settings.metadataUrl);
  } catch (thrown) {
    if (thrown instanceof VerificationError) throw refuse(thrown.message, thrown.fault);
    throw refuse("the token could not be verified", "verifier");
  }
}
