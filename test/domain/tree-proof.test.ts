import fc from "fast-check";
import { expect, test } from "vitest";
import { append, EMPTY_RANGE, leafHash, nodeHash, rootOf } from "../../src/domain/merkle-tree.ts";
import {
  consistencyProof,
  inclusionProof,
  isConsistent,
  rootByInclusion,
  type SubtreeHash,
} from "../../src/domain/tree-proof.ts";

const LEAVES_MAX = 300;
const LEAVES = Array.from({ length: LEAVES_MAX }, (_, index) => leafHash(Buffer.from(`entry ${index}`)));
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");

/** By the definition of a complete subtree, from the leaves alone. */
const subtree: SubtreeHash = (level, index) => {
  const leaf = LEAVES[index];
  if (level > 0) return nodeHash(subtree(level - 1, 2 * index), subtree(level - 1, 2 * index + 1));
  if (leaf === undefined) throw new Error(`leaf ${index} was asked for`);
  return leaf;
};

const rootAt = (size: number): Uint8Array =>
  rootOf(LEAVES.slice(0, size).reduce((range, leaf) => append(range, leaf).range, EMPTY_RANGE));
const leafAt = (index: number): Uint8Array => LEAVES[index] ?? expect.unreachable();
const treeAt = (size: number) => ({ size, rootHash: rootAt(size) });

/** A tree's size, and a size or index within it. */
const sizes = fc
  .integer({ min: 1, max: LEAVES_MAX })
  .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));

/** The proof with one bit of one hash turned round. */
function damaged(proof: readonly Uint8Array[], where: number): readonly Uint8Array[] {
  return proof.map((hash, index) =>
    index === where % proof.length ? hash.map((byte, at) => (at === 7 ? byte ^ 1 : byte)) : hash,
  );
}

test("every leaf's proof gives the root, of no leaf, index or size but its own", () => {
  fc.assert(
    fc.property(sizes, fc.nat(), ([size, index], other) => {
      const proof = inclusionProof(index, size, subtree);
      const root = hex(rootAt(size));
      expect(hex(rootByInclusion(index, size, leafAt(index), proof))).toBe(root);
      expect(hex(rootByInclusion(index, size, leafHash(Buffer.from("another")), proof))).not.toBe(root);
      if (proof.length > 0)
        expect(hex(rootByInclusion(index, size, leafAt(index), damaged(proof, other)))).not.toBe(root);
      const elsewhere = other % size;
      if (elsewhere !== index) expect(hex(rootByInclusion(elsewhere, size, leafAt(index), proof))).not.toBe(root);
      expect(rootByInclusion(index, size, leafAt(index), [...proof, rootAt(1)])).toBeUndefined();
      if (proof.length > 0) expect(rootByInclusion(index, size, leafAt(index), proof.slice(1))).toBeUndefined();
    }),
    { numRuns: 200 },
  );
});

test("a proof between any two sizes holds for their roots, and for no other roots", () => {
  fc.assert(
    fc.property(sizes, fc.nat(), ([size, before], other) => {
      const oldSize = before + 1;
      const proof = consistencyProof(oldSize, size, subtree);
      expect(isConsistent(treeAt(oldSize), treeAt(size), proof)).toBe(true);
      const forged = leafHash(Buffer.from("another"));
      expect(isConsistent({ size: oldSize, rootHash: forged }, treeAt(size), proof)).toBe(false);
      expect(isConsistent(treeAt(oldSize), { size, rootHash: forged }, proof)).toBe(false);
      expect(isConsistent(treeAt(oldSize), treeAt(size), [...proof, forged])).toBe(false);
      if (proof.length === 0) return;
      expect(isConsistent(treeAt(oldSize), treeAt(size), damaged(proof, other))).toBe(false);
      expect(isConsistent(treeAt(oldSize), treeAt(size), proof.slice(1))).toBe(false);
      expect(isConsistent(treeAt(oldSize), treeAt(size), [])).toBe(false);
    }),
    { numRuns: 200 },
  );
});

test("that a tree continues one without leaves is no proof of anything, and refused", () => {
  expect(isConsistent(treeAt(0), treeAt(5), [])).toBe(false);
  expect(isConsistent(treeAt(0), treeAt(0), [])).toBe(false);
  expect(() => consistencyProof(0, 5, subtree)).toThrow(RangeError);
});

test("sizes beyond 32 bits are counted right", () => {
  // A tree of equal leaves: every complete subtree of a level has one hash.
  const levels = [leafHash(Buffer.from("same"))];
  for (let level = 1; level < 53; level += 1)
    levels.push(nodeHash(levels[level - 1] ?? leafAt(0), levels[level - 1] ?? leafAt(0)));
  const same: SubtreeHash = (level) => levels[level] ?? expect.unreachable();
  const size = 2 ** 40 + 3;
  let range = append(EMPTY_RANGE, same(40, 0), 40).range;
  for (let leaf = 0; leaf < 3; leaf += 1) range = append(range, same(0, 0)).range;
  const root = rootOf(range);
  for (const index of [0, 2 ** 33 + 5, 2 ** 40, size - 1]) {
    expect(hex(rootByInclusion(index, size, same(0, 0), inclusionProof(index, size, same)))).toBe(hex(root));
  }
  const proof = consistencyProof(2 ** 40, size, same);
  expect(isConsistent({ size: 2 ** 40, rootHash: same(40, 0) }, { size, rootHash: root }, proof)).toBe(true);
});
