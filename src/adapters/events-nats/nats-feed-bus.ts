import {
  DiscardPolicy,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { BrokerError } from "../../domain/errors.ts";
import { feedSubjects } from "../../domain/feed-message.ts";
import type { FeedBus } from "../../ports/feed-bus.ts";
import { authenticatorOf, type NatsCredentials } from "./nats-credentials.ts";
import { reasonOf } from "./nats-failure.ts";

export type NatsFeedBusOptions = {
  /** `host:port`. */
  readonly servers: readonly string[];
  /** Whether a server without TLS is refused. */
  readonly tls: boolean;
  /** Read anew for each connection that is made. */
  readonly credentials: () => NatsCredentials;
  /** Before all subjects. */
  readonly subject: string;
  /** Servers of the cluster that keep the stream, where it is made here. */
  readonly replicas: number;
};

/** A stream that is not acknowledged by then is asked about again. */
const ANSWER_MS_MAX = 3_000;
/** A server that hangs is noticed within three of these, well within the strictest bound of a verifier. */
const PING_MS = 2_000;
const PINGS_UNANSWERED_MAX = 2;
const RECONNECT_MS = 500;
/** JetStream's own code for a stream that is not there. */
const STREAM_NOT_FOUND = 10059;

/** NATS with JetStream: what is kept stands in a stream of its own, which is made where it is missing and is not changed otherwise. */
export function natsFeedBus(options: NatsFeedBusOptions): FeedBus {
  const { servers, tls, credentials, replicas } = options;
  const subjects = feedSubjects(options.subject);
  let connection: NatsConnection | undefined;
  let manager: JetStreamManager | undefined;
  let isUp = false;
  let isClosed = false;

  /** The first connection; the library keeps it up from then on. */
  async function connected(): Promise<{ readonly nats: NatsConnection; readonly streams: JetStreamManager }> {
    if (connection === undefined || connection.isClosed()) {
      const { ca, client, login } = credentials();
      const made = await connect({
        servers: [...servers],
        name: "stint",
        // An object refuses servers without TLS, null those that insist on it.
        tls: tls ? { ...(ca !== undefined && { ca }), ...client } : null,
        ...(login !== undefined && { authenticator: authenticatorOf(() => credentials().login) }),
        timeout: ANSWER_MS_MAX,
        reconnectTimeWait: RECONNECT_MS,
        maxReconnectAttempts: -1,
        // Credentials may be set right while the broker runs.
        ignoreAuthErrorAbort: true,
        pingInterval: PING_MS,
        maxPingOut: PINGS_UNANSWERED_MAX,
      });
      if (isClosed) await made.close();
      connection = made;
      manager = await jetstreamManager(made, { checkAPI: false, timeout: ANSWER_MS_MAX });
      isUp = true;
      void watch(made);
    }
    if (!isUp || manager === undefined) throw new BrokerError("NOT_SERVING", "the message bus is not connected");
    return { nats: connection, streams: manager };
  }

  async function watch(made: NatsConnection): Promise<void> {
    for await (const { type } of made.status()) {
      if (connection !== made) return;
      if (type === "disconnect") isUp = false;
      if (type === "reconnect") isUp = true;
    }
  }

  async function asked<Answer>(ask: (to: Awaited<ReturnType<typeof connected>>) => Promise<Answer>): Promise<Answer> {
    try {
      return await ask(await connected());
    } catch (thrown) {
      if (thrown instanceof BrokerError) throw thrown;
      const why = reasonOf(thrown);
      throw new BrokerError("NOT_SERVING", `the message bus does not take what is told: ${why}`, { cause: thrown });
    }
  }

  async function stateOf(streams: JetStreamManager) {
    try {
      return (await streams.streams.info(subjects.stream)).state;
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === STREAM_NOT_FOUND)) throw thrown;
      const made = await streams.streams.add({
        name: subjects.stream,
        subjects: [subjects.denied, subjects.snapshot],
        retention: RetentionPolicy.Limits,
        storage: StorageType.File,
        discard: DiscardPolicy.Old,
        num_replicas: replicas,
        allow_direct: true,
        // No message carries an id by which it could be taken for another.
        duplicate_window: 0,
      });
      return made.state;
    }
  }

  return {
    places: () =>
      asked(async ({ streams }) => {
        const { messages, first_seq: first, last_seq: last } = await stateOf(streams);
        return { first: messages === 0 ? undefined : first, last };
      }),
    read: (place) =>
      asked(async ({ streams }) => {
        const found = await streams.direct.getMessage(subjects.stream, { seq: place });
        return found === null ? undefined : { place: found.seq, text: found.string() };
      }),
    append: (kind, text, after) =>
      asked(async ({ nats }) => {
        const { seq } = await jetstream(nats, { timeout: ANSWER_MS_MAX }).publish(subjects[kind], text, {
          expect: { streamName: subjects.stream, lastSequence: after },
          retries: 0,
        });
        return seq;
      }),
    dropBefore: (place) =>
      asked(async ({ streams }) => void (await streams.streams.purge(subjects.stream, { seq: place }))),
    tell(text) {
      // While it is not connected, the library would keep all of it to be sent later.
      if (isUp) connection?.publish(subjects.heartbeat, text);
    },
    async close() {
      isClosed = true;
      isUp = false;
      await connection?.close();
    },
  };
}
