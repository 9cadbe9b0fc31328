import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** What each of the benchmark's scripts is told about the broker it loads. */
type Flag = "socket" | "operator" | "pid" | "run";

/** Flags of a script, all of which it is given. */
export function readFlags<Own extends string = never>(...own: readonly Own[]): Readonly<Record<Flag | Own, string>> {
  const names: readonly (Flag | Own)[] = ["socket", "operator", "pid", "run", ...own];
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  });
  for (const name of names) if (values[name] === undefined) throw new Error(`--${name} is missing`);
  return values as Record<Flag | Own, string>;
}

/**
 * The script's side of `startGenerator`: measures each time it is asked, and is idle in between. Returns when nothing more will
 * be asked.
 */
export async function measureWhenAsked<Asked>(measure: (asked: Asked) => Promise<object>): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  process.stdout.write("ready\n");
  for await (const line of lines) {
    process.stdout.write(`${JSON.stringify(await measure(JSON.parse(line) as Asked))}\n`);
  }
}
