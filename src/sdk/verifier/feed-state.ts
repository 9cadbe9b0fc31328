import { invalidField } from "../../domain/errors.ts";
import type { TrustDomain } from "../../domain/spiffe-id.ts";
import type { WatchResponse, WatchResponse_Pong, WatchResponse_Snapshot } from "../../gen/stint/v1/revocations_pb.js";
import { createDenyList, type DenyKey, type DenyList, type DenyListEntry } from "./deny-list.ts";
import { denyListEntryOf, type TrustBundle, trustBundleOf, unixMsOf } from "./feed-messages.ts";
import { type Confirmation, type Instant, isConclusive } from "./freshness.ts";

/** What a message led to. */
export type Applied = {
  /** What is denied since, and was not before. */
  readonly denied: readonly DenyKey[];
  /** The cursor to acknowledge, when it moved. */
  readonly acknowledge: Uint8Array | undefined;
  /** With a cursor that denials came with: what may be signed of it. */
  readonly signable?: SignableReceipt | undefined;
  readonly confirmed: boolean;
};

/** Sequence of the last denial that is applied, in the words of the broker's welcome. */
export type SignableReceipt = { readonly verifier: string; readonly epoch: string; readonly sequence: number };

/** What a verifier knows by its feed. Pure: time comes in, nothing goes out but values. */
export type FeedState = {
  readonly denyList: DenyList;
  readonly bundles: ReadonlyMap<TrustDomain, TrustBundle>;
  /** The last ping that was answered; `undefined` before the first deny-list and the first bundle are there. */
  readonly confirmation: Confirmation | undefined;
  /** Where to resume; empty for a snapshot. */
  readonly cursor: Uint8Array;
  /** A new stream: what came half and what was not answered on the last one is void. */
  restart(): void;
  /** The broker does not know the cursor as its own. */
  forgetCursor(): void;
  pinged(nonce: Uint8Array, sent: Instant): void;
  /** When the ping was sent that has waited longest for its answer. */
  waitingSince(): Instant | undefined;
  /**
   * Takes one message in, whole.
   *
   * @throws BrokerError INVALID_FIELD when it cannot be applied; the stream is then of no use, since what was meant
   *   to be denied is not
   */
  apply(response: WatchResponse, received: Instant): Applied;
};

/** A sweep visits the whole list, so not each second. */
const SWEEP_INTERVAL_MS = 30_000;

