import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { pythonIsMissing } from "../../conformance/python/python-environment.ts";
import { startTold } from "../../conformance/told-workload.ts";
import { testsWithoutTheFeed } from "../without-the-feed.ts";
import { testsAtABroker } from "./at-a-broker.ts";
import { testsAtAnApprover } from "./at-an-approver.ts";
import { installedPythonClient, PYTHON_CLIENT, type PythonClient } from "./python-client.ts";

// The package's own suite, run against the installed wheel; each of its tests is one here, so that CI counts and names it.

/** The first version that the package takes. */
const PYTHON_MINOR_MIN = 11;

/** What is written for the package, beside it. */
const PROGRAMS = [
  ...["tests", "generate.py", "bench.py", "../../test/clients/python/told_verifier.py"],
  ...["fastmcp", "mcp", "service", "runtime", "revocation"].map((name) => `../../test/docs/python_${name}.py`),
];

type Outcome = { readonly name: string; readonly failure: string | undefined };

const client = pythonIsMissing(PYTHON_MINOR_MIN) === undefined ? await installedPythonClient() : undefined;
const suite = client === undefined ? undefined : await ran(client);

async function ended(
  { python, environment }: PythonClient,
  args: readonly string[],
): Promise<{ readonly status: number | null; readonly output: string }> {
  const child = spawn(python, args, { cwd: PYTHON_CLIENT, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [status] = (await once(child, "close")) as [number | null];
  return { status, output };
}

async function ran(
  made: PythonClient,
): Promise<{ readonly status: number | null; readonly output: string; readonly outcomes: readonly Outcome[] }> {
  const report = join(made.installed, "../report.jsonl");
  mkdirSync(join(report, ".."), { recursive: true });
  const { status, output } = await ended(made, [
    "-m",
    "pytest",
    "-q",
    "-p",
    "no:cacheprovider",
    `--outcomes=${report}`,
  ]);
  const lines = readFileSync(report, "utf8").split("\n").slice(0, -1);
  return { status, output, outcomes: lines.map((line) => JSON.parse(line) as Outcome) };
}

describe.skipIf(client === undefined)("the Python package", () => {
  test.for(suite?.outcomes ?? [])("$name", ({ failure }) => {
    expect(failure).toBeUndefined();
  });

  test("its suite ran to the end, and the exit status says what its tests do", () => {
    const failed = suite?.outcomes.some(({ failure }) => failure !== undefined);
    expect(suite?.status, suite?.output).toBe(failed === true ? 1 : 0);
    expect(suite?.outcomes.length).toBeGreaterThan(0);
  });

  test("what is tested is the wheel, not the sources", async () => {
    if (client === undefined) return;
    const { output } = await ended(client, ["-c", "import stint_mcp; print(stint_mcp.__file__)"]);
    expect(output.trim()).toBe(join(client.installed, "stint_mcp/__init__.py"));
  });

  test("holds to its own types, and shows them to whoever imports it", async () => {
    if (client === undefined) return;
    const mypy = ["-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", join(client.installed, "../mypy")];
    const environment = { ...client.environment, MYPYPATH: `${client.installed}:tests` };
    const { output } = await ended({ ...client, environment }, [
      ...mypy,
      join(client.installed, "stint_mcp"),
      ...PROGRAMS,
    ]);
    expect(output).toMatch(/^Success: no issues found/);
  });
});

describe.skipIf(client === undefined)("a verifier in Python at a real broker", () => {
  if (client !== undefined) testsAtABroker(client);
});

describe.skipIf(client === undefined)("a runtime in Python whose steps have to be approved", () => {
  if (client !== undefined) testsAtAnApprover(client);
});

describe.skipIf(client === undefined)("a verifier in Python without the feed", () => {
  if (client === undefined) return;
  const command = ["env", `PYTHONPATH=${client.environment["PYTHONPATH"]}`, client.python, "-B"];
  const program = join(import.meta.dirname, "told_verifier.py");
  testsWithoutTheFeed((args, socket) => startTold([...command, program, ...args], socket));
});
