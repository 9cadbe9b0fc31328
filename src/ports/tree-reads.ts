import type { Tile } from "../domain/tile.ts";

/** What an event is found by. */
export type ProvenSubject =
  | { readonly sequence: number }
  /** The issuance of a credential; with `revocation` the event that took it back, by itself or with its step. */
  | (({ readonly jti: string } | { readonly serialNumber: string } | { readonly issuanceId: string }) & {
      readonly revocation: boolean;
    })
  | { readonly decisionId: string };

/** An event as a leaf of the tree. */
export type ProvenEntry = {
  /** The bytes that were hashed. */
  readonly entry: Uint8Array;
  /** From the leaf's sibling to the root's child, 32 bytes each. */
  readonly hashes: readonly Uint8Array[];
};

/**
 * What of the tree proves something to others, on a thread where it may take long. Sizes are the ledger's head at most.
 * All throw BrokerError LEDGER_UNAVAILABLE when the ledger can't be read, or stored hashes that should be there are not.
 */
export type TreeReads = {
  /** `undefined` where nothing of that name is recorded. */
  sequenceOf(subject: ProvenSubject): Promise<number | undefined>;
  /**
   * @param sequence - 1 to `size`.
   * @throws BrokerError PRUNED (metadata sequence, leaf_hash) where what the event said is deleted
   */
  inclusion(sequence: number, size: number): Promise<ProvenEntry>;
  /** @param oldSize - 1 to `size`. */
  consistency(oldSize: number, size: number): Promise<readonly Uint8Array[]>;
  /** The bytes of a tile that the tree has. PRUNED where it has an entry whose content is deleted. */
  tile(tile: Tile): Promise<Uint8Array>;
};
