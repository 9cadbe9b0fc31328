export type { DenialDetails, DenialLayer, RefusedElement } from "../../domain/denial-details.ts";
export type { ErrorCode } from "../../domain/errors.ts";
export type { Action, Grant, GrantElement } from "../../domain/grant.ts";
export type { AttestationEvidence, AttestationOptions, AttestationTrust } from "./attestation-options.ts";
export type { BoundTo } from "./binding.ts";
export type { CloseOptions, CloseResult, StillAlive } from "./close-step.ts";
export type { Closure, ClosureStateName } from "./closure.ts";
export { createStint, type Stint, type StintOptions } from "./create-stint.ts";
export type { CredentialPipe, CredentialPipeOptions, RenewalFailure } from "./credential-pipe.ts";
export { currentStep } from "./current-step.ts";
export type { DelegationOptions, DelegationToken } from "./delegation-token.ts";
export { createDpopKey, type DpopKey, type ProvenRequest } from "./dpop-key.ts";
export type { ExchangedSecret } from "./exchanged-secret.ts";
export type { JwtSvid } from "./jwt-svid.ts";
export { type McpRefusal, mcpRefusalOf } from "./mcp-refusal.ts";
export type { Outcome, OutcomeOf, WorkEnd } from "./outcome.ts";
export type { ReceiptState, Receipts, VerifierReceipt } from "./receipts.ts";
export { credentialsFromFd, type ReceivedCredential, type ReceivedCredentials } from "./received-credentials.ts";
export { segment } from "./segment.ts";
export type {
  HoldOptions,
  InParentsRun,
  OpenStepOptions,
  ResumeStepOptions,
  Step,
  StepExecutor,
  StepProof,
  WithStepOptions,
} from "./step.ts";
export type { StepFacts, StepStateName } from "./step-facts.ts";
export type { Fetch } from "./step-fetch.ts";
export {
  isStintError,
  type MetadataOf,
  SDK_REASONS,
  type SdkReason,
  StintError,
  type StintReason,
} from "./stint-error.ts";
export type { TxnToken } from "./txn-token.ts";
export type { WitProvenRequest, WitSvid } from "./wit-svid.ts";
export type { X509Svid } from "./x509-svid.ts";
