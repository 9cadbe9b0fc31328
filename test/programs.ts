import { resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** Where `make test` has bundled the programs as the package has them, which start in two thirds of the time; absent: the sources are run. */
export const BUNDLED = process.env["STINT_PROGRAMS"];

/** The program `stint`, for a process of its own. */
export const STINT = program("stint");
/** The program `stintd`, for a process of its own. */
export const STINTD = program("stintd");

function program(name: string): string {
  if (BUNDLED !== undefined) return resolve(BUNDLED, `${name}.js`);
  return fileURLToPath(new URL(`../src/cli/${name}.ts`, import.meta.url));
}
