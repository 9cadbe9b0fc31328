import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GO_BUILD_MS_MAX, goIsMissing } from "../../conformance/go-toolchain.ts";
import { startTold } from "../../conformance/told-workload.ts";
import { testsWithoutTheFeed } from "../without-the-feed.ts";
import { testsAtABroker } from "./at-a-broker.ts";
import { copiedGoClient, GO_CLIENT, type GoClient, repository } from "./go-client.ts";

// The module's own suite, run in a copy of it; each of its tests is one here, so that CI counts and names it.

type Outcome = { readonly name: string; readonly failure: string | undefined };
type Line = { readonly Action: string; readonly Package?: string; readonly Test?: string; readonly Output?: string };

const client = goIsMissing("the tests of the Go module") ? undefined : copiedGoClient();
const suite = client === undefined ? undefined : await ran(client);

afterAll(() => {
  if (client !== undefined) rmSync(client.folder, { recursive: true, force: true });
});

async function ended(
  { module, environment }: GoClient,
  command: readonly string[],
): Promise<{ readonly status: number | null; readonly output: string; readonly complaints: string }> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { cwd: module, env: environment, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  let complaints = "";
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    complaints += chunk.toString();
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { status, output, complaints };
}

async function ran(made: GoClient) {
  const { status, output, complaints } = await ended(made, ["go", "test", "-json", "-timeout", "5m", "./..."]);
  const said = new Map<string, string>();
  const outcomes: Outcome[] = [];
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  for (const { Action: action, Package: of, Test: name, Output: text } of lines.map(
    (line) => JSON.parse(line) as Line,
  )) {
    // What the compiler says is of no package; the exit status tells of it.
    if (of === undefined) continue;
    const test = `${of.replace("stint.example/", "")}: ${name}`;
    if (action === "output") said.set(test, (said.get(test) ?? "") + text);
    if (name === undefined || (action !== "pass" && action !== "fail")) continue;
    outcomes.push({ name: test, failure: action === "fail" ? said.get(test) : undefined });
  }
  return { status, output: complaints + output, outcomes: outcomes.filter(({ name }) => !hasParts(name, outcomes)) };
}

/** A test that only holds others is not counted beside them. */
function hasParts(name: string, outcomes: readonly Outcome[]): boolean {
  return outcomes.some((other) => other.name.startsWith(`${name}/`));
}

describe.skipIf(client === undefined)("the Go module", () => {
  test.for(suite?.outcomes ?? [])("$name", ({ failure }) => {
    expect(failure).toBeUndefined();
  });

  test("its suite ran to the end, and the exit status says what its tests do", () => {
    const failed = suite?.outcomes.some(({ failure }) => failure !== undefined);
    expect(suite?.status, suite?.output).toBe(failed === true ? 1 : 0);
    expect(suite?.outcomes.length).toBeGreaterThan(0);
  });

  test("is written as gofmt writes it, and go vet finds nothing in it", async () => {
    if (client === undefined) return;
    const formatted = await ended(client, ["gofmt", "-l", ".", "../programs"]);
    expect(formatted).toEqual({ status: 0, output: "", complaints: "" });
    expect(await ended(client, ["go", "vet", "./..."])).toEqual({ status: 0, output: "", complaints: "" });
  });

  test("its messages are what proto says", { timeout: GO_BUILD_MS_MAX }, async () => {
    if (client === undefined) return;
    const generated = join(client.folder, "generated");
    const command = ["buf", "generate", "--template", "clients/go/buf.gen.yaml", "--output", generated];
    expect(await ended({ ...client, module: repository }, command)).toMatchObject({ status: 0 });
    const messages = "internal/stintv1";
    expect(textsIn(join(generated, "clients/go", messages))).toEqual(textsIn(join(GO_CLIENT, messages)));
  });

  test("needs what its go.mod says, no more and no less", { timeout: GO_BUILD_MS_MAX }, async () => {
    if (client === undefined) return;
    const { status, output } = await ended(client, ["go", "mod", "tidy", "-diff"]);
    expect({ status, output }).toEqual({ status: 0, output: "" });
  });
});

function textsIn(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

describe.skipIf(client === undefined)("a verifier in Go at a real broker", () => {
  if (client !== undefined) testsAtABroker(client);
});

describe.skipIf(client === undefined)("a verifier in Go without the feed", () => {
  if (client === undefined) return;
  let told: string;
  beforeAll(async () => {
    told = await client.build("told");
  }, GO_BUILD_MS_MAX);
  testsWithoutTheFeed((args, socket) => startTold([told, ...args], socket));
});
