export type { JoinToken } from "../../gen/stint/v1/attestation_pb.js";
export { type Authority, AuthorityState } from "../../gen/stint/v1/authorities_pb.js";
export {
  type AgentEntry,
  type Entry,
  type EntryContent,
  EntryOrigin,
  type OperatorEntry,
  OperatorRole,
  type RuntimeEntry,
  type VerifierEntry,
} from "../../gen/stint/v1/entries_pb.js";
export type { FederatedBundle, FederationRelationship } from "../../gen/stint/v1/federation_pb.js";
export {
  type Decision,
  Effect,
  type EvaluatedRequest,
  type Event,
  type ExplainedElement,
  type ExplainedPolicy,
  type ExplainedStep,
  type ExplainResponse,
  type LeftOut,
  type PassingChange,
  type PolicyEffect,
  type VerifierStatus,
} from "../../gen/stint/v1/history_pb.js";
export type { PolicyActivation, PolicyFinding, PolicyFlip, PolicySet } from "../../gen/stint/v1/policies_pb.js";
export type { PrincipalRecord } from "../../gen/stint/v1/principals_pb.js";
export type {
  DueEvents,
  LegalHold,
  PruneResponse,
  RetentionGetResponse,
  RetentionPeriod,
} from "../../gen/stint/v1/retention_pb.js";
export type { RevokeResponse } from "../../gen/stint/v1/revocations_pb.js";
export { type RiskInForce, RiskLevel, type RiskSetResponse } from "../../gen/stint/v1/risk_pb.js";
export { type ToolDefinition, type ToolRecord, ToolState } from "../../gen/stint/v1/tools_pb.js";
export {
  type Grant,
  type GrantElement,
  type Issuance,
  IssuanceState,
  type Receipt,
  ReceiptState,
  type Receipts,
  type Step,
  StepState,
  SvidKind,
} from "../../gen/stint/v1/types_pb.js";
export { CallError } from "../../wire/call-error.ts";
export { connectOperator, type Operator, type OperatorOptions } from "./connect-operator.ts";
export { everyPage } from "./every-page.ts";
