import { type Authority, isPublished, type KeyFamily } from "../domain/authority.ts";
import { authorityFrom } from "../domain/recorded-authority.ts";
import { secondsOf } from "../domain/time.ts";
import { createListeners } from "../follow/listeners.ts";
import { reliable } from "../follow/reliable.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Committed, Following } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import type { PutAuthoritiesAct, PutAuthoritiesResult } from "../ports/ledger-acts.ts";
import type { ProjectionReads } from "../ports/ledger-reads.ts";

/** All authorities there ever were, as the ledger's events have them. */
export type AuthorityBook = {
  readonly following: Following;
  /** Those of this broker. */
  of(family: KeyFamily): readonly Authority[];
  byId(authorityId: string): Authority | undefined;
  /** In the order in which they came. */
  all(): readonly Authority[];
  /** The authorities that verifiers are to know. */
  published(): readonly Authority[];
  /** Grows with every change. */
  sequence(): number;
  /** Calls after each change; ends with the returned function. */
  onChange(changed: () => void): Cancel;
  /** Records a change, and resolves once the book has it. Only what is durable is ever in the book. */
  record(change: Omit<PutAuthoritiesAct, "act" | "now">): Promise<PutAuthoritiesResult>;
};

export type AuthorityBookPorts = {
  /** Whether an authority is this broker's; absent: all are. */
  readonly isOwn?: (authority: Authority) => boolean;
  readonly ledger: Pick<Ledger, "follow" | "perform">;
  readonly projections: Pick<ProjectionReads, "authorities">;
  readonly clock: Pick<Clock, "now">;
  /** Takes what a listener throws. */
  readonly failed: (error: unknown) => void;
};

/** @throws BrokerError LEDGER_UNAVAILABLE */
export async function keepAuthorityBook(ports: AuthorityBookPorts): Promise<AuthorityBook> {
  const { value, through } = await ports.projections.authorities();
  const known = new Map(value.map((one) => [one.authorityId, one]));
  const { onChange, tell } = createListeners(ports.failed);
  let sequence = through;
  const { isOwn = () => true } = ports;
  let byFamily = sorted();

  /** Every draft of a credential needs the authorities of one family: these are looked up, and not searched. */
  function sorted(): ReadonlyMap<KeyFamily, readonly Authority[]> {
    return Map.groupBy([...known.values()].filter(isOwn), ({ family }) => family);
  }

  function take(committed: Committed): void {
    if (!applyTo(known, committed)) return;
    sequence = committed.sequence;
    byFamily = sorted();
    tell();
  }
  const following = ports.ledger.follow({ name: "authorities", take, recovered: tell }, through);
  const inForce = reliable(following, known);

  return {
    following,
    onChange,
    of(family) {
      inForce();
      return byFamily.get(family) ?? [];
    },
    byId: (authorityId) => inForce().get(authorityId),
    all: () => [...inForce().values()],
    published: () => [...inForce().values()].filter(isPublished),
    sequence: () => sequence,
    async record(change) {
      const result = await ports.ledger.perform({ act: "put-authorities", ...change, now: ports.clock.now() });
      await following.reached(result.sequence);
      return result;
    },
  };
}

/** Applies an event to the book; returns whether the event changed anything. */
function applyTo(known: Map<string, Authority>, { event }: Committed): boolean {
  switch (event.type) {
    case "authority.put": {
      const put = authorityFrom(event.authority);
      const before = known.get(put.authorityId);
      const { state: _, stateSince: __, ...facts } = put;
      // A removed authority stays removed, whatever a later event says: a new epoch removes all of them, naming none.
      const state = stateOf(before?.state === "removed" ? before : put);
      known.set(put.authorityId, { ...facts, ...state, ...(before?.tainted === true ? { tainted: true } : {}) });
      return true;
    }
    case "authority.tainted": {
      const tainted = known.get(event.authorityId);
      if (tainted !== undefined) known.set(event.authorityId, { ...tainted, tainted: true });
      return true;
    }
    case "epoch.started": {
      for (const [authorityId, one] of known) {
        if (one.state === "removed") continue;
        // An instant that was never recorded is not made up.
        const since = one.stateSince === undefined ? {} : { stateSince: secondsOf(event.at) };
        known.set(authorityId, { ...one, state: "removed", ...since });
      }
      return true;
    }
    default:
      return false;
  }
}

function stateOf({ state, stateSince }: Authority): Pick<Authority, "state" | "stateSince"> {
  return stateSince === undefined ? { state } : { state, stateSince };
}
