import { BrokerError } from "../domain/errors.ts";
import { formatTlogProof } from "../domain/tlog-proof.ts";
import type { SignedCheckpoint } from "../ports/checkpoint-store.ts";
import type { ProvenSubject, TreeReads } from "../ports/tree-reads.ts";

export type ProvePorts = {
  readonly tree: Pick<TreeReads, "sequenceOf" | "inclusion" | "consistency">;
  readonly checkpoints: {
    /** @throws BrokerError LEDGER_UNAVAILABLE where no checkpoint of so many leaves is signed */
    covering(size: number): Promise<SignedCheckpoint>;
  };
};

/**
 * A receipt for an event: what was recorded, that it is in the tree, and the signed checkpoint of the tree.
 *
 * @returns the text of a C2SP tlog-proof whose extra data are the event's bytes, and the checkpoint in it.
 * @throws BrokerError STEP_NOT_FOUND where nothing of that name is recorded, PRUNED where what it said is deleted,
 *   LEDGER_UNAVAILABLE
 */
export async function prove(
  subject: ProvenSubject,
  { tree, checkpoints }: ProvePorts,
): Promise<{ readonly sequence: number; readonly proof: string; readonly checkpoint: string }> {
  const sequence = await tree.sequenceOf(subject);
  if (sequence === undefined) throw new BrokerError("STEP_NOT_FOUND", "nothing of this name is recorded");
  const { note, size } = await checkpoints.covering(sequence);
  const { entry, hashes } = await tree.inclusion(sequence, size);
  const proof = formatTlogProof({ extra: entry, leafIndex: sequence - 1, hashes, checkpoint: note });
  return { sequence, proof, checkpoint: note };
}

/**
 * Proves that the ledger of the newest checkpoint begins with its first `oldSize` events.
 *
 * @throws BrokerError INVALID_FIELD where the ledger is shorter, or nothing would be proved; LEDGER_UNAVAILABLE
 */
export async function proveConsistency(
  oldSize: number,
  { tree, checkpoints }: ProvePorts,
): Promise<{ readonly hashes: readonly Uint8Array[]; readonly checkpoint: string }> {
  const { note, size } = await checkpoints.covering(1);
  if (!(oldSize >= 1 && oldSize <= size)) {
    const metadata = { field: "old_size" };
    throw new BrokerError("INVALID_FIELD", `old_size: 1 to ${size}, the newest checkpoint's`, { metadata });
  }
  return { hashes: await tree.consistency(oldSize, size), checkpoint: note };
}
