import { fromBinary } from "@bufbuild/protobuf";
import { createFeedMessages } from "../../../src/api/grpc/feed-messages.ts";
import { keepDenialsInForce } from "../../../src/close/denials-in-force.ts";
import type { FeedBatch } from "../../../src/close/notify.ts";
import { feedMessageClaims } from "../../../src/domain/feed-message.ts";
import { addSeconds, secondsOf, type UnixMicros } from "../../../src/domain/time.ts";
import { WatchResponse_DeniedSchema } from "../../../src/gen/stint/v1/revocations_pb.js";
import { createDenyList } from "../../../src/sdk/verifier/deny-list.ts";
import { denyListEntryOf } from "../../../src/sdk/verifier/feed-messages.ts";
import { bytesHeld, cpuOf } from "./held.ts";
import { START, sampleDenial } from "./samples.ts";

/** Denials of one commit at full load. */
const DENIALS_PER_BATCH = 32;
const PER_MESSAGE = 1_000;
const TTL_SECONDS = 120;

/** What a deny-list of so many denials takes of the broker that tells it and of a verifier that holds it. */
export async function measureDenyList(denials: number) {
  const broker = await ofBroker(denials);
  return { ...broker, ...ofVerifier(broker.forms) };
}

async function ofBroker(count: number) {
  const head = { epoch: "epoch_0192f3a1-0000-7000-8000-000000000000", sequence: 0, rootHash: new Uint8Array(32) };
  const ledger = { head: () => head };
  const seal = { seal: (bytes: Uint8Array | string) => Buffer.from(bytes), open: () => undefined };
  const names = { issuer: "https://stint.example.org:8443", caNameOf: () => undefined };
  const messages = createFeedMessages({ names, ledger, seal });
  let now = START as UnixMicros;
  let deliver = (_batch: FeedBatch): void => undefined;
  const kept = keepDenialsInForce({
    ledger,
    feed: { async *inForce() {} },
    notifier: {
      subscribe(listener) {
        deliver = listener;
        return { from: 0, unsubscribe: () => undefined };
      },
    },
    clock: { now: () => now },
    formOf: messages.formOf,
  });
  await kept.ready();
  const before = bytesHeld();
  let micros = 0;
  for (let sequence = 1; sequence <= count; sequence += DENIALS_PER_BATCH) {
    const entries = Array.from({ length: Math.min(DENIALS_PER_BATCH, count + 1 - sequence) }, (_, offset) =>
      sampleDenial(sequence + offset, addSeconds(secondsOf(START), TTL_SECONDS)),
    );
    micros += cpuOf(() => deliver({ entries, through: sequence + entries.length - 1 })).micros;
  }
  const listed = bytesHeld() - before;
  const list = kept.list();
  if (list === undefined) throw new Error("there is no list");
  const forms = list.denials.map(({ form }) => form);

  // What the first who joins has made, and whoever joins after each sweep.
  const scope = {
    ...{ entryId: "entry", isVerifier: true, audiences: [], maxStalenessSeconds: 15 },
    ...{ part: "all", concerns: () => true },
  };
  const beginning = { kind: "snapshot" as const, denials: list.denials, through: list.through };
  const made = cpuOf(() => [...messages.beginning(beginning, scope)]);
  const paged = bytesHeld() - before - listed;
  const snapshotBytes = made.result.reduce((sum, { bytes }) => sum + bytes.length, 0);

  now = (now + 60_000_000) as UnixMicros;
  const sweep = cpuOf(() => deliver({ entries: [], through: count }));
  return {
    forms,
    feedBytes: snapshotBytes / count,
    brokerBytes: listed / count,
    brokerPageBytes: paged / count,
    brokerTakeMicros: micros / count,
    brokerPagesMicros: made.micros / count,
    brokerSweepMicros: sweep.micros / count,
    busBytes: busBytesOf(forms.slice(0, PER_MESSAGE)) / Math.min(PER_MESSAGE, count),
  };
}

/** Of the text that NATS is given of these: claims in JSON, and once more in base64url, without header and signature. */
function busBytesOf(forms: readonly Uint8Array[]): number {
  const facts = {
    ...{ issuer: "https://stint.example.org:8443", epoch: "e", atMs: 0, kind: "denied" as const },
    ...{ from: 0, through: forms.length, denials: Buffer.concat(forms) },
  };
  const claims = Buffer.from(JSON.stringify(feedMessageClaims(facts)));
  return claims.toString("base64url").length;
}

function ofVerifier(forms: readonly Uint8Array[]) {
  const before = bytesHeld();
  const list = createDenyList();
  let micros = 0;
  let last = "";
  for (let from = 0; from < forms.length; from += DENIALS_PER_BATCH) {
    const bytes = Buffer.concat(forms.slice(from, from + DENIALS_PER_BATCH));
    micros += cpuOf(() => {
      const entries = fromBinary(WatchResponse_DeniedSchema, bytes).denials.map(denyListEntryOf);
      list.add(entries);
      last = entries.at(-1)?.keys[0] ?? "";
    }).micros;
  }
  const held = bytesHeld() - before;
  const LOOKS = 200_000;
  // What is looked for is mostly not there: two names of a step that goes on.
  const found = cpuOf(() => {
    let hits = 0;
    for (let look = 0; look < LOOKS; look += 1) {
      const entry = list.find([`${last}${look}`, `spiffe-id:${look}`] as never);
      if (entry !== undefined) hits += 1;
    }
    return hits;
  });
  const forgotten = cpuOf(() => list.forget(0));
  return {
    verifierBytes: held / forms.length,
    verifierAddMicros: micros / forms.length,
    verifierFindMicros: found.micros / LOOKS,
    verifierSweepMicros: forgotten.micros / forms.length,
    verifierKeys: list.size / forms.length,
  };
}
