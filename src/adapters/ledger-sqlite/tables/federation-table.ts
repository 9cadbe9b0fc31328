import type { FederatedBundle, FederationRelationship } from "../../../domain/federation.ts";
import type { BundleAccepted, FederationPut } from "../../../domain/ledger-event.ts";
import { eventOf } from "./event-table.ts";

export const FEDERATION = {
  put: "INSERT INTO federation (trust_domain, put_sequence) VALUES (@trustDomain, @sequence)",
  end: "DELETE FROM federation WHERE trust_domain = @trustDomain",
  accept: `
    UPDATE federation SET accepted_sequence = @sequence, bundle_sequence = @bundleSequence
     WHERE trust_domain = @trustDomain`,
  guard: `
    SELECT f.bundle_sequence AS bundleSequence, a.canonical AS accepted
      FROM federation AS f LEFT JOIN event AS a ON a.sequence = f.accepted_sequence
     WHERE f.trust_domain = @trustDomain`,
  all: `
    SELECT p.canonical AS put, a.canonical AS accepted
      FROM federation AS f
      JOIN event AS p ON p.sequence = f.put_sequence
      LEFT JOIN event AS a ON a.sequence = f.accepted_sequence
     ORDER BY f.trust_domain`,
} as const;

/** What the guards look at. */
export type FederationGuard = { readonly bundleSequence: number | null; readonly accepted: Uint8Array | null };

export type FederationRow = { readonly put: Uint8Array; readonly accepted: Uint8Array | null };

export function federationOf({ put, accepted }: FederationRow): {
  readonly relationship: FederationRelationship;
  readonly bundle?: FederatedBundle;
} {
  const { relationship } = eventOf(put) as FederationPut;
  return { relationship, ...(accepted === null ? {} : { bundle: acceptedBundleOf(accepted) }) };
}

export function acceptedBundleOf(canonical: Uint8Array): FederatedBundle {
  const { trustDomain, bundle, at } = eventOf(canonical) as BundleAccepted;
  return { trustDomain, ...bundle, acceptedAt: at };
}
