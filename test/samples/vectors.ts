import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const folder = resolve(process.env["STINT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors"));

/** How a skipped test says why. */
export const WITHOUT_VECTORS = "skipped where neither STINT_VECTORS nor ../shared/vectors holds the vectors";

/**
 * Public test vectors by their path within the folder of vectors, parsed from JSON; `undefined` when they are not
 * there, which is said once on standard error so that nobody takes a skipped test for one that passed.
 */
export function vectors(path: string): unknown {
  const file = join(folder, path);
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
  process.stderr.write(`test vectors ${path} are absent: point STINT_VECTORS to the folder that has them\n`);
  return undefined;
}

/** A case of Project Wycheproof's. */
export type Vector = { readonly tcId: number; readonly comment: string; readonly result: string } & Record<
  string,
  unknown
>;
export type VectorGroup = { readonly tests: readonly Vector[] } & Record<string, unknown>;

/** The groups of one of Project Wycheproof's files; `undefined` when it is not there. */
export function wycheproof(file: string): readonly VectorGroup[] | undefined {
  const content = vectors(`wycheproof/${file}`) as { readonly testGroups: readonly VectorGroup[] } | undefined;
  return content?.testGroups;
}
