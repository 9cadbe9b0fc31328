/** The writing side of a stream, as grpc-js gives it. */
type Sink<Message> = {
  write(message: Message): boolean;
  once(event: "drain", listener: () => void): unknown;
  readonly writableEnded: boolean;
};

export type Outbox<Message> = {
  /** @param weight - how much of the bound the message takes. */
  send(message: Message, weight: number): void;
};

/**
 * Writes to a stream no faster than its peer reads. The messages that wait are bounded: past the bound the peer is cut
 * off, so that a peer that does not read costs the broker little memory and the other peers nothing.
 */
export function createOutbox<Message>(sink: Sink<Message>, weightMax: number, overflow: () => void): Outbox<Message> {
  const waiting: { readonly message: Message; readonly weight: number }[] = [];
  let weight = 0;
  let isBlocked = false;

  function flush(): void {
    isBlocked = false;
    while (!isBlocked) {
      const next = waiting.shift();
      if (next === undefined) return;
      weight -= next.weight;
      write(next.message);
    }
  }

  function write(message: Message): void {
    if (sink.writableEnded) return;
    if (sink.write(message)) return;
    isBlocked = true;
    sink.once("drain", flush);
  }

  return {
    send(message, messageWeight) {
      if (!isBlocked) {
        write(message);
        return;
      }
      if (weight + messageWeight > weightMax) {
        waiting.length = 0;
        overflow();
        return;
      }
      weight += messageWeight;
      waiting.push({ message, weight: messageWeight });
    },
  };
}
