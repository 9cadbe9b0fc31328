import { BrokerError } from "../../../domain/errors.ts";
import { append, EMPTY_RANGE, rootOf } from "../../../domain/merkle-tree.ts";
import { entryBundle, TILE_WIDTH } from "../../../domain/tile.ts";
import { consistencyProof, inclusionProof, type SubtreeHash } from "../../../domain/tree-proof.ts";
import type { ProvenSubject, TreeReads } from "../../../ports/tree-reads.ts";
import type { Connection } from "../connection.ts";
import { NODE_LEVELS } from "../log.ts";
import { DECISION } from "../tables/decision-table.ts";
import { EVENT, isPruned, type StoredEvent, sizeOf, TREE } from "../tables/event-table.ts";
import { ISSUANCE, type IssuanceGuardRow } from "../tables/issuance-table.ts";
import type { Reader } from "./reader.ts";

export function createTreeReads({ read }: Reader): TreeReads {
  return {
    sequenceOf: async (subject) => read((db) => sequenceOf(db, subject)),
    inclusion: async (sequence, size) =>
      read((db) => {
        const [leaf] = db.all<StoredEvent>(EVENT.after, { after: sequence - 1, limit: 1 });
        if (leaf?.sequence !== sequence) throw missing();
        if (isPruned(leaf.canonical)) throw pruned(leaf);
        // Copied, so that the bytes outlive the statement and can be handed to another thread.
        return { entry: new Uint8Array(leaf.canonical), hashes: inclusionProof(sequence - 1, size, subtreesOf(db)) };
      }),
    consistency: async (oldSize, size) => read((db) => consistencyProof(oldSize, size, subtreesOf(db))),
    tile: async ({ level, index, width }) =>
      read((db) => {
        const first = index * TILE_WIDTH;
        if (level !== "entries") return new Uint8Array(Buffer.concat(hashesOf(db, level * NODE_LEVELS, first, width)));
        const events = db.all<StoredEvent>(EVENT.after, { after: first, limit: width });
        if (events.length !== width || events.at(-1)?.sequence !== first + width) throw missing();
        const gone = events.find(({ canonical }) => isPruned(canonical));
        if (gone !== undefined) throw pruned(gone);
        return entryBundle(events.map(({ canonical }) => canonical));
      }),
  };
}

function sequenceOf(db: Connection, subject: ProvenSubject): number | undefined {
  if ("sequence" in subject) {
    const { sequence } = subject;
    return sequence >= 1 && sequence <= sizeOf(db) ? sequence : undefined;
  }
  if ("decisionId" in subject) return db.get<{ readonly sequence: number }>(DECISION.sequenceOf, subject)?.sequence;
  const { revocation, ...name } = subject;
  const byNumber = "serialNumber" in name ? ISSUANCE.guardBySerialNumber : ISSUANCE.guardById;
  const row = db.get<IssuanceGuardRow>("jti" in name ? ISSUANCE.guardByJti : byNumber, name);
  return revocation ? (row?.revokedSequence ?? undefined) : row?.sequence;
}

/** Complete subtrees: one of 256^n leaves is stored, any other is computed from at most 128 of those below. */
function subtreesOf(db: Connection): SubtreeHash {
  return (level, index) => {
    const base = level - (level % NODE_LEVELS);
    const width = 2 ** (level - base);
    const range = hashesOf(db, base, index * width, width).reduce((so, hash) => append(so, hash).range, EMPTY_RANGE);
    return new Uint8Array(rootOf(range));
  };
}

/** @param level - a multiple of `NODE_LEVELS`; 0: hashes of leaves. */
function hashesOf(db: Connection, level: number, first: number, count: number): readonly Uint8Array[] {
  const hashes =
    level === 0
      ? db
          .all<{ readonly leafHash: Uint8Array }>(EVENT.leafHashes, { after: first, through: first + count })
          .map(({ leafHash }) => leafHash)
      : db
          .all<{ readonly hash: Uint8Array }>(TREE.nodesBefore, { level, first, end: first + count })
          .map(({ hash }) => hash);
  if (hashes.length !== count) throw missing();
  return hashes;
}

/** What it said is gone; that it was there, and its hash, are not. */
export function pruned({ sequence, leafHash }: StoredEvent): BrokerError {
  const metadata = { sequence: String(sequence), leaf_hash: Buffer.from(leafHash).toString("hex") };
  return new BrokerError("PRUNED", `what event ${sequence} said was deleted when its time was over`, { metadata });
}

export function missing(): BrokerError {
  return new BrokerError("LEDGER_UNAVAILABLE", "the ledger is damaged: what a proof takes is missing");
}
