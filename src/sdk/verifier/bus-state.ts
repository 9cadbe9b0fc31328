import { fromBinary } from "@bufbuild/protobuf";
import { BrokerError, invalidField } from "../../domain/errors.ts";
import type { TimedFeedMessage } from "../../domain/feed-message.ts";
import { LIMITS } from "../../domain/limits.ts";
import { WatchResponse_DeniedSchema } from "../../gen/stint/v1/revocations_pb.js";
import { createDenyList, type DenyKey, type DenyList, type DenyListEntry } from "./deny-list.ts";
import { denyListEntryOf } from "./feed-messages.ts";
import { type Dated, datedBy, type Instant } from "./freshness.ts";

/** What a verifier knows by messages of the feed that came over a bus, in whatever order and however often. Pure: time comes in. */
export type BusState = {
  readonly denyList: DenyList;
  /** The last heartbeat all of whose sequences are known here; `undefined` before the first. */
  readonly confirmed: Dated | undefined;
  /** Whether a heartbeat says that there is more than is known here. */
  readonly isBehind: boolean;
  /** `keys` of the newest heartbeat. */
  readonly keysTold: string | undefined;
  /** @param digest - of the keys that are held here. */
  holdsKeys(digest: string | undefined): void;
  /**
   * Takes in a message whose signature holds.
   *
   * @returns the keys that were not denied before
   * @throws BrokerError INVALID_FIELD for denials that name nothing that this version knows
   */
  take(message: TimedFeedMessage, received: Instant): readonly DenyKey[];
};

type Heartbeat = { readonly message: TimedFeedMessage & { readonly kind: "heartbeat" }; readonly dated: Dated };
type Position = { readonly epoch: string; readonly through: number };
type Range = Position & { readonly from: number };

/** A sweep visits the whole list, so not each second. */
const SWEEP_INTERVAL_MS = 30_000;
/** Messages that are kept until what comes before them has come; more than a stream has. */
const AHEAD_MAX = 10_000;
const SKEW_MS = LIMITS.clockSkewSecondsMax * 1_000;

export function createBusState(): BusState {
  const denyList = createDenyList();
  /** All that was denied in this epoch up to here is known. */
  let position: Position | undefined;
  /** Known, but not what comes before. */
  let ahead: Range[] = [];
  let parts: { readonly of: string; readonly seen: Set<number> } = { of: "", seen: new Set() };
  let newest: Heartbeat | undefined;
  let confirmed: Dated | undefined;
  let held: string | undefined;
  let sweptAtMs = Number.NEGATIVE_INFINITY;

  function takeSnapshot(message: TimedFeedMessage & { readonly kind: "snapshot" }): void {
    const { epoch, through, atMs } = message;
    const of = `${epoch} ${through} ${atMs} ${message.parts}`;
    if (parts.of !== of) parts = { of, seen: new Set() };
    parts.seen.add(message.part);
    if (parts.seen.size === message.parts) moveTo({ epoch, through });
  }

  function takeDenied({ epoch, from, through }: Range): void {
    if (position?.epoch === epoch && from <= position.through) {
      moveTo({ epoch, through });
      return;
    }
    if (ahead.length >= AHEAD_MAX) ahead = [];
    ahead.push({ epoch, from, through });
  }

  /** Within an epoch never back; of two epochs the heartbeats say which one counts. */
  function moveTo(to: Position): void {
    if (position?.epoch !== to.epoch || position.through < to.through) position = to;
    for (let found = nextAhead(position); found !== undefined; found = nextAhead(position)) position = found;
  }

  function nextAhead({ epoch, through }: Position): Position | undefined {
    ahead = ahead.filter((one) => one.epoch !== epoch || one.through > through);
    return ahead.find((one) => one.epoch === epoch && one.from <= through);
  }

  function takeHeartbeat(message: Heartbeat["message"], received: Instant): void {
    // Who delays or repeats one makes nothing younger. One from a time that has not come is not in the way of others.
    const isInTheWay =
      newest !== undefined && newest.message.atMs >= message.atMs && newest.message.atMs - received.wallMs <= SKEW_MS;
    if (!isInTheWay) newest = { message, dated: datedBy(message.atMs, received, received) };
  }

  function confirm(): void {
    if (newest === undefined || !isKnown(newest) || newest.message.keys !== held) return;
    confirmed = newest.dated;
    // By whichever clock is behind, so that a clock that is ahead for a moment makes nothing forgotten.
    const nowMs = Math.min(newest.dated.received.wallMs, newest.message.atMs);
    if (Math.abs(nowMs - sweptAtMs) < SWEEP_INTERVAL_MS) return;
    sweptAtMs = nowMs;
    denyList.forget(nowMs);
  }

  /** A position that is ahead of the heartbeat is of a ledger that was put back, or the heartbeat is late; the next one says which. */
  function isKnown({ message: { epoch, through } }: Heartbeat): boolean {
    return position?.epoch === epoch && position.through === through;
  }

  return {
    denyList,
    get confirmed() {
      return confirmed;
    },
    get isBehind() {
      if (newest === undefined) return position === undefined;
      const { epoch, through } = newest.message;
      return position?.epoch !== epoch || position.through < through;
    },
    get keysTold() {
      return newest?.message.keys;
    },
    holdsKeys(digest) {
      held = digest;
      confirm();
    },
    take(message, received) {
      // Whatever its place, what it denies is denied.
      const denied = message.kind === "heartbeat" ? [] : denyList.add(entriesIn(message.denials));
      if (message.kind === "snapshot") takeSnapshot(message);
      if (message.kind === "denied") takeDenied(message);
      if (message.kind === "heartbeat") takeHeartbeat(message, received);
      confirm();
      return denied;
    },
  };
}

function entriesIn(denials: Uint8Array): readonly DenyListEntry[] {
  try {
    return fromBinary(WatchResponse_DeniedSchema, denials).denials.map(denyListEntryOf);
  } catch (thrown) {
    throw thrown instanceof BrokerError ? thrown : invalidField("denials", "those of stint.v1.WatchResponse.Denied");
  }
}
