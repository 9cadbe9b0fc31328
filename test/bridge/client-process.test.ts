import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { connectOperator, type Operator } from "../../src/sdk/operator/index.ts";
import { runStint } from "../cli/running.ts";
import { STINT } from "../programs.ts";
import { type BridgeScene, bridgeScene } from "./bridge-scene.ts";

const AGENT = fileURLToPath(new URL("agent.ts", import.meta.url));
const CLIENT_KEY = "sk-the-client's-own";

let scene: BridgeScene;
let operator: Operator;
let directory: string;
let runs = 0;
beforeAll(async () => {
  scene = await bridgeScene();
  operator = connectOperator({ socket: scene.daemon.operatorSocket });
  directory = mkdtempSync(join(tmpdir(), "stint-bridge-test-"));
});
afterAll(async () => {
  operator?.close();
  rmSync(directory, { recursive: true });
  await scene?.close();
});

type Ran = {
  readonly child: ChildProcess;
  readonly runId: string;
  readonly out: () => string;
  readonly err: () => string;
  readonly said: (text: string) => Promise<void>;
  readonly exited: Promise<number | null>;
};

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Omit<Ran, "runId"> {
  const child = spawn(process.execPath, [STINT, "--socket", scene.endpoint, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: directory, ...environment },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const texts = { out: "", err: "" };
  const waiting = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    texts.out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    texts.err += text;
    for (const look of waiting) look();
  });
  const exited = once(child, "close").then(([status]) => status as number | null);
  const said = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => texts.err.includes(text) && resolve();
      waiting.add(look);
      look();
      void exited.then(() => reject(new Error(`it has ended without a word of ${text}: ${texts.err}`)));
    });
  return { child, out: () => texts.out, err: () => texts.err, said, exited };
}

/** `stint bridge` in a run of its own. */
function bridged(flags: readonly string[], client: readonly string[], tools: readonly string[] = ["search"]): Ran {
  runs += 1;
  const runId = `bridged-${runs}`;
  const step = ["--run", runId, "--step", "chat", "--agent", "clerk", "--grant", JSON.stringify(scene.grant(...tools))];
  return { ...start(["bridge", ...step, ...flags, "--", ...client]), runId };
}

const agent = (tool: string, { line = "2.x", status = 0 } = {}) => [
  process.execPath,
  AGENT,
  line,
  "{config}",
  "library",
  tool,
  String(status),
];
const library = () => ["--server", `library=${scene.origin}/mcp`];

async function stateOf(runId: string): Promise<string | undefined> {
  const { step } = await operator.steps.get({ by: { case: "name", value: { runId, step: "chat", attempt: 0 } } });
  return step && StepState[step.state];
}

const revoke = (runId: string) => operator.revocations.revoke({ target: { case: "runId", value: runId } });

/** A client's own configuration, with all that such files hold. */
function ownConfig(): string {
  const path = join(directory, `own-${runs}.json`);
  const servers = {
    library: {
      type: "http",
      url: `${scene.origin}/mcp`,
      headers: { Authorization: `Bearer ${CLIENT_KEY}`, "X-Api-Key": CLIENT_KEY },
      oauth: { clientSecret: CLIENT_KEY },
      timeout: 60_000,
    },
    files: { command: "npx", args: ["some-server"], env: { KEY: CLIENT_KEY } },
    elsewhere: { type: "http", url: "https://elsewhere.example/mcp" },
    older: { type: "sse", url: `${scene.origin}/mcp` },
    variable: { type: "http", url: `${scene.origin}/\${PATH_OF_IT}` },
  };
  writeFileSync(path, JSON.stringify({ theme: "dark", mcpServers: servers }, null, 2), { mode: 0o600 });
  return path;
}

