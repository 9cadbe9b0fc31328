import { type Diagnosis, error, ok, warning } from "./diagnosis.ts";

/** As `engines` of the package has it. */
const OLDEST = [22, 15] as const;
/** What is built, tested and shipped with. */
const TESTED_MAJOR = 24;

/**
 * @param release.version - without a `v`.
 * @param release.unfitBecause - why the daemon refuses this release, if so.
 */
export function checkRelease(release: {
  readonly version: string;
  readonly unfitBecause: string | undefined;
}): readonly Diagnosis[] {
  const { version, unfitBecause } = release;
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const mend = `install Node.js ${TESTED_MAJOR}, a release that is not refused`;
  if (unfitBecause !== undefined) {
    const why = `stintd does not start: ${unfitBecause}`;
    return [error("node", { what: `Node.js ${version} can't be used`, why, mend })];
  }
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
    const why = "stintd and stint use what it does not have";
    return [error("node", { what: `Node.js ${version} is older than ${OLDEST.join(".")}`, why, mend })];
  }
  if (major % 2 === 1) {
    const why = "an odd release gets no more security fixes after half a year";
    return [warning("node", { what: `Node.js ${version} is no release with long-term support`, why, mend })];
  }
  return [ok("node", `Node.js ${version}`)];
}
