import type { ChildProcess } from "node:child_process";
import type process from "node:process";

/** One end of the channel. */
export type FrontChannel<Out> = {
  /** Goes with all else that is posted in this turn of the event loop. */
  post(message: Out): void;
  /**
   * Goes at once, after all that was posted before, with a descriptor if there is one.
   *
   * @param sent - called once the descriptor here is of no more use.
   */
  hand(message: Out, handle: unknown, sent: () => void): void;
};

type End = Pick<ChildProcess, "send" | "on"> | Pick<typeof process, "send" | "on">;
type Sent<In> = (message: In, handle: unknown) => void;

/** @param receive - is given each message of the other end, in order, and the handle of the descriptor that came along. */
export function createFrontChannel<Out, In>(end: End, receive: Sent<In>): FrontChannel<Out> {
  let waiting: Out[] = [];

  // That the other end is gone is told by "disconnect", and by the end of the process.
  function send(messages: readonly Out[], handle?: unknown, sent: () => void = () => undefined): void {
    end.send?.(messages as never, handle as never, {}, sent);
  }

  function flush(): void {
    if (waiting.length === 0) return;
    const messages = waiting;
    waiting = [];
    send(messages);
  }

  end.on("message", (messages: unknown, handle: unknown) => {
    for (const message of messages as readonly In[]) receive(message, handle);
  });

  return {
    post(message) {
      if (waiting.push(message) === 1) setImmediate(flush);
    },
    hand(message, handle, sent) {
      flush();
      send([message], handle, sent);
    },
  };
}
