import type { DescFile } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { file_stint_v1_attestation } from "../../src/gen/stint/v1/attestation_pb.js";
import { file_stint_v1_authorities } from "../../src/gen/stint/v1/authorities_pb.js";
import { file_stint_v1_authorizations } from "../../src/gen/stint/v1/authorizations_pb.js";
import { file_stint_v1_console } from "../../src/gen/stint/v1/console_pb.js";
import { file_stint_v1_credentials } from "../../src/gen/stint/v1/credentials_pb.js";
import { file_stint_v1_entries } from "../../src/gen/stint/v1/entries_pb.js";
import { file_stint_v1_errors } from "../../src/gen/stint/v1/errors_pb.js";
import { file_stint_v1_federation } from "../../src/gen/stint/v1/federation_pb.js";
import { file_stint_v1_history } from "../../src/gen/stint/v1/history_pb.js";
import { file_stint_v1_ledger } from "../../src/gen/stint/v1/ledger_pb.js";
import { file_stint_v1_policies } from "../../src/gen/stint/v1/policies_pb.js";
import { file_stint_v1_principals } from "../../src/gen/stint/v1/principals_pb.js";
import { file_stint_v1_retention } from "../../src/gen/stint/v1/retention_pb.js";
import { file_stint_v1_revocations } from "../../src/gen/stint/v1/revocations_pb.js";
import { file_stint_v1_risk } from "../../src/gen/stint/v1/risk_pb.js";
import { file_stint_v1_status } from "../../src/gen/stint/v1/status_pb.js";
import { file_stint_v1_steps } from "../../src/gen/stint/v1/steps_pb.js";
import { file_stint_v1_tools } from "../../src/gen/stint/v1/tools_pb.js";
import { file_stint_v1_types } from "../../src/gen/stint/v1/types_pb.js";

// What clients in any language call, and the numbers that they compare. Fields are held by `buf breaking`.

const FILES: readonly DescFile[] = [
  file_stint_v1_attestation,
  file_stint_v1_authorities,
  file_stint_v1_authorizations,
  file_stint_v1_console,
  file_stint_v1_credentials,
  file_stint_v1_entries,
  file_stint_v1_errors,
  file_stint_v1_federation,
  file_stint_v1_history,
  file_stint_v1_ledger,
  file_stint_v1_principals,
  file_stint_v1_policies,
  file_stint_v1_retention,
  file_stint_v1_revocations,
  file_stint_v1_risk,
  file_stint_v1_status,
  file_stint_v1_steps,
  file_stint_v1_tools,
  file_stint_v1_types,
];

