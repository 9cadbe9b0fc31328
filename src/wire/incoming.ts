/** What a call's stream offers to hold its sender back. */
type MessageSource = {
  pause(): unknown;
  resume(): unknown;
};

type Incoming<Message> = {
  push(message: Message): void;
  /** Ends the iteration once all that was pushed is consumed; with an error, by throwing it. The first call counts. */
  finish(error?: Error): void;
  readonly messages: AsyncIterableIterator<Message, undefined, void>;
};

/** Messages waiting for their consumer, beyond which the sender is held back. */
const WAITING_MAX = 64;

/**
 * Turns pushed messages into an iteration for one consumer. An error waits for the consumer too, so that an error that
 * comes before anybody listens is neither lost nor fatal.
 *
 * @param source - paused while too many messages wait.
 * @param abandon - called when the consumer leaves before the end.
 */
export function incoming<Message>(source: MessageSource, abandon: () => void): Incoming<Message> {
  const waiting: Message[] = [];
  let finished: { readonly error: Error | undefined } | undefined;
  let wake = Promise.withResolvers<void>();

  function signal(): void {
    wake.resolve();
    wake = Promise.withResolvers();
  }

  function finish(error?: Error): void {
    finished ??= { error };
    signal();
  }

  return {
    push(message) {
      if (finished !== undefined) return;
      waiting.push(message);
      if (waiting.length === WAITING_MAX) source.pause();
      signal();
    },
    finish,
    messages: {
      async next() {
        while (waiting.length === 0 && finished === undefined) await wake.promise;
        if (waiting.length === WAITING_MAX) source.resume();
        const message = waiting.shift();
        if (message !== undefined) return { done: false, value: message };
        const error = finished?.error;
        // An iteration throws once and is over.
        finished = { error: undefined };
        if (error !== undefined) throw error;
        return { done: true, value: undefined };
      },
      return() {
        if (finished === undefined) abandon();
        waiting.length = 0;
        finished = { error: undefined };
        signal();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    },
  };
}
