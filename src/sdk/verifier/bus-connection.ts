/** A message as a NATS client gives it. */
export type BusMessage = {
  string(): string;
  readonly headers?: { readonly code: number; get(name: string): string } | undefined;
};

/**
 * What is needed of a connection to NATS. A `NatsConnection` of `@nats-io/transport-node` 3 or of `@nats-io/nats-core` 3 is one; whose it
 * is sets how it logs in and by what it knows the servers, and closes it. Made with `maxReconnectAttempts: -1`, it comes back by itself.
 */
export type BusConnection = {
  subscribe(
    subject: string,
    options: { readonly callback: (error: Error | null, message: BusMessage) => void },
  ): { unsubscribe(): void };
  requestMany(
    subject: string,
    payload: string,
    options: { strategy: "sentinel"; maxWait: number },
  ): Promise<AsyncIterable<BusMessage>>;
  isClosed(): boolean;
};

/** Why what a stream keeps can't be had. Its message is in words of ours alone. */
export class BusUnavailable extends Error {
  override readonly name = "BusUnavailable";
}

/** Messages in one answer: a thousand denials each, at most. */
const BATCH = 64;
const ANSWER_MS_MAX = 3_000;
const NOT_FOUND = 404;
const END_OF_BATCH = 204;

export type StreamPart = {
  readonly texts: readonly string[];
  /** From where to go on. */
  readonly next: number;
  /** Whether there is more. */
  readonly more: boolean;
};

/**
 * Reads what a stream keeps, from a place on, by what its servers answer to anybody who may ask: no consumer is made.
 *
 * @throws BusUnavailable
 * @see NATS ADR-31, direct get in batches: nats-server 2.11 or later
 */
export async function readStream(connection: BusConnection, stream: string, from: number): Promise<StreamPart> {
  const asked = JSON.stringify({ seq: from, batch: BATCH, next_by_subj: ">" });
  const texts: string[] = [];
  let next = from;
  try {
    const options = { strategy: "sentinel", maxWait: ANSWER_MS_MAX } as const;
    for await (const message of await connection.requestMany(`$JS.API.DIRECT.GET.${stream}`, asked, options)) {
      const { code = 0 } = message.headers ?? {};
      if (code === NOT_FOUND) return { texts, next, more: false };
      if (code === END_OF_BATCH) return { texts, next, more: Number(message.headers?.get("Nats-Num-Pending")) > 0 };
      if (code !== 0) throw new BusUnavailable(`the stream ${stream} was answered ${code}`);
      texts.push(message.string());
      next = Math.max(next, Number(message.headers?.get("Nats-Sequence")) + 1);
    }
  } catch (thrown) {
    if (thrown instanceof BusUnavailable) throw thrown;
    // The texts of its errors may hold what the other side wrote.
    throw new BusUnavailable(
      `the stream ${stream} can't be read: ${thrown instanceof Error ? thrown.name : "unknown"}`,
    );
  }
  throw new BusUnavailable(`the stream ${stream} broke off`);
}
