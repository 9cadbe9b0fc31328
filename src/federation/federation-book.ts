import type { BundleAccepted } from "../domain/ledger-event.ts";
import type { TrustDomain } from "../domain/spiffe-id.ts";
import { createListeners } from "../follow/listeners.ts";
import type { Cancel } from "../ports/clock.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { ProjectionReads, RecordedFederation } from "../ports/ledger-reads.ts";

/** The relationships with foreign trust domains and the bundles accepted of them, as the ledger's events have them. */
export type FederationBook = {
  readonly following: Following;
  of(trustDomain: TrustDomain): RecordedFederation | undefined;
  all(): readonly RecordedFederation[];
  /** Calls after a relationship began or ended; a relationship that begins anew is another relationship. */
  onRelationship(changed: (trustDomain: TrustDomain) => void): Cancel;
  /** Calls after a bundle was accepted, or its relationship ended. */
  onBundle(changed: () => void): Cancel;
};

export type FederationBookPorts = {
  readonly ledger: Pick<Ledger, "follow">;
  readonly projections: Pick<ProjectionReads, "federations">;
  /** Takes what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/** @throws BrokerError LEDGER_UNAVAILABLE */
export async function keepFederationBook(ports: FederationBookPorts): Promise<FederationBook> {
  const { value, through } = await ports.projections.federations();
  const known = new Map(value.map((one) => [one.relationship.trustDomain, one]));
  const relationships = createListeners<[TrustDomain]>(ports.failed);
  const bundles = createListeners(ports.failed);

  function take({ event }: Committed): void {
    if (event.type === "federation.put") {
      const { relationship } = event;
      known.set(relationship.trustDomain, { relationship });
      relationships.tell(relationship.trustDomain);
    } else if (event.type === "federation.ended") {
      known.delete(event.trustDomain);
      relationships.tell(event.trustDomain);
      bundles.tell();
    } else if (event.type === "bundle.accepted") {
      known.set(event.trustDomain, withBundle(known.get(event.trustDomain), event));
      bundles.tell();
    }
  }
  const following = ports.ledger.follow({ name: "foreign bundles", take, recovered: bundles.tell }, through);

  return {
    following,
    of: (trustDomain) => known.get(trustDomain),
    all: () => [...known.values()],
    onRelationship: relationships.onChange,
    onBundle: bundles.onChange,
  };
}

function withBundle(
  known: RecordedFederation | undefined,
  { trustDomain, bundle, at }: BundleAccepted,
): RecordedFederation {
  if (known === undefined) throw new RangeError("a bundle of a trust domain without a relationship");
  return { relationship: known.relationship, bundle: { trustDomain, ...bundle, acceptedAt: at } };
}
