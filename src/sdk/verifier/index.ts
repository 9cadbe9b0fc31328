export type { Action } from "../../domain/grant.ts";
export { type ToolDefinition, toolDefinitionOf } from "../../domain/tool-definition.ts";
export type { Possession } from "../../verify/confirmation-claim.ts";
export type { StepFacts } from "../../verify/step-claims.ts";
export {
  FAULT_OF,
  VERIFICATION_CODES,
  type VerificationCode,
  VerificationError,
  type VerificationFault,
} from "../../verify/verification-error.ts";
export { argumentsSha256 } from "./arguments-digest.ts";
export type { BusConnection, BusMessage } from "./bus-connection.ts";
export type { CheckedCall, CheckOptions } from "./call-check.ts";
export type { VerifierClock } from "./clock.ts";
export type { StepSignal } from "./denial-signals.ts";
export type { StalenessBounds, Unfitness } from "./freshness.ts";
export type { NatsRevocation, PollRevocation, StatusListRevocation } from "./issuer-settings.ts";
export type { PresentedRequest } from "./presented-credentials.ts";
export {
  PROOF_KINDS,
  PROOF_POLICIES,
  type ProofKind,
  type ProofOptions,
  type ProofPolicy,
  type ProofTerms,
} from "./proof-settings.ts";
export type { ReadyOptions } from "./ready.ts";
export type { VerifierOptions } from "./settings.ts";
export { createTlsServer, type TlsServer, type TlsServerOptions, type TlsSvid } from "./tls-server.ts";
export type { ToolReportOptions, ToolVerdict } from "./tool-reporter.ts";
export type { ToolUse } from "./tool-use.ts";
export type { UsageOutcome } from "./usage-reporter.ts";
export type { VerifiedPeer } from "./verified-peer.ts";
export type { RequestOptions, VerifiedRequest } from "./verified-request.ts";
export type { VerifiedStep, VerifiedWorkload } from "./verified-step.ts";
export { createVerifier } from "./verifier.ts";
export type { Verifier, VerifierStatus } from "./verifier-contract.ts";
