import type { FederationRelationship } from "../../../domain/federation.ts";
import type { TrustDomain } from "../../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../../domain/time.ts";
import type { RecordedFederation } from "../../../ports/ledger-reads.ts";

const COLUMNS = `
  trust_domain AS trustDomain, relationship, bundle_document AS document, bundle_sequence AS sequence,
  accepted_at_us AS acceptedAt`;

export const FEDERATION = {
  put: "INSERT INTO federation (trust_domain, relationship) VALUES (@trustDomain, @relationship)",
  end: "DELETE FROM federation WHERE trust_domain = @trustDomain",
  accept: `
    UPDATE federation SET bundle_document = @document, bundle_sequence = @sequence, accepted_at_us = @acceptedAt
     WHERE trust_domain = @trustDomain`,
  of: `SELECT ${COLUMNS} FROM federation WHERE trust_domain = @trustDomain`,
  all: `SELECT ${COLUMNS} FROM federation ORDER BY trust_domain`,
} as const;

export type FederationRow = {
  readonly trustDomain: TrustDomain;
  readonly relationship: string;
  readonly document: string | null;
  readonly sequence: number | null;
  readonly acceptedAt: UnixMicros | null;
};

export function federationOf(row: FederationRow): RecordedFederation {
  const { trustDomain, document, sequence, acceptedAt } = row;
  const relationship = JSON.parse(row.relationship) as FederationRelationship;
  if (document === null || acceptedAt === null) return { relationship };
  const counted = sequence === null ? {} : { sequence };
  return { relationship, bundle: { trustDomain, document, ...counted, acceptedAt } };
}
