// Who imports whom: `src` must follow the rules in .dependency-cruiser.mjs, and so that the rules cannot go blind unnoticed, every
// violation planted under test/imports/planted must be reported by exactly the rules that its first line names.
import { globSync, readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import process from "node:process";
import { cruise, type IConfiguration, type ICruiseResult } from "dependency-cruiser";

const root = resolve(import.meta.dirname, "..");
const plantedRoot = resolve(root, "test/imports/planted");

const rules = (await import(resolve(root, ".dependency-cruiser.mjs"))) as {
  readonly default: IConfiguration;
  readonly roomNames: readonly string[];
};

/** A name under which anything could be put says nothing about what is in it. */
const DRAWERS = /(^|[/-])(util|utils|utility|helper|helpers|common|misc|manager)(\.ts|\/|$)/;

type Violation = { readonly rule: string; readonly from: string; readonly to: string };

async function violationsUnder(baseDir: string): Promise<{ modules: number; violations: readonly Violation[] }> {
  const { options, ...ruleSet } = rules.default;
  const { output } = await cruise(["src"], { ...options, baseDir, ruleSet, validate: true, outputType: "json" });
  const { modules, summary } = (typeof output === "string" ? JSON.parse(output) : output) as ICruiseResult;
  return {
    modules: modules.filter((module) => module.source.startsWith("src/")).length,
    // A cycle is reported once, for whichever of its modules was met first; it is the fault of each.
    violations: summary.violations.flatMap(({ rule, from, to, cycle }) => {
      const around = cycle?.map(({ name }) => name) ?? [];
      return around.length === 0
        ? [{ rule: rule.name, from, to }]
        : around.map((module) => ({ rule: rule.name, from: module, to: around.join(" → ") }));
    }),
  };
}

/** The rules that a planted file's first line says must report it: `// planted: rule rule`, or `nothing`. */
function plantedRules(file: string): readonly string[] {
  const [header = ""] = readFileSync(resolve(plantedRoot, file), "utf8").split("\n");
  const names = /^\/\/ planted: (.+)$/.exec(header)?.[1]?.split(" ") ?? ["(no header line)"];
  return names[0] === "nothing" ? [] : names.toSorted();
}

const findings: string[] = [];

const own = await violationsUnder(root);
if (own.modules === 0) {
  findings.push("no module was found under src: the check is blind");
}
findings.push(...own.violations.map(({ rule, from, to }) => `${from} → ${to}: ${rule}`));

const planted = await violationsUnder(plantedRoot);
const plantedFiles = globSync("src/**/*.ts", { cwd: plantedRoot });
if (plantedFiles.length === 0) {
  findings.push("no violation is planted under test/imports/planted: the check is unproven");
}
for (const file of plantedFiles) {
  const expected = plantedRules(file).join(" ");
  const reported = planted.violations.filter(({ from }) => from === file).map(({ rule }) => rule);
  const found = [...new Set(reported)].toSorted().join(" ");
  if (found !== expected) {
    findings.push(`planted ${file}: expected "${expected}", reported "${found}"`);
  }
}

for (const entry of readdirSync(resolve(root, "src"), { withFileTypes: true })) {
  const known = entry.isDirectory() ? rules.roomNames.includes(entry.name) : entry.name === "main.ts";
  if (!known) {
    findings.push(`src/${entry.name}: not in the table of rooms; a new one needs a decision record and its line there`);
  }
}
for (const file of globSync("{src,scripts,test}/**/*.ts", {
  cwd: root,
  exclude: ["**/node_modules/**", "src/gen/**"],
})) {
  if (DRAWERS.test(file)) {
    findings.push(`${file}: a drawer; name it after what is in it`);
  }
}

for (const finding of findings) {
  console.error(finding);
}
console.log(`imports: ${own.modules} modules, ${plantedFiles.length} planted, ${findings.length} findings`);
process.exitCode = findings.length === 0 ? 0 : 1;
