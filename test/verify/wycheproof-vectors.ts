import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";

const folder = process.env["STINT_VECTORS"] ?? resolve(import.meta.dirname, "../../../shared/vectors");

/** Whether the public vectors are at hand; they are not part of this repository. */
export const hasVectors = existsSync(resolve(folder, "wycheproof"));

/** How a skipped test says why. */
export const WITHOUT_VECTORS = "skipped where neither STINT_VECTORS nor ../shared/vectors holds the Wycheproof vectors";

export type Vector = { readonly tcId: number; readonly comment: string; readonly result: string } & Record<
  string,
  unknown
>;
export type VectorGroup = { readonly tests: readonly Vector[] } & Record<string, unknown>;

export function vectorGroups(file: string): readonly VectorGroup[] {
  const { testGroups } = JSON.parse(readFileSync(resolve(folder, "wycheproof", file), "utf8")) as {
    readonly testGroups: readonly VectorGroup[];
  };
  return testGroups;
}
