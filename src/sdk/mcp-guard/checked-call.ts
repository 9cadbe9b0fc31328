import { argumentsSha256, type ToolUse, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import type { GuardSettings } from "./guard-settings.ts";

/**
 * Lets a call pass that the broker allows at this moment. The broker is told the digest of the arguments, and nothing else
 * of them.
 *
 * @throws VerificationError for anything else; the signal's reason
 */
export async function checkedCall(
  { verifier, checkTimeoutMs: timeoutMs }: Pick<GuardSettings, "verifier" | "checkTimeoutMs">,
  verified: VerifiedStep,
  call: { readonly use: ToolUse; readonly check: { readonly arguments: unknown }; readonly signal: AbortSignal },
): Promise<void> {
  const { use, check, signal } = call;
  await verifier.check(verified, use, { argumentsSha256: digestOf(check.arguments), timeoutMs, signal });
}

function digestOf(args: unknown): Uint8Array {
  try {
    return argumentsSha256(args);
  } catch {
    throw new VerificationError("REQUEST_MALFORMED", "the arguments are nested too deeply");
  }
}