export function createFeedState(): FeedState {
  const denyList = createDenyList();
  const bundles = new Map<TrustDomain, TrustBundle>();
  const pings = new Map<string, Instant>();
  let snapshotParts: DenyListEntry[] | undefined;
  let hasSnapshot = false;
  let confirmation: Confirmation | undefined;
  let cursor: Uint8Array = new Uint8Array();
  let welcome: { readonly verifier: string; readonly epoch: string } | undefined;
  /** The highest sequence among the denials of the last snapshot, and since. */
  let lastDenied = 0;
  let sweptAtMs = Number.NEGATIVE_INFINITY;
  /** Foreign trust domains that this stream has not spoken of yet. */
  const unspoken = new Set<TrustDomain>();

  function moveTo(next: Uint8Array): Uint8Array | undefined {
    // Short of a whole deny-list there is nothing to resume from, and nothing to acknowledge.
    const isAhead = hasSnapshot && snapshotParts === undefined && next.length > 0 && !sameBytes(next, cursor);
    if (!isAhead) return undefined;
    cursor = next;
    return next;
  }

  function signableOf(acknowledge: Uint8Array | undefined): SignableReceipt | undefined {
    if (welcome === undefined || acknowledge === undefined || lastDenied === 0) return undefined;
    return { ...welcome, sequence: lastDenied };
  }

  function applySnapshot(part: WatchResponse_Snapshot): Applied {
    // Sequences of an earlier epoch say nothing of this one.
    if (snapshotParts === undefined) lastDenied = 0;
    snapshotParts ??= [];
    for (const denial of part.denials) {
      snapshotParts.push(denyListEntryOf(denial));
      lastDenied = Math.max(lastDenied, Number(denial.sequence));
    }
    if (!part.last) return { denied: [], acknowledge: undefined, confirmed: false };
    // What the snapshot does not name is kept until it may be forgotten: nothing denied is ever permitted again, so a
    // broker that leaves it out has forgotten it, or was put back in time.
    const denied = denyList.add(snapshotParts);
    snapshotParts = undefined;
    hasSnapshot = true;
    const acknowledge = moveTo(part.cursor);
    return { denied, acknowledge, signable: signableOf(acknowledge), confirmed: false };
  }

  function applyPong(pong: WatchResponse_Pong, received: Instant): Applied {
    const nonce = nameOf(pong.nonce);
    const sent = pings.get(nonce);
    const nothing = { denied: [], acknowledge: undefined, confirmed: false };
    if (sent === undefined || pong.brokerTime === undefined) return nothing;
    // Answers come in the order of the pings, so those before this one get none.
    for (const earlier of pings.keys()) {
      pings.delete(earlier);
      if (earlier === nonce) break;
    }
    // A foreign bundle that did not come again was withdrawn meanwhile; all that do come before the first answer.
    for (const trustDomain of unspoken) bundles.delete(trustDomain);
    unspoken.clear();
    const hasOwnBundle = [...bundles.values()].some(({ federated }) => !federated);
    const isWhole = hasSnapshot && snapshotParts === undefined && hasOwnBundle;
    const brokerTimeMs = unixMsOf(pong.brokerTime);
    const candidate = { sent, received, brokerTimeMs };
    if (!isWhole || !isConclusive(candidate)) return nothing;
    confirmation = candidate;
    // By whichever clock is behind, so that a clock that is ahead for a moment makes nothing forgotten.
    sweep(Math.min(received.wallMs, brokerTimeMs));
    return { denied: [], acknowledge: moveTo(pong.cursor), confirmed: true };
  }

  function sweep(nowMs: number): void {
    if (Math.abs(nowMs - sweptAtMs) < SWEEP_INTERVAL_MS) return;
    sweptAtMs = nowMs;
    denyList.forget(nowMs);
  }

  return {
    denyList,
    bundles,
    get confirmation() {
      return confirmation;
    },
    get cursor() {
      return cursor;
    },
    restart() {
      snapshotParts = undefined;
      welcome = undefined;
      pings.clear();
      for (const { trustDomain, federated } of bundles.values()) if (federated) unspoken.add(trustDomain);
    },
    forgetCursor() {
      cursor = new Uint8Array();
    },
    pinged(nonce, sent) {
      pings.set(nameOf(nonce), sent);
    },
    waitingSince() {
      const [first] = pings.values();
      return first;
    },
    apply({ message }, received) {
      switch (message.case) {
        case "snapshot":
          return applySnapshot(message.value);
        case "denied": {
          const { denials, cursor: next } = message.value;
          const denied = denyList.add(denials.map(denyListEntryOf));
          lastDenied = Math.max(lastDenied, ...denials.map(({ sequence }) => Number(sequence)));
          const acknowledge = moveTo(next);
          return { denied, acknowledge, signable: signableOf(acknowledge), confirmed: false };
        }
        case "pong":
          return applyPong(message.value, received);
        case "bundle": {
          const bundle = trustBundleOf(message.value);
          bundles.set(bundle.trustDomain, bundle);
          unspoken.delete(bundle.trustDomain);
          return { denied: [], acknowledge: undefined, confirmed: false };
        }
        case "welcome": {
          const { verifier, epoch } = message.value;
          welcome = { verifier, epoch };
          return { denied: [], acknowledge: undefined, confirmed: false };
        }
        case undefined:
          throw invalidField("message", "one of those of stint.v1.WatchResponse");
      }
    },
  };
}

function nameOf(nonce: Uint8Array): string {
  return Buffer.from(nonce).toString("hex");
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
