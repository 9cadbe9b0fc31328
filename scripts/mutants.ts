// Breaks a folder of the sources in every small way, one way at a time, and tells which breaks no test notices.
//   node scripts/mutants.ts src/decide [test/decide test/open …]      FRESH=1 asks everything anew
//
// Method: StrykerJS writes all the mutations into a copy of the checkout below build, and for each runs the tests that reach it, in
// its own process. A daemon, a worker thread or a program that a test starts runs unbroken code there, so such tests notice
// nothing: what only they guard is reported as unnoticed.
// Results are kept in build/mutants. Asked again is what changed in the mutated files and in the test files; a change elsewhere, in a
// test's scene or in code that is called, goes unseen. An interrupted run leaves nothing, so a large folder may be asked file by file.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";
import type { LogLevel, MutantResult } from "@stryker-mutator/api/core";
import { Stryker } from "@stryker-mutator/core";

/**
 * Whose tests can notice, beside those in the folder of the same name. In process, and quick, for each mutant costs a run of them: the
 * fuzz tests and the conformance suites take too long, and are for what survives (`TESTS`).
 */
const FURTHER_TESTS: Readonly<Record<string, readonly string[]>> = {
  attest: ["test/api/grpc", "test/issue"],
  audit: ["test/api/http/introspection.test.ts"],
  authority: ["test/issue", "test/conformance/crl.test.ts"],
  close: ["test/open", "test/api/grpc", "test/simulation"],
  decide: ["test/open", "test/issue", "test/simulation"],
  domain: ["test/verify", "test/pins", "test/adapters/x509-der", "test/adapters/jwt-es256"],
  federation: ["test/main"],
  follow: ["test/stream", "test/simulation"],
  issue: ["test/open", "test/stream", "test/simulation"],
  ledger: ["test/contract/ledger-memory.test.ts", "test/adapters/ledger-sqlite/projections.test.ts", "test/simulation"],
  open: ["test/decide", "test/issue", "test/simulation"],
  registry: [],
  stream: ["test/simulation"],
  verify: ["test/conformance/x509-svid.test.ts", "test/conformance/csr.test.ts"],
};

const KEPT = "build/mutants";
const CONCURRENT_RUNS = 2;
/** On top of four times what the tests took unbroken: the machine may be busy, and only a loop without end takes this long. */
const TIMEOUT_MS = 30_000;
const SHOWN_CHARACTERS_MAX = 100;

const [first = "", ...asked] = process.argv.slice(2);
const only = first.replace(/\/+$/, "");
const room = /^src\/([a-z-]+)(\/.*)?$/.exec(only)?.[1];
if (room === undefined || !existsSync(only)) {
  refuse(`which folder, or file, of src? e.g. make mutants ONLY=src/decide${only === "" ? "" : `; not: ${only}`}`);
}
const tests = asked.length > 0 ? asked : [`test/${room}`, ...(FURTHER_TESTS[room] ?? [])].filter(existsSync);
for (const path of tests) if (!existsSync(path)) refuse(`no such tests: ${path}`);
if (tests.length === 0)
  refuse(`no tests are known for src/${room}: name their folders, e.g. TESTS="test/cli test/e2e"`);

const sandbox = `${KEPT}/${room}-sandbox`;
// Of a run that was interrupted.
rmSync(sandbox, { recursive: true, force: true });
forgetStatic(`${KEPT}/${room}.json`);
process.env["STINT_MUTANTS_TESTS"] = JSON.stringify(
  tests.map((path) => (isFolder(path) ? `${path}/**/*.test.ts` : path)),
);
// The simulation with one seed, so that two runs of the same code say the same, and short: every mutant that survives costs one.
process.env["FC_SEED"] ??= "1";
process.env["FC_RUNS"] ??= "30";

