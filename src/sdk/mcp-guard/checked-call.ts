import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { argumentsSha256, type ToolUse, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import type { GuardSettings } from "./guard-settings.ts";

type CheckSettings = Pick<GuardSettings, "verifier" | "checkTimeoutMs" | "acceptPending" | "approvalWaitMs">;

/** How often the broker is asked what became of a call that waits: a person does not answer faster. */
const ASK_AGAIN_MS = 1_000;

/**
 * Lets a call pass that the broker allows at this moment. The broker is told the digest of the arguments, and nothing else
 * of them. A call that waits for its approval is held for as long as the settings say.
 *
 * @throws VerificationError for anything else; the signal's reason
 */
export async function checkedCall(
  { verifier, checkTimeoutMs: timeoutMs, acceptPending, approvalWaitMs }: CheckSettings,
  verified: VerifiedStep,
  call: { readonly use: ToolUse; readonly check: { readonly arguments: unknown }; readonly signal: AbortSignal },
): Promise<void> {
  const { use, check, signal } = call;
  const options = { argumentsSha256: digestOf(check.arguments), timeoutMs, signal, acceptPending };
  const heldUntilMs = performance.now() + approvalWaitMs;
  let waits: VerificationError | undefined;
  for (;;) {
    try {
      await verifier.check(verified, use, options);
      return;
    } catch (thrown) {
      if (isPending(thrown)) waits = thrown;
      else if (waits === undefined || !endsTheWaitAlone(thrown)) throw thrown;
      if (isExpired(thrown) || performance.now() + ASK_AGAIN_MS > heldUntilMs) throw waits;
    }
    await sleep(ASK_AGAIN_MS, undefined, { signal });
  }
}

function isPending(thrown: unknown): thrown is VerificationError {
  return thrown instanceof VerificationError && thrown.metadata["pending_until"] !== undefined;
}

/** What says nothing of a call that waits: it goes on waiting, and its client can come again. */
function endsTheWaitAlone(thrown: unknown): boolean {
  return isExpired(thrown) || (thrown instanceof VerificationError && thrown.fault === "verifier");
}

function isExpired(thrown: unknown): boolean {
  return thrown instanceof VerificationError && thrown.code === "EXPIRED";
}

function digestOf(args: unknown): Uint8Array {
  try {
    return argumentsSha256(args);
  } catch {
    throw new VerificationError("REQUEST_MALFORMED", "the arguments are nested too deeply");
  }
}
