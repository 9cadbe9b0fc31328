import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { STINT } from "../programs.ts";

const AUDIENCE = "http://localhost:3000/mcp";

let home: string;
let children: ChildProcess[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "stint-dev-test-"));
  children = [];
});

afterEach(async () => {
  for (const child of children) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill("SIGTERM");
    await once(child, "exit");
  }
  rmSync(home, { recursive: true, force: true });
});

type Ended = { readonly status: number | null; readonly out: string; readonly err: string };

function start(...args: readonly string[]) {
  // TMPDIR: what it makes of its own accord is then seen to be gone.
  const child = spawn(process.execPath, [STINT, "dev", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: home },
  });
  children.push(child);
  let out = "";
  let err = "";
  child.stdout.on("data", (bytes: Buffer) => {
    out += bytes.toString();
  });
  child.stderr.on("data", (bytes: Buffer) => {
    err += bytes.toString();
  });
  const ended = once(child, "close").then(([status]): Ended => ({ status: status as number | null, out, err }));
  return { child, ended };
}

/** Starts one without a command and waits for its first line of data. */
async function serving(directory: string, ...args: readonly string[]) {
  const { child, ended } = start("--dir", directory, ...args);
  const first = once(createInterface({ input: child.stdout }), "line").then(([line]) => line as string);
  const line = await Promise.race([first, ended.then(({ err }) => Promise.reject(new Error(err)))]);
  return { child, ended, line, directory };
}

function stint(directory: string, ...args: readonly string[]): unknown {
  const environment = {
    ...process.env,
    SPIFFE_ENDPOINT_SOCKET: `unix://${join(directory, "workload.sock")}`,
    STINT_OPERATOR_SOCKET: join(directory, "operator.sock"),
  };
  return JSON.parse(
    execFileSync(process.execPath, [STINT, "--output", "json", ...args], { env: environment, encoding: "utf8" }),
  );
}

describe("stint dev with a command", () => {
  test("runs it with the endpoints in its environment, ends with its status, and leaves nothing behind", async () => {
    const script =
      'test -S "/$(echo "$SPIFFE_ENDPOINT_SOCKET" | cut -d/ -f4-)" && test -S "$STINT_OPERATOR_SOCKET" && exit 7';
    const { status, out } = await start("--", "sh", "-c", script).ended;
    expect({ status, out }).toEqual({ status: 7, out: "" });
    expect(readdirSync(home)).toEqual([]);
  });

  test("passes on what asks it to end, and says by its status that the command was ended by a signal", async () => {
    const { child, ended } = start("--", "sh", "-c", "echo begun; exec sleep 60");
    await once(child.stdout, "data");
    child.kill("SIGTERM");
    expect(await ended).toMatchObject({ status: 143, out: "begun\n" });
    expect(readdirSync(home)).toEqual([]);
  });

  test("says with a shell's status that there is no such command", async () => {
    const { status, err } = await start("--", "no-such-program").ended;
    expect(status).toBe(127);
    expect(err).toContain("there is no such program");
    expect(readdirSync(home)).toEqual([]);
  });
});

describe("stint dev without a command", () => {
  test("puts sockets, bundle and URL into its directory, and takes them and nothing else away when it is ended", async () => {
    const directory = join(home, "dev");
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, "mine.txt"), "");
    const { child, ended, line } = await serving(directory);
    expect(line).toBe(`export SPIFFE_ENDPOINT_SOCKET=unix://${join(directory, "workload.sock")}`);
    expect(readdirSync(directory)).toEqual(
      expect.arrayContaining(["bundle.json", "http.url", "mine.txt", "operator.sock", "workload.sock"]),
    );
    const bundle = JSON.parse(readFileSync(join(directory, "bundle.json"), "utf8")) as { keys: unknown[] };
    expect(bundle.keys).toHaveLength(3);
    const url = readFileSync(join(directory, "http.url"), "utf8").trim();
    const discovery = await fetch(`${url}/.well-known/openid-configuration`);
    expect(await discovery.json()).toMatchObject({ issuer: url, jwks_uri: `${url}/jwks.json` });

    child.kill("SIGINT");
    expect(await ended).toMatchObject({ status: 0 });
    expect(readdirSync(directory)).toEqual(["mine.txt"]);
  });

  test("makes a directory that is missing, and takes it away again", async () => {
    const directory = join(home, "new");
    const { child, ended } = await serving(directory);
    child.kill("SIGTERM");
    await ended;
    expect(existsSync(directory)).toBe(false);
  });

  test("says that its directory can't be made, as a mistake of usage", async () => {
    writeFileSync(join(home, "file"), "");
    const { status, out, err } = await start("--dir", join(home, "file", "dev")).ended;
    expect({ status, out, err }).toEqual({ status: 2, out: "", err: "stint: --dir: can't be made (ENOTDIR)\n" });
  });

  test("tells of a verifier with its name and its bound, each under its word", async () => {
    const directory = join(home, "dev");
    const { child } = await serving(directory);
    const told = Promise.withResolvers<string>();
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.includes("a verifier listens")) told.resolve(line);
    });
    const options = {
      endpoint: `unix://${join(directory, "workload.sock")}`,
      audiences: [AUDIENCE],
      development: true,
    };
    await using verifier = createVerifier(options);
    await verifier.ready();
    expect(await told.promise).toBe("stint dev: a verifier listens (verifier dev, maxStalenessSeconds 60)");
  });

  test("refuses a directory where another one serves, and leaves that one alone", async () => {
    const directory = join(home, "dev");
    await serving(directory);
    const second = await start("--dir", directory).ended;
    expect(second).toMatchObject({ status: 2, out: "" });
    expect(second.err).toContain("somebody listens there already");
    // Agent, runtime, verifier, operator, and the broker itself.
    expect(stint(directory, "entry", "list")).toHaveLength(5);
  });

  test("lets a step be opened for any process, whose credentials hold where development is permitted, and only there", async () => {
    const { directory } = await serving(join(home, "dev"), "--audience", "https://mcp.example.com");
    const grant = [
      { type: "mcp_tool", locations: [AUDIENCE], identifier: "*", actions: ["write"], datatypes: ["secret"] },
    ];
    stint(directory, "step", "open", "--run=r", "--step=s", "--executor=any", `--grant=${JSON.stringify(grant)}`);

    const endpoint = `unix://${join(directory, "workload.sock")}`;
    using runtime = createStint({ endpoint });
    const step = await runtime.resumeStep({ runId: "r", step: "s", hold: false });
    expect(step.spiffeId).toBe("spiffe://stint-dev.invalid/agent/dev/run/r/step/s/1");
    const token = (await step.jwtSvid(AUDIENCE)).svid();

    await using told = createVerifier({
      endpoint,
      audiences: [AUDIENCE, "https://mcp.example.com"],
      development: true,
    });
    await told.ready();
    const verified = told.verify(token);
    told.authorize(verified, { tool: "anything", actions: ["write"], datatypes: ["secret"] });

    await using untold = createVerifier({ endpoint, audiences: [AUDIENCE] });
    await untold.ready();
    expect(() => untold.verify(token)).toThrow(/for development only/);
  });
});
