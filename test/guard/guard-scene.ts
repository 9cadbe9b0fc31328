import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type ClientOptions, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { onTestFinished } from "vitest";
import { stringify } from "yaml";
import { createStint, type Grant, type Step, type Stint } from "../../src/sdk/runtime/index.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { STINT } from "../programs.ts";

export const RESOURCE = "https://legacy.example/mcp";
export const SECRET = "s3cr3t-k3y/with+odd=characters";

export type GuardProcess = {
  readonly url: string;
  readonly stderr: () => string;
  /** Resolves when the guard has said this. */
  said(text: string): Promise<void>;
  /** SIGTERM, and the exit status. */
  stop(): Promise<number | null>;
};

export type GuardScene = {
  readonly daemon: Daemon;
  readonly stint: Stint;
  /** Runs `stint guard` with a file that has this beside what every guard has, until the test ends. */
  guard(config: Readonly<Record<string, unknown>>, command?: readonly string[]): Promise<GuardProcess>;
  /** The same, for one that does not come up. @returns exit status and what it says. */
  failing(
    config: Readonly<Record<string, unknown>>,
    command?: readonly string[],
  ): Promise<readonly [number | null, string]>;
  /** A step with these tools of the server. */
  step(...tools: readonly string[]): Promise<Step>;
  /** One that may write with them too. */
  writingStep(...tools: readonly string[]): Promise<Step>;
  /** An unmodified client of a step. */
  client(step: Step, guard: GuardProcess, options?: ClientOptions): Promise<Client>;
  close(): Promise<void>;
};

/** A real broker, and runtimes and verifiers of this user. */
export async function guardScene(): Promise<GuardScene> {
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const ceiling: Grant = [
    { type: "mcp_tool", locations: [RESOURCE], identifier: "*", actions: ["read", "write"], datatypes: ["internal"] },
  ];
  const daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "clerk", selectors, ceiling },
      { kind: "runtime", name: "flow", selectors, agents: ["clerk"] },
      { kind: "verifier", name: "guard", selectors, audiences: [RESOURCE] },
    ],
  });
  const endpoint = `unix://${daemon.workloadSocket}`;
  const stint = createStint({ endpoint, agent: "clerk" });
  const directory = mkdtempSync(join(tmpdir(), "stint-guard-"));
  let files = 0;

  function start(config: Readonly<Record<string, unknown>>, command: readonly string[]) {
    files += 1;
    const [secret, path] = [join(directory, `secret-${files}`), join(directory, `guard-${files}.yaml`)];
    writeFileSync(secret, `${SECRET}\n`, { mode: 0o600 });
    const whole = {
      resource: RESOURCE,
      issuer: "https://broker.example.org",
      listen: "127.0.0.1:0",
      development: true,
      secrets: { key: { file: secret } },
      ...config,
    };
    writeFileSync(path, stringify(whole), { mode: 0o600 });
    const rest = command.length === 0 ? [] : ["--", ...command];
    const child = spawn(process.execPath, [STINT, "--socket", endpoint, "guard", "--config", path, ...rest], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    let stderr = "";
    const waiting = new Set<() => void>();
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      for (const look of waiting) look();
    });
    const exited = once(child, "exit").then(([status]) => status as number | null);
    return {
      exited,
      stderr: () => stderr,
      said: (text: string) =>
        new Promise<void>((resolve, reject) => {
          const look = () => {
            if (!stderr.includes(text)) return;
            waiting.delete(look);
            resolve();
          };
          waiting.add(look);
          look();
          void exited.then(() => reject(new Error(`the guard has ended: ${stderr}`)));
        }),
      stop() {
        child.kill("SIGTERM");
        return exited;
      },
    };
  }

  async function openStep(tools: readonly string[], actions: Grant[number]["actions"]): Promise<Step> {
    files += 1;
    const element = { type: "mcp_tool", locations: [RESOURCE], actions, datatypes: ["internal"] } as const;
    const grant = tools.map((identifier) => ({ ...element, identifier }));
    const step = await stint.openStep({ runId: `run-${files}`, step: "work", grant });
    onTestFinished(async () => void (await step.close()));
    return step;
  }

  return {
    daemon,
    stint,
    async guard(config, command = []) {
      const { said, stderr, stop } = start(config, command);
      onTestFinished(async () => void (await stop()));
      await said(" is served at ");
      const [, url = ""] = / is served at (\S+)/.exec(stderr()) ?? [];
      return { url, stderr, said, stop };
    },
    async failing(config, command = []) {
      const { exited, stderr } = start(config, command);
      return [await exited, stderr()];
    },
    step: (...tools) => openStep(tools, ["read"]),
    writingStep: (...tools) => openStep(tools, ["read", "write"]),
    async client(step, { url }, options = {}) {
      const client = new Client({ name: "agent", version: "1" }, options);
      const transport = new StreamableHTTPClientTransport(new URL("/mcp", url), {
        fetch: async (target, init) => {
          const headers = new Headers(init?.headers);
          headers.set("authorization", (await step.jwtSvid(RESOURCE)).authorization());
          return fetch(target, { ...init, headers });
        },
      });
      await client.connect(transport);
      onTestFinished(() => client.close());
      return client;
    },
    async close() {
      stint.close();
      await daemon[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    },
  };
}
