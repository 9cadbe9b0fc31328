import type { Committed, Follower, FollowerStatus } from "../ports/following.ts";
import type { Ledger } from "../ports/ledger.ts";
import { createFollowing, type FollowingPorts, type KeptFollowing } from "./following.ts";

/** What the followers of a ledger are fed from. */
export type FollowersPorts = Pick<FollowingPorts, "head" | "clock" | "failed"> & {
  /** The events after a sequence, in order, at most `limit`. */
  readonly read: (after: number, limit: number) => Promise<readonly Committed[]>;
};

/** All followers of one ledger, each at its own position. */
export type Followers = Pick<Ledger, "follow" | "followers"> & {
  /**
   * To be called after each commit.
   *
   * @param events - of this commit; absent where they are too many to be handed over at once, so that followers read
   *   them.
   */
  committed(events: readonly Committed[] | undefined): void;
  close(): void;
};

/**
 * Events that are read within one turn of the event loop, in which every follower takes them: a bulk close of ten
 * thousand steps must not keep anybody waiting for longer than some milliseconds.
 */
const PAGE_EVENTS = 32;

export function createFollowers(ports: FollowersPorts): Followers {
  const all = new Set<KeptFollowing>();
  let page: { readonly after: number; readonly events: Promise<readonly Committed[]> } | undefined;

  /** Followers mostly are at the same position: a page that one follower reads is there for the others. */
  function readPage(after: number): Promise<readonly Committed[]> {
    if (page?.after !== after) page = { after, events: ports.read(after, PAGE_EVENTS) };
    const { events } = page;
    events.catch(() => {
      if (page?.events === events) page = undefined;
    });
    return events;
  }

  return {
    follow(follower: Follower, after: number) {
      const following = createFollowing(follower, after, { ...ports, readPage, ended: () => all.delete(following) });
      all.add(following);
      following.catchUp();
      return following;
    },
    followers: (): readonly FollowerStatus[] => [...all].map((one) => one.status()),
    committed(events) {
      // A page that ended where the ledger ended lacks the events of this commit.
      page = undefined;
      for (const following of all) {
        if (events === undefined) following.catchUp();
        else following.offer(events);
      }
    },
    close() {
      for (const following of all) following.end();
    },
  };
}
