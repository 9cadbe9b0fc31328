import type { Authority } from "../domain/authority.ts";
import { invalidField } from "../domain/errors.ts";
import type { EntryContent, RegistrationEntry } from "../domain/registration-entry.ts";
import { readSignedCertificate } from "../domain/signed-certificate.ts";
import { isSpiffeId, type TrustDomain, trustDomainOf } from "../domain/spiffe-id.ts";
import { urisOf } from "../verify/x509-svid.ts";

/** What of a ledger says which trust domain the ledger is for. */
export type KeptIdentities = {
  readonly entries: readonly (Pick<RegistrationEntry, "spiffeId" | "createdAt"> & {
    readonly content: Pick<EntryContent, "kind">;
  })[];
  /** In the order in which they came. */
  readonly authorities: readonly Pick<Authority, "certificate">[];
};

/**
 * Refuses another trust domain than the one that a ledger is for: keys, entries and steps are named by it, so under
 * another nothing that is issued would verify.
 *
 * @throws BrokerError INVALID_FIELD, naming the ledger's own trust domain
 */
export function checkTrustDomain(configured: TrustDomain, kept: KeptIdentities): void {
  const own = ledgerTrustDomain(kept);
  if (own === undefined || own === configured) return;
  throw invalidField(
    "trust_domain",
    `expected ${own}, which is this ledger's and can't be changed; another trust domain takes a data directory of its own`,
  );
}

/**
 * The trust domain by which a ledger names its identities. The broker's own entry comes first: it is there from the
 * first start on, and no change of the configuration ever writes it anew. A first start that was cut short may have
 * left keys and no entry.
 *
 * @returns `undefined` for a ledger that names nobody yet.
 */
function ledgerTrustDomain({ entries, authorities }: KeptIdentities): TrustDomain | undefined {
  const oldest = entries.toSorted((a, b) => a.createdAt - b.createdAt)[0];
  const entry = entries.find(({ content }) => content.kind === "server") ?? oldest;
  if (entry !== undefined) return trustDomainOf(entry.spiffeId);
  return authorities
    .flatMap(({ certificate }) => (certificate === undefined ? [] : urisOf(readSignedCertificate(certificate))))
    .filter(isSpiffeId)
    .map(trustDomainOf)[0];
}
