import type { Head } from "./ledger.ts";
import type { LogPage } from "./log-reads.ts";

/** What a whole copy of a ledger is said to be, as its broker verified it. */
export type CopyFacts = {
  readonly head: Head;
  /** Of all of its bytes, hexadecimal. */
  readonly sha256: string;
};

/** A copy of another broker's ledger, in files: at any instant a whole ledger, and marked as one that went back in time. */
export type StandbyLedger = {
  /** Of the copy; `undefined` until the first is whole. */
  head(): Head | undefined;
  /**
   * Puts a whole copy in the place of what is there, once it is verified: its bytes, its pages, every event against its tree, and that it
   * continues what was there. What is there stays until then.
   *
   * @param signal - gives it up.
   * @throws BrokerError LEDGER_UNAVAILABLE where it is none of that; NOT_SERVING where it is a newer version's, or was given up
   */
  replace(copy: StandbyCopy, signal: AbortSignal): Promise<void>;
  /** Keeps a part of a snapshot whose event comes next. */
  keepChunk(chunk: SnapshotPart): void;
  /**
   * Takes over the events of a page, durably and all of them, or none.
   *
   * @throws BrokerError LEDGER_UNAVAILABLE where the page does not continue this copy, or its events do not give the tree that it names;
   *   NOT_SERVING where it is a newer version's
   */
  take(page: FollowedPage): void;
  close(): void;
};

export type StandbyCopy = {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** To be asked once all chunks were read. */
  facts(): CopyFacts;
};

export type FollowedPage = Omit<LogPage, "snapshotThrough"> & {
  /** The newest signed one, where it is new. */
  readonly checkpoint?: string;
};
export type SnapshotPart = { readonly through: number; readonly index: number; readonly content: Uint8Array };
export type FollowedPart =
  | { readonly kind: "page"; readonly page: FollowedPage }
  | { readonly kind: "chunk"; readonly chunk: SnapshotPart };

/** The broker whose ledger is copied. All throw BrokerError; PRUNED says that a new copy has to be taken. */
export type PrimaryLedger = {
  copy(signal: AbortSignal): StandbyCopy;
  /**
   * What follows a sequence, and each event as it is recorded. The first page has none, and says what the tree is there.
   *
   * @param checkpoint - the newest that was shown, by which the primary finds out that it went back in time; "": none was.
   */
  follow(after: number, checkpoint: string, signal: AbortSignal): AsyncIterable<FollowedPart>;
};
