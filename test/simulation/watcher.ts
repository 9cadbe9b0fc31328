import { create } from "@bufbuild/protobuf";
import { denialMessageOf } from "../../src/api/grpc/denial-message.ts";
import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch, type Cursor } from "../../src/close/watch.ts";
import { readCertificate } from "../../src/domain/certificate.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { VerifierEntry } from "../../src/domain/registration-entry.ts";
import type { SignedReceipt } from "../../src/domain/signed-receipt.ts";
import { addMicros, addSeconds, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { DenialSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import type { Clock } from "../../src/ports/clock.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { certificateKey, createDenyList, jwtKey, spiffeIdKey, stepKey } from "../../src/sdk/verifier/deny-list.ts";
import { denyListEntryOf } from "../../src/sdk/verifier/feed-messages.ts";
import { type Broker, type Ground, ISSUER } from "./broker.ts";
import type { STALENESS_SECONDS } from "./cast.ts";
import { promise } from "./model-history.ts";
import { signedBy } from "./receipt-key.ts";

/** How a verifier keeps in touch with the broker while it is connected. */
export type Attendance = {
  /** When it says what it has applied: as soon as it has, when it is told to, or not at all. */
  readonly acknowledges: "at once" | "late" | "never";
  /** Otherwise it is connected, and falls silent. */
  readonly pings: boolean;
};

/** One process of a verifier with its deny-list, fed by the real feed: it comes and goes, and resumes where it was. */
export type Watcher = {
  readonly isConnected: boolean;
  /** Whose feed it is on, and was on last. */
  readonly broker: Broker | undefined;
  readonly lastBroker: Broker | undefined;
  /** Name of its verifier's entry. */
  readonly verifier: keyof typeof STALENESS_SECONDS;
  /** It refuses whatever was denied up to here. */
  readonly applied: number;
  watch(broker: Broker, ground: Ground, attendance: Attendance): Promise<void>;
  /** Says what it has applied. */
  acknowledge(): void;
  leave(): void;
  /** Whether the credential could ever be presented to it. */
  isConcernedBy(record: IssuanceRecord): boolean;
  denies(record: IssuanceRecord, ca: Uint8Array | undefined): boolean;
  /** Whether it knows enough to accept anything. */
  isFresh(now: UnixMicros): boolean;
  /** Whether it would accept the credential. */
  accepts(record: IssuanceRecord, ca: Uint8Array | undefined, now: UnixMicros): boolean;
  /** Forgets what may be forgotten. */
  forget(nowMs: number): void;
};

const PING_MS = 3_000;
let watchNumber = 0;

/** A stream whose entry is out of force, or can't be looked at, ends with the next sign of life. */
function isInForce({ entryId }: VerifierEntry, { entries }: Broker): boolean {
  if (entries.following.refusal() !== undefined) return false;
  const known = entries.byId(entryId);
  return known !== undefined && !known.disabled;
}

async function isConfirmed({ store }: Ground): Promise<boolean> {
  try {
    await store.confirmed();
    return true;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return false;
    throw thrown;
  }
}

/** One watch of the feed. */
type Connection = { readonly broker: Broker; readonly ground: Ground; readonly end: () => void };

/** @param clock - its own, which is nobody's else. */
export function createWatcher(
  verifier: Watcher["verifier"],
  audiences: readonly string[],
  clock: Pick<Clock, "now">,
): Watcher {
  const held = createDenyList();
  let cursor: Cursor | undefined;
  let denied = 0;
  let freshUntil = 0;
  let connection: (Connection & { readonly watcherId: string; readonly entry: VerifierEntry }) | undefined;
  let connecting: symbol | undefined;
  let last: Broker | undefined;

  function leave(): void {
    connection?.end();
    connection = undefined;
    connecting = undefined;
  }

  const concerns = (entry: DenyEntry) => entry.concernsAll || entry.audiences.some((one) => audiences.includes(one));

  function acknowledge(): void {
    if (connection === undefined || cursor === undefined) return;
    const { broker, watcherId, entry } = connection;
    broker.receipts.acknowledged(watcherId, cursor.sequence, signature(entry, cursor, clock.now()));
  }

  /** Signs the last denial that it has applied, if its entry names a key. */
  function signature(entry: VerifierEntry, { epoch }: Cursor, at: UnixMicros): SignedReceipt | undefined {
    const { receiptKey } = entry.content;
    if (receiptKey === undefined || denied === 0) return undefined;
    return signedBy(receiptKey, { verifier: entry.spiffeId, epoch, sequence: denied, at });
  }

  /** Asks for a sign of life, by which all that was durable before comes first. */
  async function ping(acknowledges: Attendance["acknowledges"]): Promise<void> {
    const asked = connection;
    if (asked === undefined) return;
    const { broker, ground, watcherId, entry } = asked;
    if (!isInForce(entry, broker)) return leave();
    const askedAt = clock.now();
    broker.receipts.seen(watcherId);
    // Who can't know of all that was durable says nothing.
    if (!(await isConfirmed(ground))) return;
    const sequence = await broker.notifier.caughtUp();
    if (connection !== asked) return;
    passed(sequence, ground);
    freshUntil = Math.max(freshUntil, addMicros(askedAt, entry.content.maxStalenessSeconds * 1_000_000));
    if (acknowledges === "at once") acknowledge();
  }

  function passed(sequence: number, { store }: Ground): void {
    cursor = { epoch: store.ledger.head().epoch, sequence: Math.max(sequence, cursor?.sequence ?? 0) };
  }

  return {
    verifier,
    get isConnected() {
      return connection !== undefined || connecting !== undefined;
    },
    get broker() {
      return connection?.broker;
    },
    get lastBroker() {
      return last;
    },
    get applied() {
      return cursor?.sequence ?? 0;
    },
    async watch(broker, ground, { acknowledges, pings }) {
      if (connection !== undefined || connecting !== undefined) return;
      const entry = broker.entries.byName("verifier", verifier) as VerifierEntry | undefined;
      if (entry === undefined || entry.disabled) return;
      const own = Symbol("connecting");
      connecting = own;
      const { notifier, denyList, receipts } = broker;
      const caNameOf = (authorityId: string) => {
        const certificate = broker.authorities.all().find((one) => one.authorityId === authorityId)?.certificate;
        return certificate === undefined ? undefined : readCertificate(certificate).subject;
      };
      const take = ({ entries, through }: FeedBatch) => {
        const told = entries.filter(concerns).map((one) => denialMessageOf(one, { issuer: ISSUER, caNameOf }));
        held.add(told.map((one) => denyListEntryOf(create(DenialSchema, one))));
        denied = Math.max(denied, ...entries.map(({ sequence }) => sequence));
        passed(through, ground);
        if (acknowledges === "at once") acknowledge();
      };
      // What can't be told ends the stream: a watcher that missed something must not seem to be up to date.
      let isOver = false;
      const takeOrLeave = (batch: FeedBatch) => {
        if (isOver) return;
        try {
          take(batch);
        } catch {
          isOver = true;
          leave();
        }
      };
      const before = cursor;
      const { ledger } = ground.store;
      // It may come from a broker that has recorded something since.
      if (before !== undefined && before.sequence > ledger.head().sequence && !(await isConfirmed(ground))) {
        connecting = undefined;
        return;
      }
      promise(before === undefined || before.sequence <= ledger.head().sequence, "no ledger is behind a verifier");
      const watch = await beginWatch(before, takeOrLeave, { ...ground.store, notifier, denyList });
      if (connecting !== own) return watch.end();
      const { denials, through, kind } = watch.beginning;
      takeOrLeave({ entries: denials.map(({ form }) => form), through });
      watch.go();
      if (isOver) return watch.end();
      connecting = undefined;
      watchNumber += 1;
      const watcherId = `watch-${watchNumber}`;
      let cancel = () => {};
      const end = () => {
        watch.end();
        cancel();
        receipts.disconnected(watcherId);
      };
      connection = { broker, ground, watcherId, entry, end };
      last = broker;
      const { maxStalenessSeconds } = entry.content;
      const { entryId } = entry;
      receipts.connected({
        ...{ watcherId, entryId, audiences, maxStalenessSeconds, connectedSince: ground.clock.now() },
        appliedBefore: kind === "resume" ? (before?.sequence ?? 0) : 0,
      });
      if (acknowledges === "at once") acknowledge();
      const pingOn = () => {
        cancel = ground.clock.schedule(PING_MS, pingOn);
        void ping(acknowledges);
      };
      // Everybody pings once: it is what makes fresh.
      if (pings) pingOn();
      else void ping(acknowledges);
    },
    acknowledge,
    leave,
    isConcernedBy: (record) =>
      record.kind === "x509-svid" || record.audiences.some((audience) => audiences.includes(audience)),
    denies(record, ca) {
      const { subject, spiffeId, jti, serialNumber } = record;
      const keys = [spiffeIdKey(spiffeId)];
      if (subject.kind === "step") keys.push(stepKey(subject.stepId));
      if (jti !== undefined) keys.push(jwtKey(ISSUER, jti));
      if (serialNumber !== undefined && ca !== undefined) keys.push(certificateKey(ca, serialNumber));
      return held.find(keys) !== undefined;
    },
    isFresh: (now) => now < freshUntil,
    accepts(record, ca, now) {
      const end = microsOf(addSeconds(record.expiresAt, LIMITS.verifierLeewaySeconds));
      return this.isFresh(now) && now < end && this.isConcernedBy(record) && !this.denies(record, ca);
    },
    forget: (nowMs) => held.forget(nowMs),
  };
}
