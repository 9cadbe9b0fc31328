import { type Denial, denial } from "../../../domain/errors.ts";
import type { FederatedBundle } from "../../../domain/federation.ts";
import type { AcceptBundleAct, EndFederationAct, PutFederationAct, Sequenced } from "../../../ports/ledger.ts";
import { acceptedBundleOf, FEDERATION, type FederationGuard } from "../tables/federation-table.ts";
import { type ActContext, sequenced } from "./act-context.ts";

export function putFederation({ db, append }: ActContext, act: PutFederationAct): Sequenced | Denial {
  const { relationship, bundle, by, now } = act;
  const { trustDomain } = relationship;
  if (db.get<FederationGuard>(FEDERATION.guard, { trustDomain }) !== undefined) {
    return denial("INVALID_FIELD", "trust_domain: one that has no relationship yet", { field: "trust_domain" });
  }
  const sequence = append({ type: "federation.put", v: 1, at: now, relationship, by });
  if (bundle === undefined) return sequenced(sequence);
  return sequenced(append({ type: "bundle.accepted", v: 1, at: now, trustDomain, bundle }));
}

export function endFederation({ db, append }: ActContext, act: EndFederationAct): Sequenced | Denial {
  const { trustDomain, by, now } = act;
  if (db.get<FederationGuard>(FEDERATION.guard, { trustDomain }) === undefined) return noRelationship();
  return sequenced(append({ type: "federation.ended", v: 1, at: now, trustDomain, by }));
}

export function acceptBundle({ db, append }: ActContext, act: AcceptBundleAct): Sequenced | Denial {
  const { trustDomain, bundle, now } = act;
  const guard = db.get<FederationGuard>(FEDERATION.guard, { trustDomain });
  if (guard === undefined) return noRelationship();
  const known = guard.accepted === null ? undefined : acceptedBundleOf(guard.accepted);
  if (known !== undefined) {
    if (known.document === bundle.document && known.sequence === bundle.sequence) return sequenced(0);
    const refusal = sequenceRefusal(known, bundle);
    if (refusal !== undefined) return refusal;
  }
  return sequenced(append({ type: "bundle.accepted", v: 1, at: now, trustDomain, bundle }));
}

/** An older bundle may hold keys that were taken out since; one that counts no more could hide that it is older. */
function sequenceRefusal(
  { sequence: known }: FederatedBundle,
  { sequence }: AcceptBundleAct["bundle"],
): Denial | undefined {
  if (known === undefined || (sequence !== undefined && sequence > known)) return undefined;
  const expected = sequence === known ? "a new one for new content" : "not below the one that was accepted last";
  return denial("INVALID_FIELD", `spiffe_sequence: ${expected}`, { field: "spiffe_sequence" });
}

function noRelationship(): Denial {
  return denial("INVALID_FIELD", "trust_domain: one that has a relationship", { field: "trust_domain" });
}