describe("stint bridge -- CLIENT", () => {
  test.for(["2.x", "1.x"])(
    "an unmodified client of %s calls a tool as the step, which then is COMPLETED",
    async (line) => {
      const ran = bridged(library(), agent("search", { line }));
      expect([await ran.exited, ran.err()]).toEqual([0, "connected\n"]);
      const { answer, config, variable, modes, mcpServers, everything } = JSON.parse(ran.out());
      expect(answer).toMatchObject({ content: [{ text: "found it" }] });
      expect([variable, modes]).toEqual([config, ["600", "700"]]);
      expect(existsSync(config)).toBe(false);
      const { url, headers } = mcpServers.library;
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/library$/);
      const [, secret] = /^Bearer ([\w-]{43})$/.exec(headers.Authorization) ?? [];
      expect(JSON.stringify(everything)).not.toContain(secret);
      expect(ran.out()).not.toMatch(/ey[A-Za-z0-9_-]{20,}\./);
      await expect(fetch(url)).rejects.toThrow();
      expect(await stateOf(ran.runId)).toBe("COMPLETED");
    },
  );

  test("has the client's own file read as it is: with the step's servers at the bridge, and no others", async () => {
    const own = ownConfig();
    const before = readFileSync(own, "utf8");
    const ran = bridged(["--mcp-config", own], agent("search"));
    expect(await ran.exited).toBe(0);
    const { mcpServers, answer } = JSON.parse(ran.out());
    expect(answer).toMatchObject({ content: [{ text: "found it" }] });
    expect(mcpServers).toEqual({
      library: {
        type: "http",
        timeout: 60_000,
        url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/library$/),
        headers: { Authorization: expect.any(String) },
      },
    });
    expect(JSON.stringify(mcpServers)).not.toContain(CLIENT_KEY);
    expect(readFileSync(own, "utf8")).toBe(before);
    expect(ran.err().split("\n")).toEqual([
      "stint: server files is left out: the client starts it itself",
      "stint: server elsewhere is left out: the step's grant has no location for it",
      "stint: server older is left out: it speaks the older transport, sse",
      "stint: server variable is left out: its url is none, or has a variable in it",
      "connected",
      "",
    ]);
  });

  test("leaves the other servers as they are where it is told to", async () => {
    const own = ownConfig();
    const ran = bridged(["--mcp-config", own, "--other-servers", "keep"], agent("search"));
    expect(await ran.exited).toBe(0);
    const { mcpServers } = JSON.parse(ran.out());
    const { library: bridgedOne, ...others } = mcpServers;
    const { library: ownOne, ...ownOthers } = JSON.parse(readFileSync(own, "utf8")).mcpServers;
    expect(others).toEqual(ownOthers);
    expect(bridgedOne.url).not.toBe(ownOne.url);
  });

  test.for([
    { ends: "badly", client: () => agent("search", { status: 7 }), status: 7, state: "FAILED" },
    { ends: "by a signal of its own", client: () => ["sh", "-c", "kill -KILL $$"], status: 137, state: "FAILED" },
    { ends: "because it was asked to", client: () => ["sh", "-c", "kill -TERM $$"], status: 143, state: "CANCELLED" },
    { ends: "before it began", client: () => ["/nowhere/client"], status: 127, state: "FAILED" },
  ])("closes the step as the client ends: $ends", async ({ client, status, state }) => {
    const ran = bridged(library(), client());
    expect(await ran.exited).toBe(status);
    expect(await stateOf(ran.runId)).toBe(state);
  });

  test("that is told to stop has the client stopped, its file removed, and the step CANCELLED", async () => {
    const ran = bridged(library(), ["sh", "-c", 'echo "$STINT_MCP_CONFIG" >&2; echo ready >&2; exec sleep 600']);
    await ran.said("ready");
    const [path = ""] = ran.err().split("\n");
    expect(existsSync(path)).toBe(true);
    ran.child.kill("SIGTERM");
    expect(await ran.exited).toBe(143);
    expect(existsSync(path)).toBe(false);
    expect(await stateOf(ran.runId)).toBe("CANCELLED");
  });

  test("ends the client when the step is taken back, as stint step run does", async () => {
    const ran = bridged(library(), ["sh", "-c", "echo ready >&2; exec sleep 600"]);
    await ran.said("ready");
    await revoke(ran.runId);
    expect(await ran.exited).toBe(143);
    expect(ran.err()).toContain("the step is REVOKED: an operator took it back");
    expect(ran.err()).toContain("is ended: SIGTERM, and SIGKILL in 10 s");
  });

  test.for([
    { which: "that follows the broker", server: "mcp" },
    { which: "that knows nothing of it", server: "raw" },
  ])("tells the call that is under way then, at a server $which, and does not end with 0", async ({ server }) => {
    scene.answer(scene.unguarded);
    const begun = scene.waiting();
    const flags = ["--server", `library=${scene.origin}/${server}`, "--on-end", "ignore"];
    const ran = bridged(flags, agent("wait"), ["wait"]);
    await begun;
    await revoke(ran.runId);
    expect(await ran.exited).toBe(1);
    expect(JSON.parse(ran.out()).answer).toContain("STEP_CLOSED");
  });

  test.for([
    { proof: "dpop", scheme: /^DPoP ey/, header: "dpop" },
    { proof: "wpt", scheme: /^WPT ey/, header: "workload-identity-token" },
  ])("proves by $proof that tokens are its own, where it is told to", async ({ proof, scheme, header }) => {
    scene.seen.splice(0);
    const ran = bridged([...library(), "--proof", proof], agent("search"));
    expect(await ran.exited).toBe(0);
    expect(JSON.parse(ran.out()).answer).toMatchObject({ content: [{ text: "found it" }] });
    for (const { headers } of scene.seen) {
      expect(headers.authorization).toMatch(scheme);
      expect(headers[header]).toBeDefined();
    }
    expect(scene.seen.length).toBeGreaterThan(0);
  });

  test("the client is given no credential of the step, though it knows which step that is", async () => {
    const ran = bridged(library(), [
      process.execPath,
      STINT,
      "--socket",
      scene.endpoint,
      "svid",
      "jwt",
      "--audience",
      scene.origin,
    ]);
    expect([await ran.exited, ran.out()]).toEqual([1, ""]);
    expect(ran.err()).toContain("NOT_ENTITLED");
  });

  test("in a step that is its process's already, calls as that one, and leaves its end to who opened it", async () => {
    runs += 1;
    const runId = `bridged-${runs}`;
    const grant = JSON.stringify(scene.grant("search"));
    const step = ["step", "run", "--run", runId, "--step", "chat", "--agent", "clerk", "--grant", grant, "--"];
    const words = [process.execPath, STINT, "bridge", ...library(), "--", ...agent("search")];
    const ran = start([...step, ...words]);
    expect([await ran.exited, ran.err()]).toEqual([0, "connected\n"]);
    expect(JSON.parse(ran.out()).answer).toMatchObject({ content: [{ text: "found it" }] });
    expect(await stateOf(runId)).toBe("COMPLETED");
  });
});

