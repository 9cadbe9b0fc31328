import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { startDaemon } from "../../daemon.ts";
import { READ_SEARCH, SEARCH } from "../../e2e/entries.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
];
const RUNTIME = fileURLToPath(new URL("spawning-runtime.ts", import.meta.url));

/** `undefined` for the one by which the list itself was read. */
function readlinkOf(number: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${number}`);
  } catch {
    return undefined;
  }
}

/** Of a child that a runtime started while it had a step, a connection and every kind of credential. */
let descriptors: string;
let environments: string;
let secrets: readonly string[];

beforeAll(async () => {
  await using daemon = await startDaemon({ entries: ENTRIES });
  const directory = mkdtempSync(join(tmpdir(), "stint-child-"));
  const found = join(directory, "found");
  const env = { PATH: process.env["PATH"], SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}` };
  const { stdout } = await promisify(execFile)(process.execPath, [RUNTIME, found, SEARCH], { env });
  secrets = JSON.parse(stdout) as readonly string[];
  [descriptors = "", environments = ""] = readFileSync(found, "utf8").split("\n\n");
  rmSync(directory, { recursive: true });
});

test("a child of a runtime inherits no socket and no file of it but what it was given", () => {
  // What this process, or whoever started it, left open for everybody is not the runtime's.
  const own = readdirSync("/proc/self/fd").flatMap((number) => {
    const target = readlinkOf(number);
    return target === undefined ? [] : [target];
  });
  const open = [...descriptors.matchAll(/ (\d+) -> (.*)$/gm)]
    .map(([, number = "", target = ""]) => [number, target] as const)
    .filter(([number, target]) => Number(number) <= 3 || !own.includes(target));
  // The fourth is the directory that is being listed.
  expect(open).toEqual([
    ["0", "/dev/null"],
    ["1", expect.stringMatching(/found$/)],
    ["2", expect.stringMatching(/found$/)],
    ["3", expect.stringMatching(/^\/proc\/\d+\/fd$/)],
  ]);
});

test("neither its environment nor that of the runtime, which it may read, holds anything of a credential", () => {
  expect(environments.match(/SPIFFE_ENDPOINT_SOCKET=/g)).toHaveLength(2);
  expect(secrets).toHaveLength(3);
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(100);
    expect(environments).not.toContain(secret);
  }
  expect(environments).not.toMatch(/eyJ|PRIVATE KEY|step_[0-9a-f]{8}/);
});
