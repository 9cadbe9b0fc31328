/** The writing side of a stream, as grpc-js gives it. */
type Sink<Message> = {
  /** @param sent - called once the message is on its way, so that the next may be written. */
  write(message: Message, sent: () => void): unknown;
  readonly writableEnded: boolean;
  readonly destroyed: boolean;
};

/**
 * Writes states to a stream no faster than its peer reads. Each message is the whole state, so of the states that come
 * while a message is on its way only the newest is written: a peer that does not read costs two states of memory, and
 * then gets no old state.
 */
export function newestState<Message>(sink: Sink<Message>): (state: () => Message) => void {
  let waiting: (() => Message) | undefined;
  let isWriting = false;

  function writeNext(): void {
    const state = waiting;
    if (isWriting || state === undefined || sink.writableEnded || sink.destroyed) return;
    waiting = undefined;
    isWriting = true;
    sink.write(state(), () => {
      isWriting = false;
      writeNext();
    });
  }

  return (state) => {
    waiting = state;
    writeNext();
  };
}
