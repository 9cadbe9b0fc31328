import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type { handleBidiStreamingCall, ServerDuplexStream } from "@grpc/grpc-js";
import type { FeedBatch, Notifier } from "../../close/notify.ts";
import type { ReceiptBook } from "../../close/receipts.ts";
import { beginWatch, type Cursor, openCursor, scopeOf, sealCursor, type WatchPorts } from "../../close/watch.ts";
import { BrokerError, errorOf, invalidField, isDenial } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import { type WatchRequest, type WatchRequest_Hello, WatchResponseSchema } from "../../gen/stint/v1/revocations_pb.js";
import type { Clock } from "../../ports/clock.ts";
import type { CursorSeal } from "../../ports/cursor-seal.ts";
import type { EntryDirectory } from "../../ports/directories.ts";
import type { FederatedBundles } from "../../ports/federated-bundles.ts";
import { EncodedMessage } from "../../wire/encoded-message.ts";
import { type Received, receivedMessage } from "../../wire/service-definition.ts";
import { serviceErrorOf } from "../../wire/service-error.ts";
import { secondsOfDuration, timestampOfMicros } from "../../wire/timestamps.ts";
import type { Admission } from "./admission.ts";
import { begin, type Endpoint } from "./call.ts";
import { createFederatedFeed } from "./federated-feed.ts";
import type { DenialField } from "./feed-encoding.ts";
import type { FeedMessages } from "./feed-messages.ts";
import { createOutbox } from "./outbox.ts";
import { signedReceipt } from "./signed-receipt.ts";

export type FeedPorts = WatchPorts<DenialField> & {
  readonly notifier: Notifier;
  readonly messages: FeedMessages;
  /** As of the opened ledger. */
  readonly confirmed: () => Promise<void>;
  readonly clock: Clock;
  readonly receipts: ReceiptBook;
  readonly entries: EntryDirectory;
  readonly seal: CursorSeal;
  readonly watchersMax: number;
  /** For watchers that begin: all verifiers come at once when the broker starts again. */
  readonly admission: Admission;
  /** The bundle message for now; sent at the start and whenever `onBundleChange` calls. */
  readonly bundle: () => NonNullable<MessageInitShape<typeof WatchResponseSchema>["message"]>;
  readonly onBundleChange: (listener: () => void) => () => void;
  /** The foreign bundles in force; a watcher is sent those that its entry names. */
  readonly federated: FederatedBundles;
  readonly onFederatingChange: (listener: () => void) => () => void;
  /** Told that an authentic cursor is ahead of the ledger: the ledger was put back in time. */
  readonly rolledBack: (why: string) => void;
};

type Response = MessageInitShape<typeof WatchResponseSchema> | EncodedMessage;
type Call = ServerDuplexStream<Received<WatchRequest>, Response>;

const NONCE_BYTES_MAX = 32;

let watcherNumber = 0;

export function watchHandler(
  endpoint: Endpoint,
  ports: FeedPorts,
): handleBidiStreamingCall<Received<WatchRequest>, Response> {
  let connected = 0;
  const watchPorts = { ...ports, bundleMessage: sharedBundle(ports) };
  return (call) => {
    const begun = begin(endpoint, "Revocations.Watch", call);
    let watch: Watch | undefined;
    let isCounted = false;
    let isOver = false;
    /** Gives back the place in which a watch begins. */
    let leave = () => {};

    const end = () => {
      leave();
      watch?.end();
    };
    const finish = () => {
      if (isOver) return;
      isOver = true;
      if (isCounted) connected -= 1;
      end();
    };
    // Only whoever may watch takes a place: a stranger with a thousand streams must not keep the verifiers out.
    const takePlace = () => {
      if (connected >= ports.watchersMax)
        throw new BrokerError("LIMIT_EXCEEDED", `at most ${ports.watchersMax} watchers`);
      if (isOver) return;
      connected += 1;
      isCounted = true;
    };
    const fail = (thrown: unknown) => {
      if (isOver) return;
      finish();
      call.emit("error", serviceErrorOf(thrown));
    };
    // Messages are taken one after another, so that an acknowledgement never overtakes the hello it belongs to.
    let turn = Promise.resolve();
    const take = async (received: Received<WatchRequest>) => {
      const { message } = receivedMessage(received);
      if (isOver) return;
      if (watch !== undefined) return watch.take(message);
      if (message.case !== "hello") throw invalidField("message", "hello first");
      const hello = message.value;
      // What it sends meanwhile stays with its connection.
      call.pause();
      try {
        watch = await begun.run(async () => {
          leave = await ports.admission.enter(String(endpoint.peerOf(call).uid));
          // Who went away while it waited costs nothing more.
          return isOver
            ? undefined
            : startWatch(call, hello, await begun.attested(), takePlace, watchPorts, { fail, leave });
        });
      } finally {
        call.resume();
        if (isOver) end();
      }
    };
    call.on("data", (received: Received<WatchRequest>) => {
      turn = turn.then(() => take(received)).catch(fail);
    });
    call.on("end", () => {
      finish();
      call.end();
    });
    call.on("cancelled", finish);
    call.on("close", finish);
  };
}

