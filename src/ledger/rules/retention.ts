import { BrokerError, type Denial, denial } from "../../domain/errors.ts";
import { mayBePruned, prunedDigest, rangesOf } from "../../domain/retention.ts";
import type { Sequenced } from "../../ports/ledger-acts.ts";
import type {
  LiftHoldAct,
  PlaceHoldAct,
  PlaceHoldResult,
  PruneEventsAct,
  PruneEventsResult,
  RecordSnapshotAct,
} from "../../ports/retention-acts.ts";
import { answered, ask, type Deliberation, read, recorded, refused } from "../rule.ts";
import { recordedAll } from "./sequenced.ts";

export function* recordSnapshot({ snapshot, now }: RecordSnapshotAct): Deliberation<Sequenced> {
  const { through } = yield* ask({ through: read("snapshotThrough") });
  if (snapshot.through <= through) {
    throw new BrokerError("LEDGER_UNAVAILABLE", "there is a snapshot that is as new as this one");
  }
  return recordedAll([{ type: "snapshot.taken", v: 1, at: now, ...snapshot }]);
}

export function* pruneEvents(act: PruneEventsAct): Deliberation<PruneEventsResult> {
  const { after, limit, cutoffs, now } = act;
  const { page, holds } = yield* ask({ page: read("pruningCandidates", after, limit), holds: read("holds") });
  const gone = page.candidates.filter((candidate) => mayBePruned(candidate, cutoffs, holds));
  const next = page.next === undefined ? {} : { next: page.next };
  if (gone.length === 0) return answered({ sequence: 0, pruned: 0, ...next });
  const ranges = rangesOf(gone.map(({ sequence }) => sequence));
  const by = { kind: "broker", cause: "retention" } as const;
  const event = {
    type: "events.pruned",
    v: 1,
    at: now,
    ranges,
    count: gone.length,
    digest: prunedDigest(gone),
    by,
  } as const;
  return recorded([event], (sequence) => ({ sequence, pruned: gone.length, ...next }));
}

export function* placeHold({ hold, reason, by, now }: PlaceHoldAct): Deliberation<PlaceHoldResult> {
  const { holds } = yield* ask({ holds: read("holds") });
  const standing = holds.find(({ scope, value }) => scope === hold.scope && value === hold.value);
  if (standing !== undefined) return answered({ sequence: 0, holdId: standing.holdId });
  const { holdId } = hold;
  return recorded([{ type: "hold.placed", v: 1, at: now, hold, reason, by }], (sequence) => ({ sequence, holdId }));
}

export function* liftHold({ holdId, reason, by, now }: LiftHoldAct): Deliberation<Sequenced | Denial> {
  const { holds } = yield* ask({ holds: read("holds") });
  if (!holds.some((hold) => hold.holdId === holdId)) {
    return refused(denial("INVALID_FIELD", "hold_id: of a hold that stands", { field: "hold_id" }));
  }
  return recordedAll([{ type: "hold.lifted", v: 1, at: now, holdId, reason, by }]);
}
