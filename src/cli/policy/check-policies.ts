import { readdirSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createCedarEngine } from "../../adapters/policy-cedar/cedar-engine.ts";
import { type PoliciesRead, readPolicies, readPolicyFiles } from "../../adapters/policy-cedar/read-policies.ts";
import { type DataClasses, NO_DATA_CLASSES } from "../../domain/data-classes.ts";
import type { PolicyEngine, PolicyFinding } from "../../ports/policy-engine.ts";
import { EXIT, ExitStatus, usageFailure } from "../failure.ts";
import { findingView, formatFinding, resultView } from "../output/policy-view.ts";
import type { Session } from "../session.ts";
import { checkBaselineAlone, policyFilesIn, somePolicyFilesIn } from "./policy-files-in.ts";
import { type CasesRead, type PolicyCase, readCases } from "./read-cases.ts";
import { type CaseResult, runCase } from "./run-cases.ts";

export type PolicyOptions = { readonly baseline: boolean };

const TEST_FILE = /\.test\.ya?ml$/;
const TEST_FILE_BYTES_MAX = 1024 * 1024;

/** `stint policy validate`. @throws ExitStatus for policies with findings, Failure */
export async function validatePolicies(
  session: Session,
  { baseline }: PolicyOptions,
  paths: readonly string[],
): Promise<void> {
  const [directory, ...others] = paths;
  if (directory === undefined) checkBaselineAlone(baseline);
  else if (others.length === 0 && isDirectory(directory)) somePolicyFilesIn(directory, "give no directory");
  const { policies, shippedCount, findings, ignored, pathOf } = await readPaths(paths, baseline);
  await withEngine(async (engine) => {
    const found = [...findings, ...(await engine.check({ policies, dataClasses: NO_DATA_CLASSES }))];
    await report(session, found, ignored, pathOf);
    // Apart, so that a directory without a policy of its own is seen to be one.
    const shipped = shippedCount === 0 ? "" : `, and ${shippedCount} of the baseline`;
    session.note(`policies without a finding: ${policies.length - shippedCount}${shipped}`);
  });
}

/** `stint policy test`. @throws ExitStatus for findings and for cases that failed, Failure */
export async function testPolicies(session: Session, { baseline }: PolicyOptions, directory: string): Promise<void> {
  // Cases of the baseline need no policies beside them; whoever mistook the directory still reads which were asked.
  const isWithoutOwn = isDirectory(directory) && policyFilesIn(directory).length === 0;
  const { policies, findings, ignored, pathOf } = await readPaths(isWithoutOwn ? [] : [directory], baseline);
  const files = await Promise.all(testFilesIn(directory).map((name) => readCaseFile(join(directory, name))));
  if (files.length === 0) throw usageFailure(`${directory}: no file named *.test.yaml`);
  if (isWithoutOwn) {
    const asked = baseline ? "the baseline alone is" : "no policies are";
    session.note(`${directory}: holds no file *.cedar, so ${asked} asked`);
  }
  await withEngine(async (engine) => {
    const found = [...findings, ...(await engine.check({ policies, dataClasses: NO_DATA_CLASSES }))];
    const inCases = files.flatMap((file) => file.findings);
    await report(session, [...found, ...inCases], ignored, pathOf);
    const results: CaseResult[] = [];
    for (const [index, { cases, dataClasses }] of files.entries()) {
      results.push(...(await runFile(engine, String(index), { policies, dataClasses }, cases)));
    }
    await session.print.rows(resultView, results);
    const failed = results.filter(({ differences }) => differences.length > 0).length;
    session.note(`passed: ${results.length - failed}, failed: ${failed}`);
    if (failed > 0) throw new ExitStatus(EXIT.refused);
  });
}

/** The classes of data belong to the set, so each file of cases has a set of its own. */
async function runFile(
  engine: PolicyEngine,
  root: string,
  set: { readonly policies: PoliciesRead["policies"]; readonly dataClasses: DataClasses },
  cases: readonly PolicyCase[],
): Promise<readonly CaseResult[]> {
  await engine.load(root, set);
  const results = await Promise.all(cases.map((one) => runCase(engine, root, one)));
  engine.unload(root);
  return results;
}

async function withEngine(act: (engine: PolicyEngine) => Promise<void>): Promise<void> {
  const engine = createCedarEngine();
  try {
    await act(engine);
  } finally {
    await engine.close();
  }
}

type ReadPaths = PoliciesRead & {
  /** How many of the policies come with Stint. */
  readonly shippedCount: number;
  pathOf(finding: { readonly file: string }): string;
};

async function readPaths(paths: readonly string[], baseline: boolean): Promise<ReadPaths> {
  const [directory, ...others] = paths;
  const shipped = await readPolicies({ baseline });
  const shippedCount = shipped.policies.length;
  if (directory === undefined) return { ...shipped, shippedCount, pathOf: ({ file }) => file };
  if (others.length === 0 && isDirectory(directory)) {
    const names = new Set(readdirSync(directory));
    const read = await readPolicies({ baseline, directory });
    return { ...read, shippedCount, pathOf: ({ file }) => (names.has(file) ? join(directory, file) : file) };
  }
  const own = await readPolicyFiles(paths);
  return {
    policies: [...own.policies, ...shipped.policies],
    shippedCount,
    findings: own.findings,
    ignored: own.ignored,
    pathOf: ({ file }) => file,
  };
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function testFilesIn(directory: string): readonly string[] {
  return isDirectory(directory)
    ? readdirSync(directory)
        .filter((name) => TEST_FILE.test(name))
        .sort()
    : [];
}

async function readCaseFile(path: string): Promise<CasesRead> {
  if (statSync(path).size > TEST_FILE_BYTES_MAX) throw usageFailure(`${path}: at most ${TEST_FILE_BYTES_MAX} bytes`);
  return readCases(await readFile(path, "utf8"), path);
}

/** @throws ExitStatus when there is a finding */
async function report(
  session: Session,
  findings: readonly PolicyFinding[],
  ignored: readonly PolicyFinding[],
  pathOf: ReadPaths["pathOf"],
): Promise<void> {
  for (const finding of ignored) session.note(`${pathOf(finding)}: ${finding.message}`);
  if (findings.length === 0) return;
  const placed = findings.map((finding) => ({ ...finding, file: pathOf(finding) }));
  if (session.globals.output !== "table") await session.print.rows(findingView, placed);
  else session.context.out.write(placed.map(formatFinding).join(""));
  throw new ExitStatus(EXIT.refused);
}
