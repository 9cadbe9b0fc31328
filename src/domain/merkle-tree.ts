import { hash } from "node:crypto";

const HASH_BYTES = 32;
/** Different first bytes, so that a leaf can never pass for an inner node. */
const LEAF_PREFIX = 0x00;
const NODE_PREFIX = 0x01;

/**
 * A tree of `size` leaves by its frontier: the hashes of the largest complete subtrees that the tree falls into, from
 * the left; one hash for each bit that is set in `size`. The frontier is all that is needed to append to the tree and
 * to know its root.
 */
export type CompactRange = { readonly size: number; readonly nodes: readonly Uint8Array[] };

/** A complete subtree of 2^`level` leaves, the `index`-th of its level. */
export type TreeNode = { readonly level: number; readonly index: number; readonly hash: Uint8Array };

export const EMPTY_RANGE: CompactRange = { size: 0, nodes: [] };

function sha256(bytes: Uint8Array): Uint8Array {
  return hash("sha256", bytes, "buffer");
}

/** @see RFC 6962 section 2.1 */
export function leafHash(entry: Uint8Array): Uint8Array {
  const prefixed = new Uint8Array(1 + entry.length);
  prefixed[0] = LEAF_PREFIX;
  prefixed.set(entry, 1);
  return sha256(prefixed);
}

/** @see RFC 6962 section 2.1 */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  const joined = new Uint8Array(1 + 2 * HASH_BYTES);
  joined[0] = NODE_PREFIX;
  joined.set(left, 1);
  joined.set(right, 1 + HASH_BYTES);
  return sha256(joined);
}

/**
 * Appends a complete subtree, by default a single leaf.
 *
 * @param hash - of the subtree, 32 bytes; `leafHash` for a leaf.
 * @param level - of the subtree: it has 2^`level` leaves. `range.size` must be a multiple of this number.
 * @returns the longer range, and every subtree that became complete by the append, smallest first, without the appended
 *   subtree.
 */
export function append(
  range: CompactRange,
  hash: Uint8Array,
  level = 0,
): { readonly range: CompactRange; readonly completed: readonly TreeNode[] } {
  const nodes = [...range.nodes];
  const completed: TreeNode[] = [];
  let node = hash;
  // Counted by division, since bit operators would cut sizes at 32 bits.
  let index = range.size / 2 ** level;
  for (let at = level; index % 2 === 1; ) {
    const left = nodes.pop();
    if (left === undefined) throw new RangeError("a compact range whose nodes do not fit its size");
    node = nodeHash(left, node);
    index = (index - 1) / 2;
    at += 1;
    completed.push({ level: at, index, hash: node });
  }
  nodes.push(node);
  return { range: { size: range.size + 2 ** level, nodes }, completed };
}

/**
 * The root of the tree, 32 bytes; for a tree without leaves, the hash of no bytes.
 *
 * @see RFC 6962 section 2.1
 */
export function rootOf(range: CompactRange): Uint8Array {
  const root = range.nodes.reduceRight<Uint8Array | undefined>(
    (right, left) => (right === undefined ? left : nodeHash(left, right)),
    undefined,
  );
  return root ?? sha256(new Uint8Array());
}

/** The frontier as one run of bytes, 32 for each node. */
export function frontierBytes(range: CompactRange): Uint8Array {
  const bytes = new Uint8Array(range.nodes.length * HASH_BYTES);
  range.nodes.forEach((node, position) => {
    bytes.set(node, position * HASH_BYTES);
  });
  return bytes;
}

/** Reads back what `frontierBytes` wrote; `undefined` when these bytes can't be the frontier of a tree of this size. */
export function compactRangeOf(size: number, frontier: Uint8Array): CompactRange | undefined {
  if (!Number.isSafeInteger(size) || size < 0) return undefined;
  let ones = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) ones += rest % 2;
  if (frontier.length !== ones * HASH_BYTES) return undefined;
  const nodes = Array.from({ length: ones }, (_, position) =>
    frontier.slice(position * HASH_BYTES, (position + 1) * HASH_BYTES),
  );
  return { size, nodes };
}
