import process from "node:process";

/** As `engines` of the package has it. */
const OLDEST = [22, 15] as const;
const REFUSED = 1;

/** Why a release of Node.js, without a `v`, can't run the programs; `undefined` where it can. */
export function whyTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isTooOld = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  return isTooOld
    ? `Node.js ${version} is too old: ${OLDEST.join(".")} or later is needed, and 24 is what it is tested with`
    : undefined;
}

/**
 * Ends the process with a sentence where its Node.js is too old for what comes. Whatever is loaded before, this file included, has to load
 * there too: otherwise the end is a syntax error that says nothing.
 */
export function requireNode(program: string): void {
  const why = whyTooOld(process.versions.node);
  if (why === undefined) return;
  process.stderr.write(`${program}: ${why}\n`);
  process.exit(REFUSED);
}
