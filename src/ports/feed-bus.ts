/** A message as a stream keeps it. */
export type KeptMessage = { readonly place: number; readonly text: string };

/** Places of the oldest and the newest message; of an empty stream the oldest is none, and the newest the last that there was, or 0. */
export type KeptPlaces = { readonly first: number | undefined; readonly last: number };

/**
 * A message bus with a stream that keeps what is told on it, in order: places grow by one with each message, and none is used again.
 * Nobody on the way is trusted: what is read may be anything. Whatever a bus is asked, it answers or fails within seconds.
 */
export type FeedBus = {
  /** What the stream has, which is made where there is none. @throws BrokerError NOT_SERVING */
  places(): Promise<KeptPlaces>;
  /** What stands at a place; `undefined` for nothing. @throws BrokerError NOT_SERVING */
  read(place: number): Promise<KeptMessage | undefined>;
  /**
   * Tells a message to whoever listens, and keeps it. Resolves once it is kept; after a failure it may have been kept all the same.
   *
   * @param after - place of the newest message: where another is the newest, this one is not kept.
   * @returns its place
   * @throws BrokerError NOT_SERVING
   */
  append(kind: "denied" | "snapshot", text: string, after: number): Promise<number>;
  /** Lets go of everything before a place. @throws BrokerError NOT_SERVING */
  dropBefore(place: number): Promise<void>;
  /** Tells those who listen now, and keeps nothing. Where the bus is not there, nobody is told. */
  tell(text: string): void;
  close(): Promise<void>;
};
