export type { Action } from "../../domain/grant.ts";
export type { StepFacts } from "../../verify/step-claims.ts";
export {
  FAULT_OF,
  VERIFICATION_CODES,
  type VerificationCode,
  VerificationError,
  type VerificationFault,
} from "../../verify/verification-error.ts";
export type { VerifierClock } from "./clock.ts";
export type { StepSignal } from "./denial-signals.ts";
export type { StalenessBounds, Unfitness } from "./freshness.ts";
export type { VerifierOptions } from "./settings.ts";
export type { ToolUse } from "./tool-use.ts";
export type { VerifiedStep } from "./verified-step.ts";
export { createVerifier, type Verifier, type VerifierStatus } from "./verifier.ts";
