import { BrokerError } from "../../domain/errors.ts";

/** The writing side of a stream, as grpc-js gives it. */
type Sink<Message> = {
  /** @param sent - called once the peer has room for more. */
  write(message: Message, sent?: (error: Error | null | undefined) => void): boolean;
  once(event: "drain", listener: () => void): unknown;
  readonly writableEnded: boolean;
};

export type Outbox<Message> = {
  /** @param weight - how much of the bound the message takes. */
  send(message: Message, weight: number): void;
  /**
   * Sends large messages, each taken when the one before has gone out, so that a stream holds one of them at a time.
   * They take nothing of the bound: how much there is to be told a watcher must not cut it off. What is sent later comes
   * after all of them.
   *
   * @param done - called once all have gone out.
   */
  sendEach(messages: Iterable<Message>, done?: () => void): void;
};

type Waiting<Message> =
  | { readonly message: Message; readonly weight: number }
  | { readonly messages: Iterator<Message>; readonly done: () => void };

/**
 * Writes to a stream no faster than its peer reads. The messages that wait are bounded: past the bound the peer is cut
 * off, so that a peer that does not read costs the broker little memory and the other peers nothing.
 *
 * @param failed - called once, when the stream is of no use any more: it lacks a message.
 */
export function createOutbox<Message>(
  sink: Sink<Message>,
  weightMax: number,
  failed: (why: unknown) => void,
): Outbox<Message> {
  const waiting: Waiting<Message>[] = [];
  let weight = 0;
  let isBlocked = false;

  function flush(): void {
    isBlocked = false;
    while (!isBlocked && !sink.writableEnded) {
      const [next] = waiting;
      if (next === undefined) return;
      if ("messages" in next) {
        writeNext(next);
      } else {
        waiting.shift();
        weight -= next.weight;
        write(next.message);
      }
    }
  }

  function write(message: Message): void {
    if (sink.writableEnded) return;
    if (sink.write(message)) return;
    isBlocked = true;
    sink.once("drain", flush);
  }

  function writeNext({ messages, done }: Extract<Waiting<Message>, { readonly messages: unknown }>): void {
    let next: IteratorResult<Message>;
    try {
      next = messages.next();
    } catch (thrown) {
      cutOff(thrown);
      return;
    }
    if (next.done === true) {
      waiting.shift();
      done();
      return;
    }
    isBlocked = true;
    sink.write(next.value, (error) => {
      // A stream that broke is ended by whoever hears of it.
      if (error === null || error === undefined) flush();
    });
  }

  function cutOff(why: unknown): void {
    waiting.length = 0;
    failed(why);
  }

  return {
    send(message, messageWeight) {
      if (!isBlocked) {
        write(message);
        return;
      }
      if (weight + messageWeight > weightMax) {
        cutOff(new BrokerError("LIMIT_EXCEEDED", "the watcher does not keep up; resume by cursor"));
        return;
      }
      weight += messageWeight;
      waiting.push({ message, weight: messageWeight });
    },
    sendEach(messages, done = () => undefined) {
      waiting.push({ messages: messages[Symbol.iterator](), done });
      if (!isBlocked) flush();
    },
  };
}