/** The message of the bundle, made once for all who are sent it in the same turn of the event loop: at a change, all watchers. */
function sharedBundle(ports: FeedPorts): () => EncodedMessage {
  let made: EncodedMessage | undefined;
  const forget = () => {
    made = undefined;
  };
  // Before any watcher hears of the change.
  ports.onBundleChange(forget);
  return () => {
    if (made !== undefined) return made;
    made = new EncodedMessage(toBinary(WatchResponseSchema, create(WatchResponseSchema, { message: ports.bundle() })));
    setImmediate(forget);
    return made;
  };
}

type Watch = { take(message: WatchRequest["message"]): Promise<void>; end(): void };

async function startWatch(
  call: Call,
  hello: WatchRequest_Hello,
  caller: Parameters<typeof scopeOf>[0],
  takePlace: () => void,
  ports: FeedPorts & { readonly bundleMessage: () => EncodedMessage },
  { fail, leave }: { readonly fail: (thrown: unknown) => void; readonly leave: () => void },
): Promise<Watch> {
  const scope = scopeOf(caller, {
    audiences: hello.audiences,
    maxStalenessSeconds:
      hello.maxStaleness === undefined ? undefined : secondsOfDuration(hello.maxStaleness, "max_staleness"),
  });
  if (isDenial(scope)) throw errorOf(scope);
  takePlace();
  const cursor = await resumePoint(hello.cursor, ports);

  const outbox = createOutbox<Response>(call, LIMITS.watcherBacklogEventsMax, fail);
  const position = { sent: 0 };
  // A watcher that missed a message must not stay fresh: its stream fails, and it comes again by its cursor.
  const orFail =
    <Told extends readonly unknown[]>(send: (...told: Told) => void) =>
    (...told: Told): void => {
      try {
        send(...told);
      } catch (thrown) {
        fail(thrown);
      }
    };
  const deliver = orFail((batch: FeedBatch) => {
    position.sent = Math.max(position.sent, batch.through);
    for (const [message, denials] of ports.messages.denied(batch, scope)) outbox.send(message, denials);
  });
  const foreignBundles = createFederatedFeed(scope.entryId, ports);
  const sendForeign = () => {
    for (const message of foreignBundles()) outbox.send(message, 1);
  };
  const { beginning, go, end } = await beginWatch(cursor, deliver, ports);
  try {
    if (hello.signsReceipts) outbox.send({ message: { case: "welcome", value: welcome(scope.entryId, ports) } }, 1);
    outbox.send(ports.bundleMessage(), 1);
    sendForeign();
    outbox.sendEach(ports.messages.beginning(beginning, scope), leave);
    position.sent = beginning.through;
  } catch (thrown) {
    end();
    throw thrown;
  }
  go();

  watcherNumber += 1;
  const watcherId = `watch-${watcherNumber}`;
  const { entryId, audiences, maxStalenessSeconds } = scope;
  if (scope.isVerifier) {
    const { process } = caller;
    const connectedSince = ports.clock.now();
    const appliedBefore = beginning.kind === "resume" ? (cursor?.sequence ?? 0) : 0;
    ports.receipts.connected({
      ...{ watcherId, entryId, audiences, maxStalenessSeconds, connectedSince, appliedBefore, process },
    });
  }
  const stopBundles = ports.onBundleChange(orFail(() => outbox.send(ports.bundleMessage(), 1)));
  const stopForeign = ports.onFederatingChange(orFail(sendForeign));

  return {
    async take(message) {
      switch (message.case) {
        case "ping": {
          const { nonce } = message.value;
          if (nonce.length === 0 || nonce.length > NONCE_BYTES_MAX)
            throw invalidField("nonce", `1 to ${NONCE_BYTES_MAX} bytes`);
          checkEntry(entryId, ports.entries);
          ports.receipts.seen(watcherId);
          // Whatever was durable when the ping came, at whatever broker, is sent before the pong that makes the watcher fresh. Who can't
          // know of it says nothing: the watcher lapses by its own bound.
          if (!(await isConfirmed(ports))) return;
          const sequence = await ports.notifier.caughtUp();
          position.sent = Math.max(position.sent, sequence);
          outbox.send({ message: { case: "pong", value: pong(nonce, sequence, ports) } }, 1);
          return;
        }
        case "acknowledge": {
          const { cursor: bytes, signature } = message.value;
          const acknowledged = openCursor(ports.seal, bytes);
          const isSent = acknowledged?.epoch === ports.ledger.head().epoch && acknowledged.sequence <= position.sent;
          if (acknowledged === undefined || !isSent) throw invalidField("cursor", "one that this stream gave");
          const signed = signature && (await signedReceipt(signature, acknowledged, entryId, ports.entries));
          ports.receipts.acknowledged(watcherId, acknowledged.sequence, signed);
          return;
        }
        default:
          throw invalidField("message", "ping or acknowledge after hello");
      }
    },
    end() {
      end();
      stopBundles();
      stopForeign();
      ports.receipts.disconnected(watcherId);
    },
  };
}

