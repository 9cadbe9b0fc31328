const NEWLINE = 0x0a;

/** A message of MCP as an event. @param data - JSON in one line. */
export function messageEvent(data: string): string {
  return `event: message\ndata: ${data}\n\n`;
}

type Controller = ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

/**
 * The same bytes, up to when it is stopped.
 *
 * @param end.stop - ends it when it aborts.
 * @param end.lastEvent - what a stream of server-sent events then says last, if anything; absent: the stream fails.
 * @param end.finish - called once it is over, however that came.
 */
export function endingStream(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  end: {
    readonly stop: AbortSignal;
    readonly finish: () => void;
    readonly lastEvent?: (why: unknown) => string | undefined;
  },
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  const stopped = new AbortController();
  let lastByte = NEWLINE;

  /** Once. */
  function close(act: () => void): void {
    if (stopped.signal.aborted) return;
    stopped.abort();
    end.finish();
    act();
  }

  function stop(controller: Controller): void {
    close(() => {
      void reader.cancel().catch(() => undefined);
      const { reason } = end.stop;
      if (end.lastEvent === undefined) return controller.error(reason);
      const data = end.lastEvent(reason);
      if (data === undefined) return controller.close();
      // An event that was cut in two ends here, so that it does not swallow the last one.
      const before = lastByte === NEWLINE ? "" : "\n\n";
      controller.enqueue(new TextEncoder().encode(`${before}${messageEvent(data)}`));
      controller.close();
    });
  }

  async function pull(controller: Controller): Promise<void> {
    try {
      const { done, value } = await reader.read();
      // The step's end, which closed the stream, may have come first.
      if (stopped.signal.aborted) return;
      if (done) return close(() => controller.close());
      lastByte = value.at(-1) ?? lastByte;
      controller.enqueue(value);
    } catch (thrown) {
      close(() => controller.error(thrown));
    }
  }

  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      const onStop = () => stop(controller);
      if (end.stop.aborted) return onStop();
      end.stop.addEventListener("abort", onStop, { once: true, signal: stopped.signal });
    },
    pull,
    async cancel(reason) {
      close(() => undefined);
      await reader.cancel(reason);
    },
  });
}
