// What commands take to start, of the executable next to the same package under Node.js, in turns: `make bench-executable`.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ownArchitecture } from "../pack/architecture.ts";
import { putBeside } from "../pack/beside.ts";
import { writeExecutable, writeInside } from "../pack/executable.ts";
import { nodejsOf } from "../pack/nodejs.ts";
import { packStint } from "../pack/stint.ts";
import { ROOT } from "./checkout.ts";
import { machineName } from "./machine.ts";
import { median, pairedRatio } from "./paired-ratio.ts";
import { print, printRow } from "./table.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "30" } } });
const ROUNDS = Number(values.rounds);
const COMMANDS = [["--version"], ["step", "open", "--help"], ["policy", "validate"]];
const NAME = "stint-to-measure";

const work = mkdtempSync(join(tmpdir(), "stint-executable-"));
const folder = join(work, "stint");
const { bundled, installed } = await packStint(ROOT, folder);
putBeside(ROOT, installed, folder, ownArchitecture());
const inside = await writeInside(ROOT, folder, join(work, "inside"), bundled);
writeExecutable(ROOT, inside, ownArchitecture(), NAME, join(work, "out"), work);

// The same Node.js as is in the executable.
const nodejs = join(nodejsOf(ROOT, ownArchitecture()), "bin/node");
const underNode = [nodejs, join(folder, "dist/bundle/esm/stint.js")];
const executable = [join(work, "out", NAME, "stint")];
const widths = { first: 20, cell: 16 };
/** Each keeps what it compiles. */
const cacheOf = new Map<readonly string[], string>([
  [underNode, join(work, "cache-of-node")],
  [executable, join(work, "cache-of-executable")],
]);

print(
  `${machineName()}; until a command has ended, in ms, medians of ${ROUNDS}; above 1 the executable takes less, 95 %\n`,
);
printRow("", ["under Node.js", "executable", "ratio", "from", "to"], widths);
for (const args of COMMANDS) {
  const taken = [underNode, executable].map((program) => {
    // Compiles what is kept.
    msOf(program, args);
    return { program, ms: [] as number[] };
  });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { program, ms } of round % 2 === 0 ? taken : taken.toReversed()) ms.push(msOf(program, args));
  }
  const [base = [], head = []] = taken.map(({ ms }) => ms);
  const { ratio, low, high } = pairedRatio(base, head, "less");
  const cells = [median(base).toFixed(0), median(head).toFixed(0), ...[ratio, low, high].map((one) => one.toFixed(2))];
  printRow(args.join(" "), cells, widths);
}
rmSync(work, { recursive: true });

/** How long a command takes, in milliseconds. */
function msOf(program: readonly string[], args: readonly string[]): number {
  const [command = "", ...first] = program;
  const env = { HOME: work, XDG_CACHE_HOME: cacheOf.get(program) };
  const startedMs = performance.now();
  execFileSync(command, [...first, ...args], { stdio: "ignore", env });
  return performance.now() - startedMs;
}