const results = await new Stryker({
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner", "./scripts/mutants/phrases.ts"],
  ignorers: ["phrases"],
  mutate: [isFolder(only) ? `${only}/**/*.ts` : only],
  // Only test files that import what is mutated, directly or not: with the others too a run costs three times as much.
  vitest: { pool: "forks", related: true, configFile: "scripts/mutants/vitest.config.ts" },
  allowEmpty: true,
  ignorePatterns: ["build", "dist", "coverage", "docs"],
  // Node strips the types, so nothing checks them; and the sources stay as they are but for the mutations.
  disableTypeChecks: false,
  incremental: true,
  incrementalFile: `${KEPT}/${room}.json`,
  force: process.env["FRESH"] !== undefined,
  tempDirName: sandbox,
  cleanTempDir: "always",
  reporters: ["json", process.stdout.isTTY ? "progress" : "progress-append-only"],
  jsonReporter: { fileName: `${KEPT}/${room}-report.json` },
  concurrency: CONCURRENT_RUNS,
  timeoutMS: TIMEOUT_MS,
  timeoutFactor: 4,
  dryRunTimeoutMinutes: 15,
  logLevel: "warn" as LogLevel,
  // That a mutant of what a module holds takes a run of all tests is known, and wanted: bounds and tables are such.
  warnings: { slow: false, unknownOptions: true, preprocessorErrors: true, unserializableOptions: true },
  allowConsoleColors: process.env["NO_COLOR"] === undefined,
}).runMutationTest();

if (results.length === 0) refuse(`nothing there can be broken, or no test imports it: ${tests.join(" ")}`);
report(
  results
    .map((mutant) => ({ ...mutant, fileName: relative(process.cwd(), mutant.fileName) }))
    .filter(({ fileName }) => fileName === only || fileName.startsWith(`${only}/`)),
);

function report(mutants: readonly MutantResult[]): void {
  const count = (...statuses: readonly MutantResult["status"][]) =>
    mutants.filter(({ status }) => statuses.includes(status)).length;
  const unnoticed = mutants.filter(({ status }) => status === "Survived" || status === "NoCoverage");
  for (const mutant of unnoticed) console.log(describe(mutant));
  const noticed = count("Killed", "Timeout");
  const all = noticed + unnoticed.length;
  const score = all === 0 ? "–" : `${((100 * noticed) / all).toFixed(1)} %`;
  console.log(
    `\n${only}: ${noticed} of ${all} mutants noticed, ${score}; ${count("Survived")} survived, ${count("NoCoverage")} that no test reaches; ` +
      `left out: ${count("Ignored")} texts for people, ${count("RuntimeError", "CompileError")} that do not run`,
  );
  console.log(`by ${tests.join(" ")}; all of it in ${KEPT}/${room}-report.json`);
}

/**
 * Takes out of the kept results what survived of what a module holds. No test is known to reach that, so StrykerJS could not tell
 * that a test is new, and would keep the result for good.
 */
function forgetStatic(path: string): void {
  if (!existsSync(path)) return;
  const kept = JSON.parse(readFileSync(path, "utf8")) as {
    readonly files: Readonly<Record<string, { mutants: readonly Pick<MutantResult, "coveredBy" | "status">[] }>>;
  };
  for (const file of Object.values(kept.files)) {
    file.mutants = file.mutants.filter(({ status, coveredBy = [] }) => status !== "Survived" || coveredBy.length > 0);
  }
  writeFileSync(path, JSON.stringify(kept));
}

/** file:line:column, what is there, what was put in its place. */
function describe({ fileName, location: { start, end }, replacement, status }: MutantResult): string {
  const lines = readFileSync(fileName, "utf8")
    .split("\n")
    .slice(start.line - 1, end.line);
  const cut = lines.map((line, index) =>
    line.slice(index === 0 ? start.column - 1 : 0, index === lines.length - 1 ? end.column - 1 : undefined),
  );
  const where = `${fileName}:${start.line}:${start.column}`;
  return `${where} ${shown(cut.join("\n"))} → ${shown(replacement ?? "")}${status === "NoCoverage" ? " (not reached)" : ""}`;
}

function shown(code: string): string {
  const line = code.replace(/\s+/g, " ");
  return line.length <= SHOWN_CHARACTERS_MAX ? line : `${line.slice(0, SHOWN_CHARACTERS_MAX)}…`;
}

function isFolder(path: string): boolean {
  return statSync(path).isDirectory();
}

function refuse(why: string): never {
  console.error(why);
  process.exit(2);
}
