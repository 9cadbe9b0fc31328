import fc from "fast-check";
import { expect, test } from "vitest";
import { entryBundle, hasTile, parseTilePath, type Tile, tilePath } from "../../src/domain/tile.ts";

// The specification's examples, and those that another implementation gave.
test.for([
  { tile: { level: 0, index: 0, width: 256 }, path: "0/000" },
  { tile: { level: 1, index: 0, width: 1 }, path: "1/000.p/1" },
  { tile: { level: 0, index: 1_000, width: 256 }, path: "0/x001/000" },
  { tile: { level: 0, index: 1_234_067, width: 256 }, path: "0/x001/x234/067" },
  { tile: { level: "entries", index: 273, width: 112 }, path: "entries/273.p/112" },
] satisfies readonly { readonly tile: Tile; readonly path: string }[])("$path", ({ tile, path }) => {
  expect(tilePath(tile)).toBe(path);
  expect(parseTilePath(path)).toEqual(tile);
});

test("every tile has one path, which is read back", () => {
  const tiles = fc.record({
    level: fc.oneof(fc.constant("entries" as const), fc.integer({ min: 0, max: 6 })),
    index: fc.maxSafeNat(),
    width: fc.integer({ min: 1, max: 256 }),
  });
  fc.assert(
    fc.property(tiles, (tile) => {
      expect(parseTilePath(tilePath(tile))).toEqual(tile);
    }),
  );
});

test.for([
  { path: "0/0" },
  { path: "0/x000/001" },
  { path: "0/001/000" },
  { path: "0/x001" },
  { path: "00/000" },
  { path: "-1/000" },
  { path: "7/000" },
  { path: "64/000" },
  { path: "0/000.p/0" },
  { path: "0/000.p/01" },
  { path: "0/000.p/256" },
  { path: "0/000.p" },
  { path: "8/0/x001/067" },
  { path: "data/000" },
  { path: "0/../000" },
  { path: `0/${"x999/".repeat(6)}999` },
])("$path is the path of no tile", ({ path }) => {
  expect(parseTilePath(path)).toBeUndefined();
});

test("a tree of 70,000 leaves has the tiles that it fills, and partial ones as far as it goes", () => {
  const has = (level: Tile["level"], index: number, width = 256) => hasTile(70_000, { level, index, width });
  expect([has(0, 272), has(0, 273), has(0, 273, 112), has(0, 273, 113)]).toEqual([true, false, true, false]);
  expect([has(1, 0), has(1, 1, 17), has(1, 1, 18)]).toEqual([true, true, false]);
  expect([has(2, 0, 1), has(2, 0, 2), has(3, 0, 1)]).toEqual([true, false, false]);
  expect([has("entries", 273, 112), has("entries", 273, 113)]).toEqual([true, false]);
});

test("entries are told apart by their lengths", () => {
  const long = new Uint8Array(300).fill(1);
  const bundle = entryBundle([Uint8Array.of(7, 8), new Uint8Array(), long]);
  expect(bundle).toEqual(Uint8Array.of(0, 2, 7, 8, 0, 0, 1, 44, ...long));
});
