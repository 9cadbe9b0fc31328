import { invalidField } from "../../../domain/errors.ts";
import type { PutAuthoritiesAct, PutAuthoritiesResult } from "../../../ports/ledger.ts";
import { acceptableOf } from "../acceptable.ts";
import { digestOfIds } from "../subtree.ts";
import { AUTHORITY, type AuthorityGuard, recordedAuthority } from "../tables/authority-table.ts";
import { type ActContext, sequenced } from "./act-context.ts";

export function putAuthorities({ db, append }: ActContext, act: PutAuthoritiesAct): PutAuthoritiesResult {
  const { authorities, taints, order, now } = act;
  let sequence = 0;
  let credentialsRevoked = 0;
  if (order !== undefined) {
    const { operation, target, reason, by } = order;
    sequence = append({ type: "operator.acted", v: 1, at: now, act: operation, target, reason, by });
  }
  for (const authority of authorities) {
    sequence = append({ type: "authority.put", v: 1, at: now, authority: recordedAuthority(authority) });
  }
  if (taints !== undefined) {
    const { authorityId, reason, by } = taints;
    if (db.get<AuthorityGuard>(AUTHORITY.guard, { authorityId }) === undefined) {
      throw invalidField("authority_id", "the id of an authority");
    }
    const ids = acceptableOf(db, authorityId, now).map(({ issuanceId }) => issuanceId);
    credentialsRevoked = ids.length;
    const found = { count: ids.length, digest: digestOfIds(ids) };
    sequence = append({ type: "authority.tainted", v: 1, at: now, authorityId, reason, ...found, by });
  }
  return { ...sequenced(sequence), credentialsRevoked };
}
