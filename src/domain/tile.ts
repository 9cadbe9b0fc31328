/** Hashes of a full tile. */
export const TILE_WIDTH = 256;
/** A tree of 2^53 leaves has tiles up to here. */
const LEVEL_MAX = 6;

/** One tile: hashes of complete subtrees, or for `entries` the leaves' own bytes. */
export type Tile = {
  /** 0: hashes of leaves; each level above, of 256 times as many leaves. */
  readonly level: number | "entries";
  readonly index: number;
  /** 1 to 256; below 256 the tile is the last of its level, and partial. */
  readonly width: number;
};

const PATH = /^(entries|0|[1-9][0-9]?)\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/**
 * Reads what follows `tile/` in a tile's path.
 *
 * @returns `undefined` for anything that is not the one path of a tile.
 * @see C2SP tlog-tiles, "Merkle tree" and "Log entries"
 */
export function parseTilePath(path: string): Tile | undefined {
  const [, level, groups, partial] = PATH.exec(path) ?? [];
  if (level === undefined || groups === undefined) return undefined;
  const index = Number(groups.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const tile: Tile = { level: level === "entries" ? level : Number(level), index, width };
  const isOne = Number.isSafeInteger(index) && (partial === undefined || width < TILE_WIDTH);
  if (!isOne || (tile.level !== "entries" && tile.level > LEVEL_MAX)) return undefined;
  // Leading groups of zeros would be a second path to the same tile.
  return tilePath(tile) === path ? tile : undefined;
}

/** What follows `tile/` in the path of a tile. */
export function tilePath({ level, index, width }: Tile): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, "0").match(/[0-9]{3}/g) ?? [];
  const name = groups.map((group, position) => (position < groups.length - 1 ? `x${group}` : group)).join("/");
  return `${level}/${name}${width === TILE_WIDTH ? "" : `.p/${width}`}`;
}

/** Whether a tree of so many leaves has the tile, which is then the same for every larger tree. */
export function hasTile(size: number, { level, index, width }: Tile): boolean {
  const hashes = Math.floor(size / TILE_WIDTH ** (level === "entries" ? 0 : level));
  return index * TILE_WIDTH + width <= hashes;
}

/**
 * The bytes of a tile of entries: each with its length before it, in two bytes, the higher one first.
 *
 * @param entries - of at most 65,535 bytes each.
 */
export function entryBundle(entries: readonly Uint8Array[]): Uint8Array {
  const parts = entries.flatMap((entry) => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(entry.length);
    return [length, entry];
  });
  return new Uint8Array(Buffer.concat(parts));
}