test("the services and their methods", () => {
  const services = FILES.flatMap((file) => file.services).map(({ typeName, methods }) => [
    typeName,
    methods.map(({ name, methodKind }) => (methodKind === "unary" ? name : `${name} (${methodKind})`)),
  ]);
  expect(Object.fromEntries(services)).toEqual({
    "stint.v1.Attestation": ["Attest (bidi_streaming)"],
    "stint.v1.Authorities": ["ConfirmClock", "List", "Prepare", "Activate", "Taint", "Revoke"],
    "stint.v1.Authorizations": ["Check", "ReportUsage"],
    "stint.v1.Console": ["Open"],
    "stint.v1.Credentials": [
      "IssueX509Svid",
      "IssueJwtSvid",
      "IssueJwtSvids",
      "IssueWitSvid",
      "IssueTxnToken",
      "IssueDelegationToken",
      "Exchange",
    ],
    "stint.v1.Entries": ["Create", "Get", "List", "Update", "Disable", "Enable", "Delete"],
    "stint.v1.Federation": ["Create", "Get", "List", "Refresh", "Delete", "GetBundles"],
    "stint.v1.History": [
      "ListIssuances",
      "ListSteps",
      "ListDecisions",
      "ListEvents",
      "TailEvents (server_streaming)",
      "LookUp",
      "ListVerifiers",
      "ListUsage",
      "ListExchanges",
      "CountRows",
      "TellDescendants (server_streaming)",
      "ListGrantUse",
      "Explain",
      "Export (server_streaming)",
    ],
    "stint.v1.JoinTokens": ["Create", "List", "Revoke"],
    "stint.v1.Ledger": [
      "Get",
      "AcceptRestore",
      "GetCheckpoint",
      "Prove",
      "ProveConsistency",
      "Verify (server_streaming)",
      "Backup (server_streaming)",
      "Follow (server_streaming)",
    ],
    "stint.v1.Principals": ["List", "Offboard", "Readmit", "Erase"],
    "stint.v1.Risk": ["Set", "List"],
    "stint.v1.Tools": ["Report", "List", "Get", "Accept", "Forget"],
    "stint.v1.Retention": ["Get", "PlaceHold", "LiftHold", "Prune"],
    "stint.v1.Policies": [
      "Put (client_streaming)",
      "Check (client_streaming)",
      "Activate",
      "List",
      "Get (server_streaming)",
      "Schema",
      "Replay (bidi_streaming)",
      "Suggest (server_streaming)",
    ],
    "stint.v1.Status": ["Get", "Follow (server_streaming)"],
    "stint.v1.Renewals": ["Renew"],
    "stint.v1.Revocations": ["Watch (bidi_streaming)", "Revoke"],
    "stint.v1.Steps": [
      "Open",
      "Hold (server_streaming)",
      "Renew",
      "Close",
      "Get",
      "List",
      "Enroll",
      "GetTree",
      "WatchClosure (server_streaming)",
      "GetClosureReceipt",
    ],
  });
});

