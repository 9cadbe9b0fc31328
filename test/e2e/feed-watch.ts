import { randomBytes } from "node:crypto";
import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { type Channel, Client, credentials, Metadata } from "@grpc/grpc-js";
import {
  type Denial,
  Revocations,
  type WatchRequest_Hello,
  type WatchRequestSchema,
  type WatchResponse,
  type WatchResponse_Pong,
  WatchResponseSchema,
} from "../../src/gen/stint/v1/revocations_pb.js";
import { type CallError, callErrorOf } from "../../src/wire/call-error.ts";
import { methodDefinitionOf } from "../../src/wire/service-definition.ts";

type Hello = Partial<Pick<WatchRequest_Hello, "cursor" | "audiences">> & { readonly maxStalenessSeconds?: number };
type Message = WatchResponse["message"];
type Case = Exclude<Message["case"], undefined>;
type ValueOf<Name extends Case> = Extract<Message, { case: Name }>["value"];

type Received = { readonly bytes: Uint8Array; readonly message: Message };

/** One stream of the feed, taken in as it comes and kept whole, bytes included. */
export type FeedWatch = {
  readonly received: readonly Received[];
  /** What ended the stream; `undefined` while it is up. */
  readonly ended: CallError | undefined;
  send(message: NonNullable<MessageInitShape<typeof WatchRequestSchema>["message"]>): void;
  acknowledge(cursor: Uint8Array): void;
  /** Sends a ping and waits for its pong. */
  ping(): Promise<WatchResponse_Pong>;
  /** Every denial so far, of snapshots and single ones, in the order they came. */
  denials(): readonly Denial[];
  all<Name extends Case>(name: Name): readonly ValueOf<Name>[];
  /** Waits for the first message of its kind that fits. Fails when the stream ends before. */
  first<Name extends Case>(name: Name, fits?: (value: ValueOf<Name>) => boolean): Promise<ValueOf<Name>>;
  /** Waits until this step is denied. */
  denied(stepId: string): Promise<Denial>;
  /** Waits for the error that ends the stream. */
  failure(): Promise<CallError>;
  cancel(): void;
};

/**
 * Watches the feed as any client in any language would: what comes is decoded, and kept undecoded beside it.
 *
 * @param hello - null: says nothing first.
 * @param each - called for each message when it has come.
 */
export function watchFeed(
  channel: Channel,
  hello: Hello | null = {},
  each: (one: Received) => void = () => undefined,
): FeedWatch {
  const { path, requestSerialize } = methodDefinitionOf(Revocations.method.watch);
  const received: Received[] = [];
  const waiting = new Set<() => void>();
  let ended: CallError | undefined;

  const metadata = new Metadata();
  metadata.set("workload.spiffe.io", "true");
  const call = new Client("", credentials.createInsecure(), { channelOverride: channel }).makeBidiStreamRequest(
    path,
    requestSerialize,
    (bytes) => ({ bytes, message: fromBinary(WatchResponseSchema, bytes).message }),
    metadata,
  );
  const wake = () => {
    for (const check of [...waiting]) check();
  };
  const end = (error: unknown) => {
    ended ??= callErrorOf(error);
    wake();
  };
  call.on("data", (one: Received) => {
    received.push(one);
    each(one);
    wake();
  });
  call.on("error", end);
  call.on("end", () => setImmediate(end, new Error("the stream ended without an error")));

  function until<Value>(look: () => Value | undefined, worksEnded = false): Promise<Value> {
    const { promise, resolve, reject } = Promise.withResolvers<Value>();
    const check = () => {
      const value = look();
      if (value === undefined && (ended === undefined || worksEnded)) return;
      waiting.delete(check);
      if (value === undefined) reject(ended);
      else resolve(value);
    };
    waiting.add(check);
    check();
    return promise;
  }

  const all = <Name extends Case>(name: Name): readonly ValueOf<Name>[] =>
    received.flatMap(({ message }) => (message.case === name ? [message.value as ValueOf<Name>] : []));
  const denials = () =>
    received.flatMap(({ message }) =>
      message.case === "snapshot" || message.case === "denied" ? message.value.denials : [],
    );
  const first = <Name extends Case>(name: Name, fits: (value: ValueOf<Name>) => boolean = () => true) =>
    until(() => all(name).find(fits));
  const send: FeedWatch["send"] = (message) => void call.write({ message });

  if (hello !== null) {
    const { maxStalenessSeconds, ...rest } = hello;
    const maxStaleness =
      maxStalenessSeconds === undefined
        ? undefined
        : { seconds: BigInt(Math.floor(maxStalenessSeconds)), nanos: Math.round((maxStalenessSeconds % 1) * 1e9) };
    send({ case: "hello", value: { ...rest, ...(maxStaleness === undefined ? {} : { maxStaleness }) } });
  }
  return {
    received,
    get ended() {
      return ended;
    },
    send,
    acknowledge: (cursor) => send({ case: "acknowledge", value: { cursor } }),
    ping() {
      const nonce = randomBytes(16);
      send({ case: "ping", value: { nonce } });
      return first("pong", (pong) => nonce.equals(pong.nonce));
    },
    denials,
    all,
    first,
    denied: (stepId) => until(() => denials().find((one) => isOfStep(one, stepId))),
    failure: () => until(() => ended, true),
    cancel: () => call.cancel(),
  };
}

export function isOfStep({ subject }: Denial, stepId: string): boolean {
  return subject.case === "step" && subject.value.stepId === stepId;
}
