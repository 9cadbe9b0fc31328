import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";

/** One thing that somebody does with the program `stint` where it was installed. */
export type Use = {
  readonly claim: string;
  readonly command: readonly string[];
  /** @param said - on standard output. */
  readonly isSo: (said: string) => boolean;
};

/** Follows a link to the console, as somebody would: what the address shows is what a browser is given. */
const LOOK = `
  const { execFileSync } = require("node:child_process");
  const { url } = JSON.parse(execFileSync(process.argv[1], ["console", "open", "-o", "json"]));
  fetch(url).then((answer) => answer.text()).then((page) => console.log(page));`;

/**
 * Uses that need all that comes with a program: threads, migrations, policies, native parts, what reports are made of, the console.
 *
 * @param stint - path of the program.
 * @param folder - to write to.
 */
export function usesOf(stint: string, folder: string): readonly Use[] {
  const opening = ["step", "open", "--run", "r", "--step", "s", "--executor", "any", "--output", "json"];
  const report = join(folder, "report.pdf");
  const reporting = ["report", "--framework", "maestro", "--since", "1d", "--format", "pdf", "--out", report];
  return [
    {
      claim: "a broker opens a step",
      command: [stint, "dev", "--", stint, ...opening],
      isSo: (said) => said.includes("spiffe://stint-dev.invalid/agent/dev/run/r/step/s/1"),
    },
    {
      claim: "a broker serves its console",
      command: [stint, "dev", "--", process.execPath, "--eval", LOOK, stint],
      isSo: (said) => said.includes('<div id="app">'),
    },
    {
      claim: "stint writes a report, as PDF",
      command: [stint, "dev", "--", stint, ...reporting],
      isSo: () => readFileSync(report).subarray(0, 5).toString() === "%PDF-",
    },
    {
      claim: "the policies that come along are valid",
      command: ["sh", "-c", 'exec "$0" policy validate 2>&1', stint],
      isSo: (said) => said.includes("policies without a finding: 0, and 6 of the baseline"),
    },
  ];
}
