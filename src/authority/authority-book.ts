import { type Authority, isPublished, type KeyFamily } from "../domain/authority.ts";
import type { Clock } from "../ports/clock.ts";
import type { Ledger, PutAuthoritiesAct, PutAuthoritiesResult } from "../ports/ledger.ts";

/** All authorities there ever were, as the ledger has them. */
export type AuthorityBook = {
  /** Takes over what the ledger held at the start. */
  load(authorities: readonly Authority[]): void;
  of(family: KeyFamily): readonly Authority[];
  byId(authorityId: string): Authority | undefined;
  all(): readonly Authority[];
  /** Those that verifiers are to know. */
  published(): readonly Authority[];
  /** Grows with every change. */
  sequence(): number;
  /** Records a change; only once it is durable does anything here say so. */
  record(change: Omit<PutAuthoritiesAct, "act" | "now">): Promise<PutAuthoritiesResult>;
};

export function createAuthorityBook(ports: {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly changed: () => void;
}): AuthorityBook {
  const known = new Map<string, Authority>();
  let sequence = 0;

  return {
    load(authorities) {
      for (const one of authorities) known.set(one.authorityId, one);
      sequence = ports.ledger.head().sequence;
    },
    of: (family) => [...known.values()].filter((one) => one.family === family),
    byId: (authorityId) => known.get(authorityId),
    all: () => [...known.values()],
    published: () => [...known.values()].filter(isPublished),
    sequence: () => sequence,
    async record(change) {
      const result = await ports.ledger.perform({ act: "put-authorities", ...change, now: ports.clock.now() });
      for (const one of change.authorities) known.set(one.authorityId, one);
      const tainted = change.taints === undefined ? undefined : known.get(change.taints.authorityId);
      if (tainted !== undefined) known.set(tainted.authorityId, { ...tainted, tainted: true });
      sequence = result.sequence;
      ports.changed();
      return result;
    },
  };
}
