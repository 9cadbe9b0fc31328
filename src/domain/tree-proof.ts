import { nodeHash } from "./merkle-tree.ts";

/**
 * The hash of a complete subtree of 2^`level` leaves, the `index`-th of its level.
 *
 * @throws where it is not at hand
 */
export type SubtreeHash = (level: number, index: number) => Uint8Array;

/**
 * The hashes from which, with its own, the root of the tree of `size` leaves is computed for one leaf: of its sibling
 * first, of the root's child last.
 *
 * @param leafIndex - from 0; below `size`.
 * @see RFC 9162 section 2.1.3.1
 */
export function inclusionProof(leafIndex: number, size: number, subtree: SubtreeHash): readonly Uint8Array[] {
  if (!(leafIndex >= 0 && leafIndex < size)) throw new RangeError("no leaf of this tree");
  return pathTo(leafIndex, 0, size, subtree);
}

function pathTo(leaf: number, start: number, size: number, subtree: SubtreeHash): readonly Uint8Array[] {
  if (size === 1) return [];
  const left = leftSize(size);
  return leaf < left
    ? [...pathTo(leaf, start, left, subtree), hashOfRange(start + left, size - left, subtree)]
    : [...pathTo(leaf - left, start + left, size - left, subtree), hashOfRange(start, left, subtree)];
}

/**
 * The hashes that show a tree of `size` leaves to begin with the tree of its first `oldSize` leaves.
 *
 * @param oldSize - at least 1: of a tree without leaves every tree is a continuation, so a proof would say nothing.
 * @see RFC 9162 section 2.1.4.1
 */
export function consistencyProof(oldSize: number, size: number, subtree: SubtreeHash): readonly Uint8Array[] {
  if (!(oldSize >= 1 && oldSize <= size)) throw new RangeError("no earlier size of this tree");
  return commonTo(oldSize, 0, size, true, subtree);
}

function commonTo(
  oldSize: number,
  start: number,
  size: number,
  isOldRoot: boolean,
  subtree: SubtreeHash,
): readonly Uint8Array[] {
  // The root of the old tree is known to whoever asks.
  if (oldSize === size) return isOldRoot ? [] : [hashOfRange(start, size, subtree)];
  const left = leftSize(size);
  return oldSize <= left
    ? [...commonTo(oldSize, start, left, isOldRoot, subtree), hashOfRange(start + left, size - left, subtree)]
    : [...commonTo(oldSize - left, start + left, size - left, false, subtree), hashOfRange(start, left, subtree)];
}

/** The hash over `size` leaves from `start` on, which has to be where the tree's own subtrees split. */
function hashOfRange(start: number, size: number, subtree: SubtreeHash): Uint8Array {
  const left = size === 1 ? 1 : leftSize(size);
  if (size === 1 || left * 2 === size) return subtree(Math.log2(size), start / size);
  return nodeHash(subtree(Math.log2(left), start / left), hashOfRange(start + left, size - left, subtree));
}

/** The largest power of two below `size`, which is at least 2. */
function leftSize(size: number): number {
  let left = 1;
  while (left * 2 < size) left *= 2;
  return left;
}

/**
 * The root that a leaf and its inclusion proof give.
 *
 * @param leaf - the leaf's hash.
 * @returns `undefined` where a proof for this leaf and size has another shape.
 * @see RFC 9162 section 2.1.3.2
 */
export function rootByInclusion(
  leafIndex: number,
  size: number,
  leaf: Uint8Array,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (!(leafIndex >= 0 && leafIndex < size)) return undefined;
  let [node, last, hash] = [leafIndex, size - 1, leaf];
  for (const sibling of proof) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      hash = nodeHash(sibling, hash);
      // A node without a right sibling is taken up as it is.
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? hash : undefined;
}

/** A tree as somebody saw it. */
type SeenTree = { readonly size: number; readonly rootHash: Uint8Array };

/**
 * Whether the proof shows `newer` to begin with all of `older`. A tree without leaves is refused as the older one: any
 * tree continues it, so whoever began there has been shown nothing.
 *
 * @see RFC 9162 section 2.1.4.2
 */
export function isConsistent(older: SeenTree, newer: SeenTree, proof: readonly Uint8Array[]): boolean {
  if (!(older.size >= 1 && older.size <= newer.size)) return false;
  if (older.size === newer.size) return proof.length === 0 && isEqual(older.rootHash, newer.rootHash);
  if (proof.length === 0) return false;
  let [node, last] = [older.size - 1, newer.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // The old tree is one complete subtree exactly when nothing is left of it here; then the proof leaves its root out.
  const [first, ...rest] = node === 0 ? [older.rootHash, ...proof] : proof;
  if (first === undefined) return false;
  let [olderHash, newerHash] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      olderHash = nodeHash(hash, olderHash);
      newerHash = nodeHash(hash, newerHash);
      while (!isOdd(node) && node !== 0) [node, last] = [half(node), half(last)];
    } else {
      newerHash = nodeHash(newerHash, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && isEqual(olderHash, older.rootHash) && isEqual(newerHash, newer.rootHash);
}

/** By division, since bit operators would cut sizes at 32 bits. */
function half(node: number): number {
  return Math.floor(node / 2);
}

function isOdd(node: number): boolean {
  return node % 2 === 1;
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
