import { type AuthorityBook, keepAuthorityBook } from "../../src/authority/authority-book.ts";
import { keepDenialsInForce } from "../../src/close/denials-in-force.ts";
import { createNotifier, type FeedBatch } from "../../src/close/notify.ts";
import { beginWatch } from "../../src/close/watch.ts";
import { type CanonicalValue, canonicalText } from "../../src/domain/canonical-json.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { microsOf } from "../../src/domain/time.ts";
import { type KeptSteps, keepStepDirectory } from "../../src/follow/step-directory.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Ledger, OpenedLedger } from "../../src/ports/ledger.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { type KeptEntries, keepEntryDirectory } from "../../src/registry/entry-directory.ts";
import { createKernel } from "../simulation/kernel.ts";

/** What only follows: it reads a ledger that somebody else writes. */
export type Replica = {
  /** What a front end would decide by. */
  readonly kept: {
    readonly stepDirectory: KeptSteps;
    readonly entries: KeptEntries;
    readonly authorities: AuthorityBook;
  };
  /** All of it in one text, the same of two replicas that have come equally far. */
  dump(): string;
  /** Whether all of it has come so far, within two seconds. */
  reached(sequence: number): Promise<boolean>;
  end(): void;
};

export type ReplicaPorts = Pick<OpenedLedger, "projections" | "steps" | "feed"> & {
  readonly ledger: Pick<Ledger, "head" | "follow">;
  readonly clock: Clock;
  readonly failed: (error: unknown) => void;
};

/** Begins with what the ledger's tables hold now, and follows its events from there. */
export async function openReplica(ports: ReplicaPorts): Promise<Replica> {
  const { ledger, projections, clock, failed } = ports;
  const perform = () => Promise.reject(new Error("a replica records nothing"));
  const kept = {
    stepDirectory: await keepStepDirectory({ ...createKernel(), ...ports }),
    entries: await keepEntryDirectory(ports),
    authorities: await keepAuthorityBook({ ledger: { ...ledger, perform }, projections, clock, failed }),
  };
  const denied: DenyEntry[] = [];
  const notifier = createNotifier(ports);
  const denyList = keepDenialsInForce({ ...ports, notifier, formOf: (entry) => entry });
  const take = ({ entries }: FeedBatch) => void denied.push(...entries);
  const watch = await beginWatch(undefined, take, { ledger, notifier, denyList });
  denied.push(...watch.beginning.denials.map(({ form }) => form));
  watch.go();
  const followings = [notifier.following, ...Object.values(kept).map(({ following }) => following)];
  return {
    kept,
    dump: () => dumpOf(kept, denied, clock),
    async reached(sequence) {
      const reached = await Promise.all(followings.map((following) => following.reached(sequence)));
      return !reached.includes(false);
    },
    end() {
      watch.end();
      for (const following of followings) following.end();
    },
  };
}

/** @param denied - with repetitions: a snapshot may hold what is delivered after it too. */
export function dumpOf(
  kept: {
    readonly stepDirectory: Pick<KeptSteps, "open">;
    readonly entries: Pick<KeptEntries, "all">;
    readonly authorities: Pick<AuthorityBook, "all">;
  },
  denied: readonly DenyEntry[],
  clock: Pick<Clock, "now">,
): string {
  const forgetAfter = (LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax) * 1_000_000;
  const remembered = denied.filter(({ latestExpiry }) => microsOf(latestExpiry) + forgetAfter > clock.now());
  const lines = [
    ...kept.stepDirectory.open(),
    ...kept.entries.all().toSorted((a, b) => (a.entryId < b.entryId ? -1 : 1)),
    ...kept.authorities.all(),
  ].map(lineOf);
  return [...lines, ...new Set(remembered.map(lineOf).toSorted())].join("\n");
}

function lineOf(value: object): string {
  const hex = (_name: string, one: unknown) => (one instanceof Uint8Array ? Buffer.from(one).toString("hex") : one);
  return canonicalText(JSON.parse(JSON.stringify(value, hex)) as CanonicalValue);
}
