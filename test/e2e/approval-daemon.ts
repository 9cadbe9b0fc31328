import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonValue } from "@bufbuild/protobuf";
import { expect, vi } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { READ_SEARCH } from "./entries.ts";

const OWN_UID = process.getuid?.() ?? -1;
/** Whoever asks does not approve, so that it takes two users: only root can start processes as others. */
export const isRoot = OWN_UID === 0;
/** Approves, and asks for nothing. */
export const APPROVER_UID = 4_401;
/** Looks after everything else, and approves nothing. */
export const ADMIN_UID = 4_402;
/** Who may connect to the operator socket beside the broker's own user. */
export const OPERATORS_GID = 4_400;

/** Reading is held back until it is approved. */
export const ASK_FIRST = `@id("ask-first")
@approval("operators")
forbid (principal, action == Action::"read", resource);
`;

const own = [`unix:uid:${OWN_UID}`];
const ENTRIES = [
  { kind: "agent", name: "clerk", selectors: own, ceiling: [READ_SEARCH], may_open: true },
  // Commands that the process of the tests starts descend from it, and it opens steps itself.
  { kind: "runtime", name: "shell", selectors: own, agents: ["clerk"], allow_descendants: true },
  { kind: "operator", name: "steward", selectors: [`unix:uid:${APPROVER_UID}`], role: "approver" },
  // Who may approve what others ask.
  { kind: "operator", name: "asker", selectors: own, role: "approver" },
  { kind: "operator", name: "root", selectors: [`unix:uid:${ADMIN_UID}`], role: "admin" },
];

/** A broker that holds reading back for approval; whoever runs the tests asks, and another user answers. */
export type ApprovalDaemon = {
  /** The daemon as it is now: the last that `restarted` started. */
  daemon(): Daemon;
  /** Kills the daemon, and starts it anew on its data; whoever answers is connected to the new one. */
  restarted(): Promise<void>;
  /** Waits until a step of the run waits for approval. */
  waiting(runId: string): Promise<Answer>;
  /** The only step of a run, as it is now. */
  stepOf(runId: string): Promise<Answer>;
  approve(step: Answer, reason?: string): Promise<Answer>;
  refuse(step: Answer, reason?: string): Promise<Answer>;
  /** Asks as the approver, over the operator socket. */
  ask(service: "Steps" | "Approvals" | "History", method: string, request: JsonValue): Promise<Answer>;
  /** Types of the ledger's events that name the step, oldest first. */
  eventsOf(step: Answer): Promise<readonly string[]>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** A directory of a site's policies, for a daemon's configuration. */
export function policiesIn(text: string): Disposable & { readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), "stint-site-"));
  writeFileSync(join(directory, "site.cedar"), text);
  return { directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) };
}

export async function startApprovalDaemon(
  options: { readonly entries?: readonly object[]; readonly expiry?: string; readonly config?: object } = {},
): Promise<ApprovalDaemon> {
  const site = policiesIn(ASK_FIRST);
  let daemon = await startDaemon({
    config: (directory) => ({
      policies: { directory: site.directory },
      operator: { socket: join(directory, "operator.sock"), group: OPERATORS_GID },
      ...(options.expiry === undefined ? {} : { approvals: { expiry: options.expiry } }),
      ...options.config,
    }),
    entries: options.entries ?? ENTRIES,
  });
  const connect = () => callerAs({ uid: APPROVER_UID, groups: [OPERATORS_GID] }, daemon.operatorSocket);
  let approver: Caller = await connect();
  const ask: ApprovalDaemon["ask"] = (service, method, request) => approver.call(service, method, request);

  async function stepOf(runId: string): Promise<Answer> {
    const { steps } = await ask("Steps", "list", { runId });
    expect(steps).toHaveLength(1);
    return steps[0];
  }

  return {
    daemon: () => daemon,
    async restarted() {
      await approver[Symbol.asyncDispose]();
      await daemon.kill();
      daemon = await daemon.restart();
      approver = await connect();
    },
    waiting: (runId) =>
      vi.waitFor(
        async () => {
          const step = await stepOf(runId);
          expect(step.state).toBe("STEP_STATE_PENDING_APPROVAL");
          return step;
        },
        { timeout: 20_000 },
      ),
    stepOf,
    approve: ({ stepId, approval }, reason = "looked at it") =>
      ask("Approvals", "approve", { stepId, requestDigest: approval.requestDigest, reason }),
    refuse: ({ stepId }, reason = "not today") => ask("Approvals", "refuse", { stepId, reason }),
    ask,
    async eventsOf({ stepId }) {
      const { events } = await ask("History", "listEvents", { filter: { stepId } });
      return (events as readonly Answer[]).map(({ type }) => String(type)).reverse();
    },
    async [Symbol.asyncDispose]() {
      await approver[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      site[Symbol.dispose]();
    },
  };
}
