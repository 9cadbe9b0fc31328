import { type Diagnosis, error, ok, warning } from "./diagnosis.ts";

/** What is built, tested and shipped with. */
const TESTED_MAJOR = 24;

/**
 * One that is older than the programs can do with has been refused before anything could be looked at.
 *
 * @param release.version - without a `v`.
 * @param release.unfitBecause - why the daemon refuses this release, if so.
 */
export function checkRelease(release: {
  readonly version: string;
  readonly unfitBecause: string | undefined;
}): readonly Diagnosis[] {
  const { version, unfitBecause } = release;
  const [major = 0] = version.split(".").map(Number);
  const mend = `install Node.js ${TESTED_MAJOR}, a release that is not refused`;
  if (unfitBecause !== undefined) {
    const why = `stintd does not start: ${unfitBecause}`;
    return [error("node", { what: `Node.js ${version} can't be used`, why, mend })];
  }
  if (major % 2 === 1) {
    const why = "an odd release gets no more security fixes after half a year";
    return [warning("node", { what: `Node.js ${version} is no release with long-term support`, why, mend })];
  }
  return [ok("node", `Node.js ${version}`)];
}