describe("stint bridge runs nothing, and says what to mend", () => {
  const run = ["--run", "never", "--step", "chat", "--agent", "clerk"];
  const config = (text: string) => {
    const path = join(directory, "wrong.json");
    writeFileSync(path, text);
    return ["--mcp-config", path];
  };
  const touch = () => ["touch", join(directory, "ran")];
  test.for([
    {
      what: "no client",
      flags: () => [...run, ...library()],
      client: () => [],
      status: 2,
      says: "no client: it comes after --",
    },
    { what: "no step", flags: library, status: 2, says: "no step: name the one to open by --run and --step" },
    { what: "no server", flags: () => run, status: 2, says: "no server: name them by --mcp-config or --server" },
    {
      what: "a server without a name",
      flags: () => [...run, "--server", "https://a.example/mcp"],
      status: 2,
      says: "expected NAME=URL",
    },
    {
      what: "a server twice",
      flags: () => [...run, ...library(), ...library()],
      status: 2,
      says: "there are two servers library",
    },
    {
      what: "no such file",
      flags: () => [...run, "--mcp-config", "/nowhere"],
      status: 2,
      says: "can't read the file (ENOENT)",
    },
    { what: "no JSON", flags: () => [...run, ...config("{")], status: 2, says: "--mcp-config: is no JSON" },
    {
      what: "another format",
      flags: () => [...run, ...config('{"servers": {}}')],
      status: 2,
      says: "mcpServers: expected an object",
    },
    {
      what: "a server that is none",
      flags: () => [...run, ...config('{"mcpServers": {"a": 1}}')],
      status: 2,
      says: 'mcpServers."a": expected an object',
    },
    {
      what: "none of the servers granted",
      flags: () => [...run, ...library()],
      status: 1,
      says: "has a location for none of the servers",
    },
    {
      what: "a grant beyond the ceiling",
      flags: () => [
        ...run,
        ...library(),
        "--grant",
        JSON.stringify([{ ...scene.grant("search")[0], actions: ["write"] }]),
      ],
      status: 1,
      says: "POLICY_DENIED",
    },
    {
      what: "two steps",
      flags: () => [...run, ...library(), "--step-id", "step_1"],
      status: 2,
      says: "cannot be used with",
    },
    {
      what: "a step of somebody else",
      flags: () => [...library(), "--step-id", "step_01234567890123456789012345"],
      status: 1,
      says: "STEP_NOT_FOUND",
    },
  ])("$what", async ({ flags, client = touch, status, says }) => {
    const ran = await runStint(["--socket", scene.endpoint, "bridge", ...flags(), "--", ...client()]);
    expect([ran.status, ran.err]).toEqual([status, expect.stringContaining(says)]);
    expect(existsSync(join(directory, "ran"))).toBe(false);
  });
});
