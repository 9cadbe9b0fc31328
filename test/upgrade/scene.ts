import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Ran, runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import type { Previous } from "./previous.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
export const ARCHIVE = "https://archive.example/mcp";

/** Who the tests are: everybody, as one user. */
const entriesAt = (resource: string) => [
  {
    kind: "agent",
    name: "researcher",
    selectors,
    ceiling: [readingAt(resource), { ...readingAt(ARCHIVE), actions: ["read", "write"] }],
    allow_any_executor: true,
  },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
  { kind: "verifier", name: "library", selectors, audiences: [resource] },
  { kind: "operator", name: "local", selectors, role: "admin" },
];

export function readingAt(location: string) {
  return { type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes: ["internal"] };
}

/** Writing waits for an operator. */
const ASK_FIRST = `@id("ask-first")
@approval("operators")
forbid (principal, action == Action::"write", resource);
`;

export type Program = (...args: readonly string[]) => Promise<Ran>;

/** A data directory on which this version and the previous one are started, one after the other, by the same configuration. */
export type Place = {
  readonly directory: string;
  start(version: Previous | "this"): Promise<Daemon>;
  /** `stint` at the daemon that runs there. */
  stint(version: Previous | "this"): Program;
};

/**
 * @param resource - what the tests' verifier is.
 * @param config - beside the configuration that all have.
 */
export function newPlace(resource: string, config: Readonly<Record<string, unknown>> = {}): Place {
  const directory = mkdtempSync(join(tmpdir(), "stint-upgrade-"));
  const site = join(directory, "site");
  mkdirSync(site, { recursive: true });
  writeFileSync(join(site, "site.cedar"), ASK_FIRST);
  return {
    directory,
    start: (version) =>
      startDaemon({
        directory,
        entries: entriesAt(resource),
        config: {
          policies: { directory: site },
          operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
          status_lists: true,
          ...config,
        },
        ...(version === "this" ? {} : { program: version.stintd }),
      }),
    stint:
      (version) =>
      (...args) => {
        const sockets = [
          ...["--operator-socket", join(directory, "operator.sock")],
          ...["--socket", `unix://${join(directory, "workload.sock")}`],
        ];
        return version === "this" ? runStint([...sockets, ...args]) : run(version.stint, [...sockets, ...args]);
      },
  };
}

/** A program in a process of its own, to its end. */
export function run(program: string, args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...args], (failed, out, err) => {
      resolve({ status: failed === null ? 0 : Number(failed.code), out, err });
    });
  });
}

/** What a command that has to succeed says in JSON. */
export async function json<Answer = readonly Record<string, unknown>[]>(
  stint: Program,
  ...args: readonly string[]
): Promise<Answer> {
  const { status, out, err } = await stint("-o", "json", ...args);
  if (status !== 0) throw new Error(`stint ${args.join(" ")}: ${err}`);
  return JSON.parse(out) as Answer;
}
