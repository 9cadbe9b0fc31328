import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const STINT = fileURLToPath(new URL("../../src/cli/stint.ts", import.meta.url));
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/** What `stint` prints for these arguments, as an operator would call it. */
export async function stint(operatorSocket: string, ...args: readonly string[]): Promise<string> {
  const environment = { ...process.env, STINT_OPERATOR_SOCKET: operatorSocket };
  const { stdout } = await run(process.execPath, [STINT, ...args], { env: environment, maxBuffer: OUTPUT_BYTES_MAX });
  return stdout;
}

/** The same as data: rows of one object each. */
export async function stintRows<Row>(operatorSocket: string, ...args: readonly string[]): Promise<readonly Row[]> {
  const text = await stint(operatorSocket, "--output", "jsonl", ...args);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}
