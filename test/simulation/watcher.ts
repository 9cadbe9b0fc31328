import { create } from "@bufbuild/protobuf";
import { denialMessageOf } from "../../src/api/grpc/denial-message.ts";
import type { FeedBatch } from "../../src/close/notify.ts";
import { beginWatch, type Cursor } from "../../src/close/watch.ts";
import { readCertificate } from "../../src/domain/certificate.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { DenialSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { certificateKey, createDenyList, jwtKey, spiffeIdKey, stepKey } from "../../src/sdk/verifier/deny-list.ts";
import { denyListEntryOf } from "../../src/sdk/verifier/feed-messages.ts";
import { type Broker, type Ground, ISSUER } from "./broker.ts";

/** A verifier's deny-list, fed by the real feed: it comes and goes, and resumes where it was. */
export type Watcher = {
  readonly isConnected: boolean;
  watch(broker: Broker, ground: Ground): Promise<void>;
  leave(): void;
  /** Whether the credential could ever be presented to it. */
  isConcernedBy(record: IssuanceRecord): boolean;
  denies(record: IssuanceRecord, ca: Uint8Array | undefined): boolean;
  /** Forgets what may be forgotten. */
  forget(nowMs: number): void;
};

export function createWatcher(audiences: readonly string[]): Watcher {
  const held = createDenyList();
  let cursor: Cursor | undefined;
  let end: (() => void) | undefined;

  function leave(): void {
    end?.();
    end = undefined;
  }

  const concerns = (entry: DenyEntry) => entry.concernsAll || entry.audiences.some((one) => audiences.includes(one));

  return {
    get isConnected() {
      return end !== undefined;
    },
    async watch(broker, { store: { ledger } }) {
      if (end !== undefined) return;
      const connecting = () => undefined;
      end = connecting;
      const { notifier, denyList } = broker;
      const caNameOf = (authorityId: string) => {
        const certificate = broker.authorities.all().find((one) => one.authorityId === authorityId)?.certificate;
        return certificate === undefined ? undefined : readCertificate(certificate).subject;
      };
      const take = ({ entries, through }: FeedBatch) => {
        const told = entries.filter(concerns).map((one) => denialMessageOf(one, { issuer: ISSUER, caNameOf }));
        held.add(told.map((one) => denyListEntryOf(create(DenialSchema, one))));
        cursor = { epoch: ledger.head().epoch, sequence: through };
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
      const watch = await beginWatch(cursor, takeOrLeave, { ledger, notifier, denyList });
      if (end !== connecting) return watch.end();
      end = watch.end;
      const { denials, through } = watch.beginning;
      takeOrLeave({ entries: denials.map(({ form }) => form), through });
      watch.go();
    },
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
    forget: (nowMs) => held.forget(nowMs),
  };
}
