import type { CanonicalValue } from "./canonical-json.ts";
import type { Decision } from "./decision.ts";
import type { Grant } from "./grant.ts";
import type { RevocationReason } from "./revocation.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { StepState } from "./step.ts";
import type { UnixMicros, UnixSeconds } from "./time.ts";
import type { Usage } from "./usage.ts";

export const IN_TOTO_PAYLOAD_TYPE = "application/vnd.in-toto+json";
const STATEMENT_TYPE = "https://in-toto.io/Statement/v1";
/** Of the predicate that `auditStatement` makes; another shape is another version. */
const AUDIT_RECORD_TYPE = "https://stint.example/audit-record/v1";

/** What came of a decision's step, as far as it was recorded by the sequence that the record is of. */
export type ObservedEffect = {
  readonly spiffeId: SpiffeId;
  readonly principalId?: string;
  readonly state: StepState;
  readonly closedAt?: UnixMicros;
  readonly closeReason?: RevocationReason;
  readonly closeDecisionId?: string;
  /** Credentials: how many there were, how many of them were taken back by themselves, and when the last one ends. */
  readonly credentials: number;
  readonly revoked: number;
  readonly latestExpiry?: UnixSeconds;
  /** As verifiers have reported them when the record was made. */
  readonly calls: readonly Pick<Usage, "tool" | "action" | "outcome" | "calls">[];
};

/** What of an event names it: the SHA-256 of its bytes, or, where these are pruned, its leaf in the tree; hexadecimal. */
export type EventDigest = { readonly sha256: string } | { readonly rfc6962leaf: string };

/** A decision with what it did. */
export type AuditRecord = {
  readonly decision: Decision & { readonly sequence: number };
  readonly event: EventDigest;
  /** Absent where no step came of the decision. */
  readonly effect?: ObservedEffect;
};

/**
 * The in-toto Statement of a decision and its observed effect. Its subject is the event in the ledger; its predicate has
 * the seven things that the WIMSE draft on agents asks of an audit record, each under a name of its own.
 *
 * @param through - the sequence that the record is of.
 * @see https://github.com/in-toto/attestation/blob/v1.1.0/spec/v1/statement.md
 * @see draft-ietf-wimse-aims-00
 */
export function auditStatement({ decision, event, effect }: AuditRecord, through: number): CanonicalValue {
  const { situation } = decision;
  return {
    _type: STATEMENT_TYPE,
    subject: [{ name: decision.decisionId, digest: event }],
    predicateType: AUDIT_RECORD_TYPE,
    predicate: {
      agent: agentOf(decision, effect),
      delegatedSubject: { principalId: effect?.principalId ?? situation?.principalId },
      resources: resourcesOf(decision),
      decision: decisionOf(decision),
      time: {
        decidedAt: instant(decision.decidedAt),
        sequence: decision.sequence,
        runId: decision.runId,
        credential: decision.call?.jti,
      },
      posture: {
        risk: situation?.risk,
        facts: situation?.facts,
      },
      remediation: remediationOf(decision, effect),
      observedEffect: { ...effectOf(decision, effect), throughSequence: through },
    },
  };
}

function agentOf({ agent, runId, step, attempt, stepId }: Decision, effect: ObservedEffect | undefined) {
  return { name: agent, spiffeId: effect?.spiffeId, runId, step, attempt, stepId };
}

/** Of a call its one tool; else every tool that was asked for. */
function resourcesOf({ call, requested }: Decision): readonly CanonicalValue[] {
  if (call !== undefined) return [{ location: call.location, tool: call.tool, datatypes: call.datatypes }];
  return requested.flatMap(({ locations, identifier, datatypes }) =>
    locations.map((location) => ({ location, tool: identifier, datatypes })),
  );
}

function decisionOf(decision: Decision) {
  return {
    id: decision.decisionId,
    act: decision.act,
    actions: [...new Set(decision.call?.actions ?? actionsOf(decision.requested))].sort(),
    effect: decision.effect,
    reason: decision.reason,
    granted: decision.granted as CanonicalValue,
    refused: decision.refused as CanonicalValue,
    policies: decision.determiningPolicies,
    policyVersion: decision.situation?.policyVersion,
    policyDigest: decision.policyDigest,
    approvedBy: decision.situation?.approved,
    count: decision.count,
  };
}

function actionsOf(grant: Grant): readonly string[] {
  return grant.flatMap(({ actions }) => actions);
}

/** What took back what was granted, and why; steps that the decision itself ended. */
function remediationOf({ closes }: Decision, effect: ObservedEffect | undefined) {
  return {
    closedAt: effect?.closedAt === undefined ? undefined : instant(effect.closedAt),
    reason: effect?.closeReason,
    decisionId: effect?.closeDecisionId,
    credentialsRevoked: effect?.revoked,
    stepsEnded: closes,
  };
}

function effectOf({ effect: decided }: Decision, effect: ObservedEffect | undefined) {
  if (effect === undefined) return { kind: decided === "deny" ? "refused" : "none-recorded" };
  return {
    kind: "step",
    state: effect.state,
    credentials: effect.credentials,
    latestExpiry: effect.latestExpiry === undefined ? undefined : instant((effect.latestExpiry * 1e6) as UnixMicros),
    callsReported: effect.calls.map(({ tool, action, outcome, calls }) => ({ tool, action, outcome, calls })),
  };
}

/** RFC 3339 in UTC, to the microsecond. */
function instant(micros: UnixMicros): string {
  const fraction = String(micros % 1_000_000).padStart(6, "0");
  return new Date(Math.floor(micros / 1_000_000) * 1_000).toISOString().replace("000Z", `${fraction}Z`);
}
