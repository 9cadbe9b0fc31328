import { parseSpiffeBundle, type SpiffeBundle } from "../../domain/bundle.ts";
import type { FederatedBundle } from "../../domain/federation.ts";
import { federatedTrustDomains, type RegistrationEntry } from "../../domain/registration-entry.ts";
import { type TrustDomain, trustDomainId } from "../../domain/spiffe-id.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { FederatedBundles } from "../../ports/federated-bundles.ts";
import type { SvidIdentity } from "../../stream/svid-identity.ts";

export type FederatedPorts = {
  readonly federated: FederatedBundles;
  readonly entries: Pick<EntryDirectory, "byId">;
  /** Calls after a change of a foreign bundle, or of who is given which foreign bundles. */
  readonly onFederatingChange: (changed: () => void) => Cancel;
};

/** Each bundle is parsed once for all the streams that it goes to. */
const read = new WeakMap<FederatedBundle, SpiffeBundle>();

export function readBundleOf(bundle: FederatedBundle): SpiffeBundle {
  const known = read.get(bundle) ?? parseSpiffeBundle(bundle.document);
  read.set(bundle, known);
  return known;
}

/** The foreign bundles that these entries name and the broker has, by trust domain. */
export function federatedBundlesFor(
  entries: readonly RegistrationEntry[],
  { federated }: Pick<FederatedPorts, "federated">,
): ReadonlyMap<TrustDomain, FederatedBundle> {
  return new Map(
    federatedTrustDomains(entries).flatMap((trustDomain) => {
      const bundle = federated.of(trustDomain);
      return bundle === undefined ? [] : [[trustDomain, bundle] as const];
    }),
  );
}

/** How the bundle of one kind of SVID is written. */
export type BundleWriter<Bundle> = (bundle: SpiffeBundle) => Bundle;

/** Certificates one after another, DER. SPIFFE Workload API section 5.2.1. */
export const x509BundleIn: BundleWriter<Uint8Array> = ({ x509 }) => Buffer.concat(x509);

/** A JWKS with the keys of one use. SPIFFE Workload API sections 6.2.2 and 7.2.2. */
export function jwksIn(use: "jwt-svid" | "wit-svid"): BundleWriter<string> {
  return ({ jwtKeys, witKeys }) => {
    const keys = use === "jwt-svid" ? jwtKeys : witKeys;
    return JSON.stringify({ keys: [...keys.values()].map((jwk) => ({ use, ...jwk })) });
  };
}

/**
 * The foreign bundles that these entries name, by the SPIFFE ID of their trust domain. A bundle without keys is there
 * too: it says that nobody of its trust domain is to be believed.
 */
export function foreignBundlesOf<Bundle>(
  entries: readonly RegistrationEntry[],
  write: BundleWriter<Bundle>,
  ports: Pick<FederatedPorts, "federated">,
): Record<string, Bundle> {
  const bundles = federatedBundlesFor(entries, ports);
  return Object.fromEntries([...bundles].map(([name, bundle]) => [trustDomainId(name), write(readBundleOf(bundle))]));
}

/** The entries that identities stand on; a step stands on the entry of its agent. */
export function entriesOf(
  identities: readonly SvidIdentity[],
  { entries }: Pick<FederatedPorts, "entries">,
): readonly RegistrationEntry[] {
  return identities.flatMap((identity) => {
    const entryId = identity.kind === "step" ? identity.step.agentEntryId : identity.entry.entryId;
    return entries.byId(entryId) ?? [];
  });
}
