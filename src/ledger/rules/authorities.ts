import { digestOfIds } from "../../domain/digest.ts";
import { invalidField } from "../../domain/errors.ts";
import type { LedgerEvent } from "../../domain/ledger-event.ts";
import { recordedAuthority } from "../../domain/recorded-authority.ts";
import type { PutAuthoritiesAct, PutAuthoritiesResult } from "../../ports/ledger-acts.ts";
import { ask, type Deliberation, read, recorded } from "../rule.ts";
import { operatorActed } from "./records.ts";
import { sequenced, writtenFrom } from "./sequenced.ts";

export function* putAuthorities(act: PutAuthoritiesAct): Deliberation<PutAuthoritiesResult> {
  const { authorities, taints, order, now } = act;
  const { authority, acceptable = [] } = yield* ask({
    authority: taints === undefined ? undefined : read("authority", taints.authorityId),
    acceptable: taints === undefined ? undefined : read("acceptableIssuances", taints.authorityId, now),
  });
  const events: LedgerEvent[] = [];
  if (order !== undefined) events.push(operatorActed(order, now));
  for (const one of authorities) {
    events.push({ type: "authority.put", v: 1, at: now, authority: recordedAuthority(one) });
  }
  if (taints !== undefined) {
    const isKnown = authority !== undefined || authorities.some((one) => one.authorityId === taints.authorityId);
    if (!isKnown) throw invalidField("authority_id", "the id of an authority");
    const found = { count: acceptable.length, digest: digestOfIds(acceptable) };
    events.push({ type: "authority.tainted", v: 1, at: now, ...taints, ...found });
  }
  return recorded(events, (first) => ({
    ...sequenced(writtenFrom(first, events.length).sequence),
    credentialsRevoked: acceptable.length,
  }));
}