async function isConfirmed({ confirmed }: FeedPorts): Promise<boolean> {
  try {
    await confirmed();
    return true;
  } catch (thrown) {
    if (thrown instanceof BrokerError && thrown.code === "LEDGER_UNAVAILABLE") return false;
    throw thrown;
  }
}

async function resumePoint(bytes: Uint8Array, ports: FeedPorts): Promise<Cursor | undefined> {
  if (bytes.length === 0) return undefined;
  const cursor = openCursor(ports.seal, bytes);
  if (cursor === undefined) throw invalidField("cursor", "one that this broker gave, or none");
  // The watcher may come from a broker that has recorded something since.
  const known = ports.ledger.head();
  if (cursor.sequence > known.sequence || cursor.epoch > known.epoch) await ports.confirmed();
  const head = ports.ledger.head();
  // Ids of epochs are in the order of time: somebody accepted a later state of this ledger elsewhere, and this one is over.
  if (cursor.epoch > head.epoch) {
    ports.rolledBack(
      `a watcher has seen a later epoch, ${cursor.epoch}: the ledger goes on elsewhere, or was put back`,
    );
    throw new BrokerError("NOT_SERVING", "the ledger is of an earlier epoch than this watcher has seen");
  }
  if (cursor.epoch === head.epoch && cursor.sequence > head.sequence) {
    ports.rolledBack(`a watcher has seen sequence ${cursor.sequence}, the ledger ends at ${head.sequence}`);
    throw new BrokerError("NOT_SERVING", "the ledger is behind what this watcher has seen");
  }
  return cursor;
}

/** A verifier whose entry was disabled or removed must not stay fresh. */
function checkEntry(entryId: string, entries: EntryDirectory): void {
  const entry = entries.byId(entryId);
  if (entry === undefined || entry.disabled)
    throw new BrokerError("NOT_ENTITLED", "the watcher's entry is no longer in force");
}

function welcome(entryId: string, { entries, ledger }: Pick<FeedPorts, "entries" | "ledger">) {
  return { verifier: entries.byId(entryId)?.spiffeId ?? "", epoch: ledger.head().epoch };
}

function pong(nonce: Uint8Array, sequence: number, ports: FeedPorts) {
  return {
    nonce,
    brokerTime: timestampOfMicros(ports.clock.now()),
    sequence: BigInt(sequence),
    cursor: sealCursor(ports.seal, { epoch: ports.ledger.head().epoch, sequence }),
  };
}
