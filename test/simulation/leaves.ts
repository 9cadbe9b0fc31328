import { createHash } from "node:crypto";

/** The tree over what was recorded, by the definition of RFC 6962 section 2.1 and nothing of the ledger's. */
export type Leaves = {
  /** Of all that was recorded, the first one first. */
  readonly hashes: readonly Uint8Array[];
  add(entry: Uint8Array): void;
  /** The root over the first so many. */
  root(size: number): Uint8Array;
};

export function createLeaves(): Leaves {
  const hashes: Uint8Array[] = [];
  /** Of complete subtrees, which are the same in every larger tree. */
  const complete = new Map<string, Uint8Array>();

  function rootOf(first: number, size: number): Uint8Array {
    if (size === 0) return hashOf();
    const [leaf] = size === 1 ? hashes.slice(first) : [];
    if (leaf !== undefined) return leaf;
    const name = `${first} ${size}`;
    const known = complete.get(name);
    if (known !== undefined) return known;
    // The largest power of two below.
    const left = 2 ** Math.floor(Math.log2(size - 1));
    const root = hashOf(Buffer.of(1), rootOf(first, left), rootOf(first + left, size - left));
    if (left * 2 === size) complete.set(name, root);
    return root;
  }

  return {
    hashes,
    add: (entry) => void hashes.push(hashOf(Buffer.of(0), entry)),
    root: (size) => rootOf(0, size),
  };
}

function hashOf(...parts: readonly Uint8Array[]): Uint8Array {
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}
