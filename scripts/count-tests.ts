// Prints `N passed, N failed` for the JSON report of a test run, the form in which CI reads it. The argument is the report's file.
import { readFileSync } from "node:fs";
import process from "node:process";

type Report = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { status: string }[];
  }[];
};

const [file] = process.argv.slice(2);
if (file === undefined) {
  throw new Error("usage: count-tests.ts <report.json>");
}
const report = JSON.parse(readFileSync(file, "utf8")) as Report;

// A file that failed before any of its tests could run (an import that throws) has no failed test to be counted by.
const brokenFiles = report.testResults.filter(
  ({ status, assertionResults }) => status === "failed" && assertionResults.every((test) => test.status !== "failed"),
).length;
console.log(`${report.numPassedTests} passed, ${report.numFailedTests + brokenFiles} failed`);