test("the numbers of every enum", () => {
  const enums = FILES.flatMap((file) => file.enums).map(({ typeName, values }) => [
    typeName,
    values.map(({ name, number }) => `${number} ${name}`),
  ]);
  expect(Object.fromEntries(enums)).toEqual({
    "stint.v1.AuthorityState": [
      "0 AUTHORITY_STATE_UNSPECIFIED",
      "1 AUTHORITY_STATE_PREPARED",
      "2 AUTHORITY_STATE_ACTIVE",
      "3 AUTHORITY_STATE_OLD",
      "4 AUTHORITY_STATE_REMOVED",
    ],
    "stint.v1.ToolState": [
      "0 TOOL_STATE_UNSPECIFIED",
      "1 TOOL_STATE_PINNED",
      "2 TOOL_STATE_CHANGED",
      "3 TOOL_STATE_WAITING",
      "4 TOOL_STATE_UNKNOWN",
    ],
    "stint.v1.UsageOutcome": [
      "0 USAGE_OUTCOME_UNSPECIFIED",
      "1 USAGE_OUTCOME_SERVED",
      "2 USAGE_OUTCOME_REFUSED",
      "3 USAGE_OUTCOME_FAILED",
      "4 USAGE_OUTCOME_STOPPED",
    ],
    "stint.v1.EntryOrigin": ["0 ENTRY_ORIGIN_UNSPECIFIED", "1 ENTRY_ORIGIN_CONFIG", "2 ENTRY_ORIGIN_API"],
    "stint.v1.OperatorRole": [
      "0 OPERATOR_ROLE_UNSPECIFIED",
      "1 OPERATOR_ROLE_VIEWER",
      "2 OPERATOR_ROLE_APPROVER",
      "3 OPERATOR_ROLE_DETECTOR",
      "4 OPERATOR_ROLE_ADMIN",
      "5 OPERATOR_ROLE_STANDBY",
    ],
    "stint.v1.PolicyOrigin": ["0 POLICY_ORIGIN_UNSPECIFIED", "1 POLICY_ORIGIN_CONFIG", "2 POLICY_ORIGIN_API"],
    "stint.v1.Reason": [
      "0 REASON_UNSPECIFIED",
      "1 REASON_NO_IDENTITY",
      "2 REASON_NOT_ENTITLED",
      "3 REASON_POLICY_DENIED",
      "4 REASON_GRANT_EXCEEDED",
      "5 REASON_STEP_NOT_FOUND",
      "6 REASON_STEP_CLOSED",
      "7 REASON_STEP_EXPIRING",
      "8 REASON_STALE_ATTEMPT",
      "9 REASON_STEP_EXISTS",
      "10 REASON_EXECUTOR_GONE",
      "11 REASON_ENTRY_NOT_FOUND",
      "12 REASON_DELEGATION_REFUSED",
      "13 REASON_CSR_INVALID",
      "14 REASON_KEY_REFUSED",
      "15 REASON_AUDIENCE_INVALID",
      "16 REASON_INVALID_FIELD",
      "17 REASON_REQUEST_ID_REUSED",
      "18 REASON_LIMIT_EXCEEDED",
      "19 REASON_LEDGER_UNAVAILABLE",
      "20 REASON_AUTHORITY_UNAVAILABLE",
      "21 REASON_NOT_SERVING",
      "22 REASON_DECISION_OUTDATED",
      "23 REASON_TOOL_NOT_ACCEPTED",
      "24 REASON_PRUNED",
    ],
    "stint.v1.ClosureState": [
      "0 CLOSURE_STATE_UNSPECIFIED",
      "1 CLOSURE_STATE_CLOSED",
      "2 CLOSURE_STATE_PARTIAL",
      "3 CLOSURE_STATE_UNKNOWN",
    ],
    "stint.v1.DenialLayer": [
      "0 DENIAL_LAYER_UNSPECIFIED",
      "1 DENIAL_LAYER_CEILING",
      "2 DENIAL_LAYER_PARENT",
      "3 DENIAL_LAYER_POLICY",
    ],
    "stint.v1.RiskLevel": [
      "0 RISK_LEVEL_UNSPECIFIED",
      "1 RISK_LEVEL_LOW",
      "2 RISK_LEVEL_ELEVATED",
      "3 RISK_LEVEL_HIGH",
    ],
    "stint.v1.Effect": ["0 EFFECT_UNSPECIFIED", "1 EFFECT_ALLOW", "2 EFFECT_DENY"],
    "stint.v1.Outcome": ["0 OUTCOME_UNSPECIFIED", "1 OUTCOME_COMPLETED", "2 OUTCOME_FAILED", "3 OUTCOME_CANCELLED"],
    "stint.v1.ExchangeState": [
      "0 EXCHANGE_STATE_UNSPECIFIED",
      "1 EXCHANGE_STATE_INTENDED",
      "2 EXCHANGE_STATE_ISSUED",
      "3 EXCHANGE_STATE_UNKNOWN",
      "4 EXCHANGE_STATE_FAILED",
      "5 EXCHANGE_STATE_ENDED",
      "6 EXCHANGE_STATE_LAPSED",
    ],
    "stint.v1.ExecutorKind": [
      "0 EXECUTOR_KIND_UNSPECIFIED",
      "1 EXECUTOR_KIND_PROCESS",
      "2 EXECUTOR_KIND_ANY",
      "3 EXECUTOR_KIND_TREE",
    ],
    "stint.v1.ExportedRows": [
      "0 EXPORTED_ROWS_UNSPECIFIED",
      "1 EXPORTED_ROWS_ISSUANCES",
      "2 EXPORTED_ROWS_DECISIONS",
      "3 EXPORTED_ROWS_EVENTS",
      "4 EXPORTED_ROWS_RECORDS",
    ],
    "stint.v1.Standing": ["0 STANDING_UNSPECIFIED", "1 STANDING_HELD", "2 STANDING_ENDING", "3 STANDING_LAPSING"],
    "stint.v1.StepState": [
      "0 STEP_STATE_UNSPECIFIED",
      "1 STEP_STATE_PENDING_APPROVAL",
      "2 STEP_STATE_OPEN",
      "3 STEP_STATE_COMPLETED",
      "4 STEP_STATE_FAILED",
      "5 STEP_STATE_CANCELLED",
      "6 STEP_STATE_EXPIRED",
      "7 STEP_STATE_ABANDONED",
      "8 STEP_STATE_SUPERSEDED",
      "9 STEP_STATE_REVOKED",
      "10 STEP_STATE_REFUSED",
    ],
    "stint.v1.SvidKind": [
      "0 SVID_KIND_UNSPECIFIED",
      "1 SVID_KIND_X509",
      "2 SVID_KIND_JWT",
      "3 SVID_KIND_WIT",
      "4 SVID_KIND_TXN_TOKEN",
    ],
    "stint.v1.HistoryField": [
      "0 HISTORY_FIELD_UNSPECIFIED",
      "1 HISTORY_FIELD_RUN",
      "2 HISTORY_FIELD_STEP",
      "3 HISTORY_FIELD_STEP_ID",
      "4 HISTORY_FIELD_ATTEMPT",
      "5 HISTORY_FIELD_AGENT",
      "6 HISTORY_FIELD_RUNTIME",
      "7 HISTORY_FIELD_PRINCIPAL",
      "8 HISTORY_FIELD_WORKFLOW",
      "9 HISTORY_FIELD_TOOL",
      "10 HISTORY_FIELD_ACTION",
      "11 HISTORY_FIELD_DATA_CLASS",
      "12 HISTORY_FIELD_AUDIENCE",
      "13 HISTORY_FIELD_SPIFFE_ID",
      "14 HISTORY_FIELD_KIND",
      "15 HISTORY_FIELD_OUTCOME",
      "16 HISTORY_FIELD_REASON",
      "17 HISTORY_FIELD_DECISION",
      "18 HISTORY_FIELD_POLICY_DIGEST",
      "19 HISTORY_FIELD_POLICY",
      "20 HISTORY_FIELD_ACT",
      "21 HISTORY_FIELD_ENTRY",
      "22 HISTORY_FIELD_ISSUANCE",
      "23 HISTORY_FIELD_JTI",
      "24 HISTORY_FIELD_SERIAL",
      "25 HISTORY_FIELD_AUTHORITY",
      "26 HISTORY_FIELD_KEY",
      "27 HISTORY_FIELD_EXCHANGE",
      "28 HISTORY_FIELD_TARGET",
      "29 HISTORY_FIELD_VERIFIER",
      "30 HISTORY_FIELD_TYPE",
      "31 HISTORY_FIELD_PROCESS",
      "32 HISTORY_FIELD_TEXT",
    ],
    "stint.v1.HistoryList": [
      "0 HISTORY_LIST_UNSPECIFIED",
      "1 HISTORY_LIST_ISSUANCES",
      "2 HISTORY_LIST_STEPS",
      "3 HISTORY_LIST_DECISIONS",
      "4 HISTORY_LIST_EVENTS",
      "5 HISTORY_LIST_EXCHANGES",
      "6 HISTORY_LIST_USAGE",
    ],
    "stint.v1.IssuanceState": [
      "0 ISSUANCE_STATE_UNSPECIFIED",
      "1 ISSUANCE_STATE_LIVE",
      "2 ISSUANCE_STATE_EXPIRED",
      "3 ISSUANCE_STATE_REVOKED",
      "4 ISSUANCE_STATE_UNDELIVERED",
    ],
    "stint.v1.ReceiptState": [
      "0 RECEIPT_STATE_UNSPECIFIED",
      "1 RECEIPT_STATE_APPLIED",
      "2 RECEIPT_STATE_PENDING",
      "3 RECEIPT_STATE_DISCONNECTED",
      "4 RECEIPT_STATE_LAPSED",
    ],
  });
});
