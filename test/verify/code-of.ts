import { VerificationError } from "../../src/verify/verification-error.ts";

/** Why a verification refuses; `accepted` where it does not. */
export function codeOf(act: () => unknown): string {
  try {
    act();
    return "accepted";
  } catch (thrown) {
    if (thrown instanceof VerificationError) return thrown.code;
    throw thrown;
  }
}
