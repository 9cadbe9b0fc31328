// An agent runtime, or a sub-agent, in a process of its own: the runtime SDK, and the MCP client of the official SDK.
import { createStint, type Grant, isStintError, type JwtSvid, type Step } from "stint-sdk/runtime";
import { serveCommands } from "./actor.ts";
import { monotonicMs } from "./json-lines.ts";
import { bearing, callTool, type McpAnswer } from "./mcp-call.ts";

const stint = createStint();
/** By name, so that the demo can speak of them. */
const steps = new Map<string, Step>();
/** JWT-SVIDs by step and audience, kept past their step's end: what somebody who copied them would have. */
const kept = new Map<string, Token>();
const received = new Set<string>();

type Token = Pick<JwtSvid, "audience" | "expiresAt" | "authorization">;

function stepOf(name: string): Step {
  const step = steps.get(name);
  if (step === undefined) throw new Error(`no step ${name}`);
  return step;
}

function keep(step: string, svid: JwtSvid): void {
  received.add(svid.issuanceId);
  kept.set(`${step} ${svid.audience}`, svid);
}

function keptOf(step: string, audience: string): Token {
  const svid = kept.get(`${step} ${audience}`);
  if (svid === undefined) throw new Error(`no JWT-SVID of ${step}`);
  return svid;
}

type OpenInput = {
  readonly agent: string;
  readonly run: string;
  readonly step: string;
  readonly grant: Grant;
  readonly parent?: string;
  readonly executorPid?: number;
  /** Absent: the broker's default. */
  readonly seconds?: number;
};

type CallInput = {
  readonly step: string;
  readonly tool: string;
  readonly resource: string;
  /** Where the JWT-SVID is for, when that is not the resource. */
  readonly tokenFor?: string;
  /** With the JWT-SVID that was kept, rather than as the step: nothing on this side minds that the step has ended. */
  readonly withKept?: boolean;
};

export type CallAnswer = McpAnswer & {
  readonly endedAtMs: number;
  /** Life that the JWT-SVID had left at the end. */
  readonly secondsLeft: number;
};

/** Calls one tool, and says what became of it. Never throws for a refusal. */
async function call({ step, tool, resource, tokenFor = resource, withKept = false }: CallInput): Promise<CallAnswer> {
  if (!withKept) keep(step, await stepOf(step).jwtSvid(tokenFor));
  const svid = keptOf(step, tokenFor);
  const send = withKept ? bearing(svid.authorization()) : stepOf(step).fetch;
  const answer = await callTool({ resource, tool, arguments: { query: "step credentials" }, send });
  const endedAtMs = monotonicMs();
  const secondsLeft = (svid.expiresAt.getTime() - Date.now()) / 1_000;
  return { ...answer, endedAtMs, secondsLeft };
}

const commands = {
  async open({ agent, run, step, grant, parent, executorPid, seconds }: OpenInput) {
    const startedAtMs = monotonicMs();
    const executor = executorPid === undefined ? undefined : { pid: executorPid };
    const until = seconds === undefined ? undefined : new Date(Date.now() + seconds * 1_000);
    const options = { agent, runId: run, step, grant, executor, expiresAt: until };
    const opened = parent === undefined ? await stint.openStep(options) : await stepOf(parent).openStep(options);
    steps.set(step, opened);
    const { stepId, spiffeId, expiresAt } = opened;
    const tookMs = monotonicMs() - startedAtMs;
    const secondsLeft = (expiresAt.getTime() - Date.now()) / 1_000;
    return { stepId, spiffeId, grant: opened.grant, secondsLeft, expiresAtMs: expiresAt.getTime(), tookMs };
  },

  /** Takes up a step that this process is the executor of. */
  async resume({ step, stepId }: { readonly step: string; readonly stepId: string }) {
    steps.set(step, await stint.resumeStep({ stepId }));
  },

  async mint({ step, audience }: { readonly step: string; readonly audience: string }) {
    const svid = await stepOf(step).jwtSvid(audience);
    keep(step, svid);
    return { token: svid.svid() };
  },

  call,

  /** Calls with a token that came from somewhere else. */
  async callWith({ token, ...input }: CallInput & { readonly token: string }) {
    const expiresAt = new Date(claimOf(token, "exp") * 1_000);
    const copied = { audience: input.resource, expiresAt, authorization: () => `Bearer ${token}` };
    kept.set(`${input.step} ${input.resource}`, copied);
    return call({ ...input, withKept: true });
  },

  async close({ step }: { readonly step: string }) {
    const startedAtMs = monotonicMs();
    const { state, receipts, ...closed } = await stepOf(step).close("COMPLETED", { awaitReceiptsSeconds: 5 });
    return {
      state,
      startedAtMs,
      tookMs: monotonicMs() - startedAtMs,
      revoked: closed.credentialsRevoked,
      descendants: closed.descendantsClosed,
      applied: receipts?.applied ?? 0,
      expected: receipts?.expected ?? -1,
    };
  },

  /** Waits until a step ends under this process. */
  async ended({ step }: { readonly step: string }) {
    const { signal } = stepOf(step);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    const reason: unknown = signal.reason;
    return { state: isStintError(reason, "STEP_CLOSED") ? (reason.metadata.state ?? "") : String(reason) };
  },

  /** Every credential that this process was given. */
  received: async () => [...received],
};

function claimOf(token: string, name: string): number {
  const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<string, number>;
  return claims[name] ?? 0;
}

export type AgentCommands = typeof commands;
serveCommands(commands);
