import { BrokerError } from "../../src/domain/errors.ts";
import type { FeedBus, KeptMessage } from "../../src/ports/feed-bus.ts";

/** A bus in this process, whose stream tests look into. */
export type MemoryFeedBus = FeedBus & {
  readonly kept: KeptMessage[];
  readonly beats: string[];
  /** Listens from now on. */
  listen(heard: (kind: string, text: string) => void): void;
  /** Fails whatever it is asked, until called without. @param after - of appending: once the message is kept. */
  fail(how?: "before" | "after"): void;
  /** As a server that lost all that it had. */
  lose(): void;
};

export function memoryFeedBus(): MemoryFeedBus {
  const kept: KeptMessage[] = [];
  const beats: string[] = [];
  const listeners: ((kind: string, text: string) => void)[] = [];
  let failing: "before" | "after" | undefined;
  let last = 0;
  const tellAll = (kind: string, text: string) => {
    for (const heard of listeners) heard(kind, text);
  };
  const answer = async () => {
    if (failing === "before") throw new BrokerError("NOT_SERVING", "the bus is down");
  };

  return {
    ...{ kept, beats },
    listen: (heard) => void listeners.push(heard),
    fail(how) {
      failing = how;
    },
    lose() {
      kept.length = 0;
      last = 0;
    },
    async places() {
      await answer();
      return { first: kept[0]?.place, last };
    },
    async read(place) {
      await answer();
      return kept.find((one) => one.place === place);
    },
    async append(kind, text, after) {
      await answer();
      if (after !== last) throw new BrokerError("NOT_SERVING", "another message is the newest");
      last += 1;
      kept.push({ place: last, text });
      if (kind === "denied") tellAll(kind, text);
      if (failing === "after") throw new BrokerError("NOT_SERVING", "the bus does not say what became of it");
      return last;
    },
    async dropBefore(place) {
      await answer();
      kept.splice(
        0,
        kept.findIndex((one) => one.place >= place),
      );
    },
    tell(text) {
      if (failing !== undefined) return;
      beats.push(text);
      tellAll("heartbeat", text);
    },
    async close() {
      listeners.length = 0;
    },
  };
}
