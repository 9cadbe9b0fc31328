/** Under which others' code may be given away with ours. */
const LICENSES: ReadonlySet<string> = new Set([
  "MIT",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "Unlicense",
]);

/** Of packages whose manifest names no license, what the file that comes with them says. */
const LICENSE_IN_FILE: ReadonlyMap<string, string> = new Map([["png-js", "MIT"]]);

/**
 * @param named - what the package's manifest says.
 * @returns an SPDX expression.
 * @throws Error for a license under which nothing may be given away with ours
 */
export function licenseOf(name: string, version: string, named = LICENSE_IN_FILE.get(name) ?? ""): string {
  if (!isKnown(named)) throw new Error(`${name} ${version} comes under "${named}"`);
  return named;
}

/** @param expression - SPDX, without nesting beyond one pair of parentheses. */
function isKnown(expression: string): boolean {
  const alternatives = expression.replace(/[()]/g, "").split(" OR ");
  return alternatives.some((all) => all.split(" AND ").every((license) => LICENSES.has(license)));
}
