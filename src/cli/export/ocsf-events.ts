import { type Decision, Effect, type ExportedIssuance } from "../../gen/stint/v1/history_pb.js";
import { type Grant, IssuanceState } from "../../gen/stint/v1/types_pb.js";
import { svidKindOf } from "../../wire/issuance-message.ts";
import type { Timestamp } from "../../wire/timestamps.ts";
import { decisionView } from "../output/decision-view.ts";
import { issuanceView } from "../output/issuance-view.ts";
import { jsonLine } from "../output/printer.ts";
import { readVersion } from "../output/version.ts";
import { type DataRecord, type Json, recordOf } from "../output/view.ts";
import type { LineFormat } from "./line-format.ts";

/** The version of the Open Cybersecurity Schema Framework that is written: the numbers below are its own. */
const OCSF_VERSION = "1.8.0";

const IDENTITY_AND_ACCESS = 3;
const APPLICATION = 6;
const AUTHENTICATION = 3002;
const AUTHORIZE_SESSION = 3003;
const API_ACTIVITY = 6003;
const SERVICE_TICKET_REQUEST = 4;
const ASSIGN_PRIVILEGES = 1;
const OTHER = 99;
const INFORMATIONAL = 1;
const LOW = 2;
const SUCCESS = 1;
const FAILURE = 2;
const SERVICE_USER = 4;
/** What a tool does is an act on its resource; any other action, and several, is `Other`. */
const API_ACTIVITIES: Readonly<Record<string, number>> = { read: 2, write: 3 };

/**
 * An issuance as Authentication: whoever executes the step asked for a ticket for one service.
 *
 * @see https://schema.ocsf.io/1.8.0/classes/authentication
 */
export const ISSUANCE_EVENTS: LineFormat<ExportedIssuance> = { head: "", line: (row) => jsonLine(authentication(row)) };

/**
 * A decision as Authorize Session, which gives a step its grant or refuses it; one about a call as API Activity.
 *
 * @see https://schema.ocsf.io/1.8.0/classes/authorize_session, https://schema.ocsf.io/1.8.0/classes/api_activity
 */
export const DECISION_EVENTS: LineFormat<Decision> = {
  head: "",
  line: (row) => jsonLine(row.call === undefined ? authorizeSession(row) : apiActivity(row)),
};

function authentication({ issuance }: ExportedIssuance): DataRecord {
  if (issuance === undefined) throw new TypeError("an exported issuance without its issuance");
  const isDelivered = issuance.state !== IssuanceState.UNDELIVERED;
  const [audience = "any"] = issuance.audiences;
  return {
    ...ofClass(IDENTITY_AND_ACCESS, AUTHENTICATION, SERVICE_TICKET_REQUEST),
    severity_id: INFORMATIONAL,
    time: millisOf(issuance.issuedAt),
    status_id: isDelivered ? SUCCESS : FAILURE,
    metadata: metadataOf("issuances", issuance.issuanceId, issuance.sequence, issuance.stepName?.runId),
    user: { uid: issuance.spiffeId, type_id: SERVICE_USER, ...named(issuance.agent) },
    service: { name: audience },
    auth_protocol_id: OTHER,
    auth_protocol: `SPIFFE ${svidKindOf(issuance.kind) ?? "credential"}`,
    session: {
      uid: issuance.stepId === "" ? issuance.entryId : issuance.stepId,
      credential_uid: issuance.jti === "" ? issuance.serialNumber : issuance.jti,
      created_time: millisOf(issuance.notBefore),
      // Where it was taken back, the session ended then and not when it would have.
      expiration_time: millisOf(issuance.revokedAt ?? issuance.expiresAt),
      ...(issuance.revocationReason === "" ? {} : { expiration_reason: issuance.revocationReason }),
    },
    unmapped: recordOf(issuanceView, issuance),
  };
}

function authorizeSession(decision: Decision): DataRecord {
  return {
    ...ofClass(IDENTITY_AND_ACCESS, AUTHORIZE_SESSION, ASSIGN_PRIVILEGES),
    ...ofDecision(decision),
    user: { uid: decision.agent === "" ? decision.callerEntryId || "unknown" : decision.agent, type_id: SERVICE_USER },
    privileges: privilegesOf(decision.effect === Effect.ALLOW ? decision.granted : decision.requested),
    ...(decision.stepId === "" ? {} : { session: { uid: decision.stepId } }),
  };
}

function apiActivity(decision: Decision): DataRecord {
  const { location = "", tool = "", actions = [], jti = "" } = decision.call ?? {};
  const [action = ""] = actions;
  const activity = actions.length === 1 ? (API_ACTIVITIES[action] ?? OTHER) : OTHER;
  return {
    ...ofClass(APPLICATION, API_ACTIVITY, activity),
    ...(activity === OTHER ? { activity_name: actions.join(" ") } : {}),
    ...ofDecision(decision),
    actor: {
      user: { uid: decision.agent === "" ? "unknown" : decision.agent, type_id: SERVICE_USER },
      session: { uid: decision.stepId, ...(jti === "" ? {} : { credential_uid: jti }) },
      authorizations: decision.determiningPolicies.map((uid) => ({
        decision: decision.effect === Effect.ALLOW ? "allowed" : "denied",
        policy: { uid },
      })),
    },
    api: { operation: tool, service: { name: location } },
    src_endpoint: { svc_name: decision.agent === "" ? "unknown" : decision.agent },
  };
}

/** What decisions of every class say. */
function ofDecision(decision: Decision): DataRecord {
  const isAllowed = decision.effect === Effect.ALLOW;
  return {
    severity_id: isAllowed ? INFORMATIONAL : LOW,
    time: millisOf(decision.decidedAt),
    count: decision.count,
    status_id: isAllowed ? SUCCESS : FAILURE,
    ...(decision.reason === "" ? {} : { status_code: decision.reason }),
    ...(decision.message === "" ? {} : { status_detail: decision.message }),
    metadata: metadataOf("decisions", decision.decisionId, decision.sequence, decision.stepName?.runId),
    unmapped: recordOf(decisionView, decision),
  };
}

function ofClass(category: number, classUid: number, activity: number): DataRecord {
  return {
    category_uid: category,
    class_uid: classUid,
    activity_id: activity,
    type_uid: classUid * 100 + activity,
  };
}

function metadataOf(log: string, uid: string, sequence: bigint, runId = ""): Json {
  return {
    version: OCSF_VERSION,
    product: { name: "Stint", vendor_name: "Stint", version: readVersion() },
    log_name: log,
    uid,
    sequence: Number(sequence),
    ...(runId === "" ? {} : { correlation_uid: runId }),
  };
}

/** `read search at https://mcp.example.org/mcp`, for each. */
function privilegesOf(grant: Grant | undefined): readonly string[] {
  return (grant?.elements ?? []).flatMap(({ identifier, actions, locations }) =>
    locations.flatMap((location) => actions.map((action) => `${action} ${identifier} at ${location}`)),
  );
}

function named(name: string): DataRecord {
  return name === "" ? {} : { name };
}

/** OCSF counts milliseconds; what is finer stands in `unmapped`. */
function millisOf(instant: Timestamp | undefined): number {
  return instant === undefined ? 0 : Number(instant.seconds) * 1_000 + Math.floor(instant.nanos / 1_000_000);
}
