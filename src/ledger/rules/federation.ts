import { type Denial, denial } from "../../domain/errors.ts";
import type { AcceptBundleAct, EndFederationAct, PutFederationAct, Sequenced } from "../../ports/ledger-acts.ts";
import { answered, ask, type Deliberation, read, refused } from "../rule.ts";
import { recordedAll, sequenced } from "./sequenced.ts";

export function* putFederation(act: PutFederationAct): Deliberation<Sequenced | Denial> {
  const { relationship, bundle, by, now } = act;
  const { trustDomain } = relationship;
  const { known } = yield* ask({ known: read("federation", trustDomain) });
  if (known !== undefined) {
    return refused(
      denial("INVALID_FIELD", "trust_domain: one that has no relationship yet", { field: "trust_domain" }),
    );
  }
  const put = { type: "federation.put", v: 1, at: now, relationship, by } as const;
  if (bundle === undefined) return recordedAll([put]);
  return recordedAll([put, { type: "bundle.accepted", v: 1, at: now, trustDomain, bundle }]);
}

export function* endFederation({ trustDomain, by, now }: EndFederationAct): Deliberation<Sequenced | Denial> {
  const { known } = yield* ask({ known: read("federation", trustDomain) });
  if (known === undefined) return refused(noRelationship());
  return recordedAll([{ type: "federation.ended", v: 1, at: now, trustDomain, by }]);
}

export function* acceptBundle({ trustDomain, bundle, now }: AcceptBundleAct): Deliberation<Sequenced | Denial> {
  const { known } = yield* ask({ known: read("federation", trustDomain) });
  if (known === undefined) return refused(noRelationship());
  if (known.bundle !== undefined) {
    const isSame = known.bundle.document === bundle.document && known.bundle.sequence === bundle.sequence;
    if (isSame) return answered(sequenced(0));
    const refusal = sequenceRefusal(known.bundle, bundle);
    if (refusal !== undefined) return refused(refusal);
  }
  return recordedAll([{ type: "bundle.accepted", v: 1, at: now, trustDomain, bundle }]);
}

/** An older bundle may hold keys that were taken out since; a bundle without a sequence could hide that it is older. */
function sequenceRefusal(
  { sequence: known }: AcceptBundleAct["bundle"],
  { sequence }: AcceptBundleAct["bundle"],
): Denial | undefined {
  if (known === undefined || (sequence !== undefined && sequence > known)) return undefined;
  const expected = sequence === known ? "a new one for new content" : "not below the one that was accepted last";
  return denial("INVALID_FIELD", `spiffe_sequence: ${expected}`, { field: "spiffe_sequence" });
}

function noRelationship(): Denial {
  return denial("INVALID_FIELD", "trust_domain: one that has a relationship", { field: "trust_domain" });
}
