import type { Command } from "commander";
import type { Context } from "./context.ts";

/** One command of `stint`, with what it takes to be one left out until it is called. */
type TopCommand = {
  readonly name: string;
  readonly description: string;
  /** What gives the command its arguments, flags, commands below and act. */
  readonly load: () => Promise<(command: Command, context: Context) => void>;
};

/**
 * The commands, in the order in which help lists them. Each is a module that is imported where its command is called: all of them together
 * take several times as long to load as any one of them to run.
 */
export const TOP_COMMANDS: readonly TopCommand[] = [
  {
    name: "status",
    description:
      "how the broker is: ready or why not, its ledger, keys, verifiers and disk; exits with 1 when not ready",
    load: async () => (await import("./commands/status.ts")).addStatus,
  },
  {
    name: "healthcheck",
    description: "whether the workload endpoint is ready, for whatever runs the broker; exits with 1 or 3 when not",
    load: async () => (await import("./commands/healthcheck.ts")).addHealthcheck,
  },
  {
    name: "console",
    description: "the operators' web page",
    load: async () => (await import("./commands/console.ts")).addConsole,
  },
  {
    name: "entry",
    description: "who may be what: agents, runtimes, verifiers, operators, nodes",
    load: async () => (await import("./commands/entry.ts")).addEntry,
  },
  {
    name: "step",
    description: "open, follow and close steps",
    load: async () => (await import("./commands/step.ts")).addStep,
  },
  {
    name: "call",
    description: "approve and refuse single calls of tools",
    load: async () => (await import("./commands/call.ts")).addCall,
  },
  {
    name: "svid",
    description: "a credential of the step that this command runs in, for programs without an SDK",
    load: async () => (await import("./commands/svid.ts")).addSvid,
  },
  {
    name: "exchange",
    description:
      "a secret of another system, for the step that this command runs in; it ends with the step where it can",
    load: async () => (await import("./commands/exchange.ts")).addExchange,
  },
  {
    name: "revoke",
    description: "take back one credential, or close a step, a run, an agent's steps, with all they hold",
    load: async () => (await import("./commands/revoke.ts")).addRevoke,
  },
  {
    name: "principal",
    description: "whom steps work for: the people and services behind runs",
    load: async () => (await import("./commands/principal.ts")).addPrincipal,
  },
  {
    name: "risk",
    description: "how much risk the trust domain, agents and runs bear, on which policies decide",
    load: async () => (await import("./commands/risk.ts")).addRisk,
  },
  {
    name: "hold",
    description: "what is kept for longer than the log keeps it: holds on runs, agents and people",
    load: async () => (await import("./commands/hold.ts")).addHold,
  },
  {
    name: "history",
    description: "what was issued, opened, decided, recorded; newest first",
    load: async () => (await import("./commands/history.ts")).addHistory,
  },
  {
    name: "descendants",
    description:
      "all that descends from a step, a process, an entry, a key or a person: live, past, and what it could reach; and its end",
    load: async () => (await import("./commands/descendants.ts")).addDescendants,
  },
  {
    name: "explain",
    description: "why a decision came out as it did, and what would have passed instead",
    load: async () => (await import("./commands/explain.ts")).addExplain,
  },
  {
    name: "report",
    description: "evidence for auditors: what Stint does for the controls of a framework, and what the ledger shows",
    load: async () => (await import("./commands/report.ts")).addReport,
  },
  {
    name: "tool",
    description: "tools as servers show them, and which definition of each is pinned",
    load: async () => (await import("./commands/tool.ts")).addTool,
  },
  {
    name: "verifier",
    description: "who listens for revocations",
    load: async () => (await import("./commands/verifier.ts")).addVerifier,
  },
  {
    name: "guard",
    description: "stand in front of an MCP server that nobody changes, and take the credentials of steps in its place",
    load: async () => (await import("./commands/guard.ts")).addGuard,
  },
  {
    name: "bridge",
    description: "run an MCP client that nobody changes as a step: its calls get the step's credentials, it gets none",
    load: async () => (await import("./commands/bridge.ts")).addBridge,
  },
  {
    name: "node",
    description: "the agent of a machine without a broker: attests the processes there, and serves them credentials",
    load: async () => (await import("./node/node.ts")).addNode,
  },
  {
    name: "inspect",
    description: "whose is this token or certificate? It is read from standard input, never sent, never shown",
    load: async () => (await import("./commands/inspect.ts")).addInspect,
  },
  {
    name: "ledger",
    description: "the append-only log of everything",
    load: async () => (await import("./commands/ledger.ts")).addLedger,
  },
  {
    name: "authority",
    description: "what signs, and by which clock",
    load: async () => (await import("./commands/authority.ts")).addAuthority,
  },
  {
    name: "federation",
    description: "other trust domains: from where their keys are taken, and what they are",
    load: async () => (await import("./commands/federation.ts")).addFederation,
  },
  {
    name: "join-token",
    description: "tokens by which a workload without other evidence is attested, once",
    load: async () => (await import("./commands/join-token.ts")).addJoinToken,
  },
  {
    name: "policy",
    description: "what may be done at run time, as policies in Cedar",
    load: async () => (await import("./commands/policy.ts")).addPolicy,
  },
  {
    name: "whoami",
    description: "which entries this process matches, which steps it executes, and what the broker sees of it",
    load: async () => (await import("./commands/whoami.ts")).addWhoami,
  },
  {
    name: "dev",
    description:
      "a throw-away broker: for the calling user, in the foreground, gone with everything it made when it ends",
    load: async () => (await import("./dev/dev.ts")).addDev,
  },
  {
    name: "init",
    description: "a first configuration for stintd, of four answers, and which users and directories it takes",
    load: async () => (await import("./init/init.ts")).addInit,
  },
  {
    name: "doctor",
    description: "what is wrong on this machine, and how to mend it; exits with 1 where anything is",
    load: async () => (await import("./doctor/doctor.ts")).addDoctor,
  },
];
