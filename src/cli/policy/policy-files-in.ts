import { readdirSync } from "node:fs";
import { usageFailure } from "../failure.ts";
import { codeOf } from "../open-flags.ts";

const POLICY_FILE = /\.cedar$/;

/**
 * The names of the files of policies in a directory, sorted; none below it.
 *
 * @throws Failure for a directory that can't be read
 */
export function policyFilesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
      .filter((name) => POLICY_FILE.test(name))
      .sort();
  } catch (thrown) {
    throw usageFailure(`${directory}: can't be read (${codeOf(thrown)})`);
  }
}

/**
 * The same, for a directory whose policies are asked for: one that holds none is a path that was mistyped, or not mounted,
 * and the baseline alone is not what was meant.
 *
 * @param instead - what to give to have the baseline alone.
 * @throws Failure
 */
export function somePolicyFilesIn(directory: string, instead: string): readonly string[] {
  const files = policyFilesIn(directory);
  if (files.length === 0) {
    throw usageFailure(`${directory}: holds no file *.cedar; to have the baseline alone, ${instead}`);
  }
  return files;
}

/** Without a directory there is the baseline alone, so that nothing is left without that. @throws Failure */
export function checkBaselineAlone(baseline: boolean): void {
  if (!baseline) throw usageFailure("--no-baseline: only with policies of one's own");
}
