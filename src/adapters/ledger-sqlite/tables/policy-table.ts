import type { Actor } from "../../../domain/actor.ts";
import { type DataClasses, NO_DATA_CLASSES } from "../../../domain/data-classes.ts";
import type { Policy, RecordedPolicySet } from "../../../domain/policy-set.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { PolicyActivation, PolicySetRow } from "../../../ports/ledger-reads.ts";
import type { PoliciesInForce } from "../../../ports/policy-engine.ts";

export const POLICY = {
  insert: `
    INSERT INTO policy (digest, policy_id, file, line, content) VALUES (@digest, @policyId, @file, @line, @text)
    ON CONFLICT DO NOTHING`,
  byDigest: "SELECT 1 AS known FROM policy WHERE digest = @digest",
  ofSet: `
    SELECT p.policy_id AS policyId, p.file, p.line, p.content AS text
      FROM policy_set_member AS m JOIN policy AS p ON p.digest = m.digest
     WHERE m.version = @version ORDER BY m.position`,
} as const;

export const POLICY_SET = {
  list: `
    INSERT INTO policy_set_member (version, position, digest)
    VALUES (@version, (SELECT count(*) FROM policy_set_member WHERE version = @version), @digest)`,
  membersCount: "SELECT count(*) AS count FROM policy_set_member WHERE version = @version",
  insert: `
    INSERT INTO policy_set (version, root, origin, count, data_classes, put_at_us)
    VALUES (@version, @root, @origin, @count, @dataClasses, @putAt)`,
  activate: `
    UPDATE policy_set SET activated_at_us = @activatedAt, activated_sequence = @sequence WHERE version = @version`,
  putInForce: `
    INSERT INTO policies_in_force (singleton, version, sequence, actor, reason, activated_at_us)
    VALUES (1, @version, @sequence, @actor, @reason, @activatedAt)
    ON CONFLICT (singleton) DO UPDATE SET version = excluded.version, sequence = excluded.sequence,
           actor = excluded.actor, reason = excluded.reason, activated_at_us = excluded.activated_at_us`,
  lastActivation: `
    SELECT f.version, s.origin, f.actor, f.reason, f.activated_at_us AS activatedAt
      FROM policies_in_force AS f LEFT JOIN policy_set AS s ON s.version = f.version`,
  named: "SELECT version FROM policy_set WHERE root = @root",
  newest: "SELECT max(version) AS version FROM policy_set",
  guardInForce: "SELECT version, sequence FROM policies_in_force WHERE singleton = 1",
  inForce: `
    SELECT f.version, s.root, f.sequence, s.data_classes AS dataClasses
      FROM policies_in_force AS f LEFT JOIN policy_set AS s ON s.version = f.version`,
  byVersion: "SELECT version, root, origin, data_classes AS dataClasses FROM policy_set WHERE version = @version",
  all: `
    SELECT version, root, origin, count, put_at_us AS putAt, activated_at_us AS activatedAt
      FROM policy_set ORDER BY version DESC`,
} as const;

export type PolicySetListRow = {
  readonly version: number;
  readonly root: string;
  readonly origin: RecordedPolicySet["origin"];
  readonly count: number;
  readonly putAt: UnixMicros;
  readonly activatedAt: UnixMicros | null;
};

export function policySetRowOf({ activatedAt, ...row }: PolicySetListRow): PolicySetRow {
  return activatedAt === null ? row : { ...row, activatedAt };
}

export type ActivationRow = {
  readonly version: number;
  readonly origin: RecordedPolicySet["origin"] | null;
  readonly actor: string;
  readonly reason: string;
  readonly activatedAt: UnixMicros;
};

export function activationOf({ version, origin, actor, reason, activatedAt }: ActivationRow): PolicyActivation {
  const by = JSON.parse(actor) as Actor;
  return { version, ...(origin === null ? {} : { origin }), by, reason, activatedAt };
}

export type PolicySetContentRow = {
  readonly version: number;
  readonly root: string;
  readonly origin: RecordedPolicySet["origin"];
  readonly dataClasses: string;
};

export function policySetOf(
  { dataClasses, ...row }: PolicySetContentRow,
  policies: readonly Policy[],
): RecordedPolicySet {
  return { ...row, dataClasses: JSON.parse(dataClasses) as DataClasses, policies };
}

export type InForceRow = Pick<PoliciesInForce, "version" | "sequence"> & {
  readonly root: string | null;
  readonly dataClasses: string | null;
};

export const NONE_IN_FORCE: PoliciesInForce = { version: 0, root: "", sequence: 0, dataClasses: NO_DATA_CLASSES };

export function inForceOf({ version, sequence, root, dataClasses }: InForceRow): PoliciesInForce {
  if (root === null || dataClasses === null) return { ...NONE_IN_FORCE, sequence };
  return { version, sequence, root, dataClasses: JSON.parse(dataClasses) as DataClasses };
}
