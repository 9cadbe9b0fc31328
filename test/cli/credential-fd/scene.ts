import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { STINT } from "../../programs.ts";

export const FIRST = "https://first.example/mcp";
export const SECOND = "https://second.example/mcp";
export const IDENTITY = "https://identity.example";
/** As short as an entry may have it. */
const TTL_SECONDS = 10;

const selectors = [`unix:uid:${process.getuid?.()}`];
const mayRead = (location: string) => ({
  type: "mcp_tool",
  locations: [location],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
});
export const GRANT = JSON.stringify([mayRead(FIRST), mayRead(SECOND)]);

const agent = { kind: "agent", selectors, ceiling: [mayRead(FIRST), mayRead(SECOND)], audiences: [IDENTITY] };
export const ENTRIES = [
  { ...agent, name: "a" },
  { ...agent, name: "brief", jwt_svid_ttl: `${TTL_SECONDS}s` },
  { ...agent, name: "forking", allow_executor_tree: true },
  { ...agent, name: "elsewhere", selectors: [...selectors, "unix:path:/nowhere/agent"] },
  {
    kind: "runtime",
    name: "graph",
    selectors,
    agents: ["a", "brief", "forking", "elsewhere"],
    allow_descendants: true,
  },
];

export type Line = { readonly audience: string; readonly token: string; readonly expires_at: string };

export type Running = {
  readonly child: ChildProcess;
  out(): string;
  err(): string;
  /** Resolves once standard output has this many lines, and gives all that it has then. */
  lines(count: number): Promise<readonly string[]>;
  readonly exited: Promise<number | null>;
};

export function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [STINT, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    out += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    err += chunk;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "close").then(([code]) => code as number | null);
  const whole = () => out.split("\n").slice(0, -1);
  return {
    child,
    out: () => out,
    err: () => err,
    async lines(count) {
      while (whole().length < count) {
        if (child.stdout.readableEnded) throw new Error(`ended with ${out}\n${err}`);
        await Promise.race([once(child.stdout, "data"), once(child.stdout, "end")]);
      }
      return whole();
    },
    exited,
  };
}

type Given = {
  readonly step: string;
  readonly agent?: string;
  readonly flags?: readonly string[];
};

/** `stint step run --credential-fd`, of the run `r`. */
function argumentsOf(socket: string, command: readonly string[], given: Given): readonly string[] {
  const { step, agent = "a", flags = ["--grant", GRANT] } = given;
  const args = ["--socket", socket, "step", "run", "--run", "r", "--step", step, "--agent", agent, "--credential-fd"];
  return [...args, ...flags, "--", ...command];
}

/** The same as a command that somebody else starts. */
export function commandOf(socket: string, command: readonly string[], given: Given): readonly string[] {
  return [process.execPath, STINT, ...argumentsOf(socket, command, given)];
}

export function run(
  socket: string,
  command: readonly string[],
  { environment, ...given }: Given & { readonly environment?: NodeJS.ProcessEnv },
): Running {
  return start(argumentsOf(socket, command, given), environment);
}

export function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-fd-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}
