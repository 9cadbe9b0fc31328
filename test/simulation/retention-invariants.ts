import { BrokerError } from "../../src/domain/errors.ts";
import { leafHash } from "../../src/domain/merkle-tree.ts";
import { rootByInclusion } from "../../src/domain/tree-proof.ts";
import { promise } from "./model-history.ts";
import type { World } from "./world.ts";

/** So many events are asked for, from the first to the last. */
const ASKED_FOR = 16;

/** What is recorded is proved, and what is pruned is said to be pruned, with its place in the same tree. */
export async function checkProofsInTheEnd({ ground, leaves, model }: World): Promise<void> {
  const { tree, ledger } = ground.store;
  const { sequence: size } = ledger.head();
  const root = leaves.root(size);
  for (let sequence = 1; sequence <= size; sequence += Math.ceil(size / ASKED_FOR)) {
    const leaf = leaves.hashes[sequence - 1] ?? new Uint8Array();
    const proven = await tree.inclusion(sequence, size).catch((thrown: unknown) => thrown);
    if (model.retention.pruned.has(sequence)) {
      promise(proven instanceof BrokerError && proven.code === "PRUNED", "what is pruned is answered PRUNED");
      promise(proven.metadata["leaf_hash"] === Buffer.from(leaf).toString("hex"), "with the hash of what it was");
      continue;
    }
    if (proven instanceof Error) throw proven;
    const { entry, hashes } = proven as Awaited<ReturnType<typeof tree.inclusion>>;
    promise(Buffer.compare(leafHash(entry), leaf) === 0, "what was recorded is there as it was");
    const proved = rootByInclusion(sequence - 1, size, leaf, hashes);
    promise(proved !== undefined && Buffer.compare(proved, root) === 0, "and is proved to be in the tree");
  }
}
