import fc from "fast-check";
import { expect, test } from "vitest";
import {
  append,
  type CompactRange,
  compactRangeOf,
  EMPTY_RANGE,
  frontierBytes,
  leafHash,
  nodeHash,
  rootOf,
} from "../../src/domain/merkle-tree.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

// The reference tree of the certificate transparency implementations: its entries, and the root at each size from 0.
const ENTRIES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((text) => Buffer.from(text, "hex"));
const ROOTS = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
] as const;

function rangeOf(entries: readonly Uint8Array[]): CompactRange {
  return entries.reduce<CompactRange>((range, entry) => append(range, leafHash(entry)).range, EMPTY_RANGE);
}

/** The definition of RFC 6962 section 2.1, word for word. */
function definedRoot(leaves: readonly Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return rootOf(EMPTY_RANGE);
  if (leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(definedRoot(leaves.slice(0, split)), definedRoot(leaves.slice(split)));
}

test.for(ROOTS.map((root, size) => ({ size, root })))("has the reference root with $size entries", ({ size, root }) => {
  expect(hex(rootOf(rangeOf(ENTRIES.slice(0, size))))).toBe(root);
});

const entries = fc.array(fc.uint8Array({ maxLength: 8 }), { maxLength: 300 });

test("appending one by one gives the root that the definition gives", () => {
  fc.assert(
    fc.property(entries, (some) => {
      expect(hex(rootOf(rangeOf(some)))).toBe(hex(definedRoot(some.map(leafHash))));
    }),
    { numRuns: 50 },
  );
});

test("every complete subtree is told once, with the root of its own leaves", () => {
  const leaves = Array.from({ length: 100 }, (_, index) => leafHash(Buffer.from([index])));
  let range = EMPTY_RANGE;
  const told = new Map<string, string>();
  for (const leaf of leaves) {
    const longer = append(range, leaf);
    range = longer.range;
    for (const { level, index, hash } of longer.completed) {
      expect(told.has(`${level}/${index}`)).toBe(false);
      told.set(`${level}/${index}`, hex(hash));
      expect(hex(hash)).toBe(hex(definedRoot(leaves.slice(index * 2 ** level, (index + 1) * 2 ** level))));
    }
  }
  // Pairs, fours, eights, …: 50 + 25 + 12 + 6 + 3 + 1.
  expect(told.size).toBe(97);
});

test("subtrees appended whole give the same tree as their leaves", () => {
  const leaves = Array.from({ length: 37 }, (_, index) => leafHash(Buffer.from([index])));
  const subtree = (from: number, level: number) => definedRoot(leaves.slice(from, from + 2 ** level));
  let range = append(EMPTY_RANGE, subtree(0, 4), 4).range;
  range = append(range, subtree(16, 4), 4).range;
  range = append(range, subtree(32, 2), 2).range;
  range = append(range, subtree(36, 0), 0).range;
  expect(range.size).toBe(37);
  expect(hex(rootOf(range))).toBe(hex(definedRoot(leaves)));
});

test("a leaf that is made of two hashes is not the node over them", () => {
  const [a, b] = [leafHash(Buffer.from("a")), leafHash(Buffer.from("b"))];
  expect(hex(leafHash(Buffer.concat([a, b])))).not.toBe(hex(nodeHash(a, b)));
});

test("a frontier reads back from its bytes as it was", () => {
  fc.assert(
    fc.property(entries, (some) => {
      const range = rangeOf(some);
      const read = compactRangeOf(range.size, frontierBytes(range));
      expect(read?.nodes.map(hex)).toEqual(range.nodes.map(hex));
      expect(read?.size).toBe(range.size);
    }),
    { numRuns: 50 },
  );
});

test.for([
  { name: "a byte short", size: 3, bytes: 63 },
  { name: "a byte long", size: 3, bytes: 65 },
  { name: "a hash short", size: 7, bytes: 64 },
  { name: "a hash long", size: 8, bytes: 64 },
  { name: "of no tree", size: -1, bytes: 0 },
  { name: "of half a leaf", size: 0.5, bytes: 32 },
])("a frontier that is $name is refused", ({ size, bytes }) => {
  expect(compactRangeOf(size, new Uint8Array(bytes))).toBeUndefined();
});
