import { hash } from "node:crypto";
import type { Actor } from "../../src/domain/actor.ts";
import type { Authority } from "../../src/domain/authority.ts";
import { type Decision, decidedOn, type ToolCall } from "../../src/domain/decision.ts";
import { type EntryContentInput, entrySpiffeId, parseEntryContent } from "../../src/domain/entry-content.ts";
import { type Denial, isDenial } from "../../src/domain/errors.ts";
import type { Grant } from "../../src/domain/grant.ts";
import { newId, newJti, newSerialNumber } from "../../src/domain/ids.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { LocalAccounts } from "../../src/domain/local-accounts.ts";
import type { ProcessIdentity } from "../../src/domain/process.ts";
import type { EntryContent, RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseSegment, parseTrustDomain, type Segment, stepSpiffeId } from "../../src/domain/spiffe-id.ts";
import type { OpenedStep } from "../../src/domain/step.ts";
import { asOpened, REASON_OF_STATE, type Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import type { RecordCallAct } from "../../src/ports/call-acts.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { Committed } from "../../src/ports/following.ts";
import type { OpenedLedger } from "../../src/ports/ledger.ts";
import type { CloseAct, CloseResult, OpenStepAct, OpenStepResult } from "../../src/ports/ledger-acts.ts";
import type { DenyEntry, DenyPart } from "../../src/ports/ledger-reads.ts";
import type { Randomness } from "../../src/ports/randomness.ts";
import { type VirtualClock, virtualClock } from "../memory/virtual-clock.ts";

/** 2026-11-22T10:00:00Z. */
const START = 1_795_341_600 as UnixSeconds;
const TRUST_DOMAIN = parseTrustDomain("example.org");

export const MCP = "https://mcp.example.org/search";
export const FILES = "https://mcp.example.org/files";
export const GRANT: Grant = [
  { type: "mcp_tool", locations: [MCP], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];
export const CONFIG: Actor = { kind: "broker", cause: "config" };
export const OPERATOR: Actor = { kind: "operator", entryId: "entry_operator", uid: 0 };

export function processOf(pid: number): ProcessIdentity {
  return { bootId: "boot", pidNamespace: "4026531836", pid, startTimeTicks: 12_345 };
}

/** Bytes that never repeat and are the same in every run. */
function countingRandomness(): Randomness {
  let count = 0;
  return {
    bytes(length) {
      count += 1;
      const bytes = Buffer.alloc(length);
      bytes.writeUInt32BE(count, length - 4);
      return bytes;
    },
  };
}

export type Ports<C extends Clock = Clock> = { readonly clock: C; readonly randomness: Randomness };

/** Time that stands still until told, and randomness that is the same in every run. */
export function ports(): Ports<VirtualClock> {
  return { clock: virtualClock(START), randomness: countingRandomness() };
}

type AgentOptions = Omit<Partial<Extract<EntryContentInput, { kind: "agent" }>>, "kind">;

/** A ledger, and entries, steps and credentials with new ids and ordinary content to put into it. */
export type World<C extends Clock = VirtualClock> = ReturnType<typeof worldOf<C>>;

export function worldOf<C extends Clock>(store: OpenedLedger, { clock, randomness }: Ports<C>) {
  const { ledger } = store;
  const revisions = new Map<string, number>();
  const id = (kind: Parameters<typeof newId>[0]) => newId(kind, clock.now(), randomness.bytes(10));
  let processes = 10_000;

  /** New in every ledger that the same randomness serves. */
  function name(): Segment {
    return parseSegment(`name-${Buffer.from(randomness.bytes(8)).toString("hex")}`, "name");
  }

  function entryOf(content: EntryContent): RegistrationEntry {
    const now = clock.now();
    const own = { origin: "config", disabled: false, revision: 1, createdAt: now, updatedAt: now } as const;
    return { entryId: id("entry"), spiffeId: entrySpiffeId(TRUST_DOMAIN, content), content, ...own };
  }

  async function put(
    entry: RegistrationEntry,
    expectedRevision = 0,
    closes: readonly string[] | "all" = [],
    usersApart?: LocalAccounts,
  ) {
    const standing = { reason: "privilegeWithdrawn", by: CONFIG, now: clock.now() } as const;
    const result = await ledger.perform({
      act: "put-entry",
      entry,
      expectedRevision,
      closes,
      ...(usersApart !== undefined && { usersApart }),
      ...standing,
    });
    if (!isDenial(result)) revisions.set(entry.entryId, result.entry.revision);
    return result;
  }

  async function enter(input: EntryContentInput): Promise<RegistrationEntry> {
    return done(await put(entryOf(parseEntryContent(input)))).entry;
  }

  /** @param own - what differs from a first attempt that the agent's own process opens for itself. */
  function openAct(
    agent: RegistrationEntry,
    own: Partial<OpenedStep> = {},
    act: Partial<OpenStepAct> = {},
  ): OpenStepAct {
    const now = clock.now();
    processes += 1;
    const stepName = { runId: own.runId ?? name(), step: own.step ?? name(), attempt: own.attempt ?? 1 };
    const step: OpenedStep = {
      stepId: id("step"),
      ...stepName,
      agent: agent.content.name,
      agentEntryId: agent.entryId,
      openerEntryId: agent.entryId,
      opener: processOf(1),
      executor: { kind: "process", process: processOf(processes) },
      spiffeId: stepSpiffeId(agent.spiffeId, stepName),
      grant: GRANT,
      audiences: [],
      openedAt: now,
      expiresAt: addSeconds(secondsOf(now), 300),
      depth: 0,
      decisionId: id("decision"),
      ...own,
    };
    const decision = decisionOn(step);
    const entries = decidedOn(asDecided(step.agentEntryId), asDecided(step.openerEntryId));
    return {
      act: "open-step",
      step,
      decision,
      decidedOn: entries,
      supersedes: false,
      openStepsMax: 1_000,
      executorOpenStepsMax: LIMITS.openStepsPerExecutorDefault,
      now,
      ...act,
    };
  }

  function decisionOn(step: OpenedStep, own: Partial<Decision> = {}): Decision {
    return {
      decisionId: step.decisionId,
      act: "open",
      effect: "allow",
      decidedAt: clock.now(),
      callerEntryId: step.openerEntryId,
      agent: step.agent,
      runId: step.runId,
      step: step.step,
      attempt: step.attempt,
      stepId: step.stepId,
      requested: step.grant,
      granted: step.grant,
      refused: [],
      determiningPolicies: ["ceiling"],
      policyDigest: "ab".repeat(32),
      count: 1,
      ...own,
    };
  }

  async function open(...parameters: Parameters<typeof openAct>): Promise<Step> {
    const act = openAct(...parameters);
    const { sequence } = opened(done(await ledger.perform(act)));
    return asOpened(act.step, sequence);
  }

  function asDecided(entryId: string) {
    return { entryId, revision: revisions.get(entryId) ?? 1 };
  }

  /** A child of an open step, in its run and with its expiry. */
  async function openChild(
    agent: RegistrationEntry,
    parent: Step,
    own: Partial<OpenedStep> = {},
    act: Partial<OpenStepAct> = {},
  ): Promise<Step> {
    const { stepId, runId, expiresAt, depth } = parent;
    return open(agent, { parentStepId: stepId, runId, expiresAt, depth: depth + 1, ...own }, act);
  }

  function record(step: Step, own: Partial<IssuanceRecord> = {}): IssuanceRecord {
    const now = clock.now();
    const { kind = "jwt-svid" } = own;
    const isX509 = kind === "x509-svid";
    const identity = isX509
      ? { serialNumber: newSerialNumber(randomness.bytes(16)), publicKeySha256: "cd".repeat(32) }
      : { jti: newJti(now, randomness.bytes(10)) };
    return {
      issuanceId: id("issuance"),
      kind,
      subject: { kind: "step", stepId: step.stepId },
      spiffeId: step.spiffeId,
      authorityId: "authority-1",
      ...identity,
      audiences: isX509 ? [] : [MCP],
      grant: isX509 ? [] : step.grant,
      notBefore: secondsOf(now),
      expiresAt: addSeconds(secondsOf(now), 120),
      toBeSignedSha256: hash("sha256", id("issuance")),
      issuedAt: now,
      ...own,
    };
  }

  /** @param own.entryId - of the entry that was decided on, at the revision that is the newest unless it is said. */
  function issueAct(
    records: readonly IssuanceRecord[],
    own: { readonly entryId?: string; readonly entryRevision?: number; readonly executable?: string },
  ) {
    const { entryId = "", entryRevision, ...rest } = own;
    const { revision } = asDecided(entryId);
    const on = decidedOn({ entryId, revision: entryRevision ?? revision });
    const items = records.map((one) => ({ record: one, ...rest, decidedOn: on }));
    return { act: "record-issuances", items, now: clock.now() } as const;
  }

  /** Records one credential of a step, and gives its record. */
  async function issue(step: Step, own: Partial<IssuanceRecord> = {}): Promise<IssuanceRecord> {
    const one = record(step, own);
    const [result] = await ledger.perform(issueAct([one], { entryId: step.agentEntryId }));
    done(result);
    return one;
  }

  /** A call of the step's tool with one of its credentials, as the broker records it. */
  function callAct(step: Step, credential: IssuanceRecord, own: Partial<ToolCall> = {}): RecordCallAct {
    const call: ToolCall = {
      location: MCP,
      tool: "search",
      actions: ["read"],
      datatypes: ["internal"],
      argumentsSha256: "ef".repeat(32),
      ...(credential.jti === undefined ? {} : { jti: credential.jti }),
      ...own,
    };
    const decision = { ...decisionOn(step, { decisionId: id("decision"), act: "call" }), call };
    const { issuanceId, grant } = credential;
    return {
      act: "record-call",
      stepId: step.stepId,
      decision,
      decidedOn: decidedOn(asDecided(step.agentEntryId)),
      presented: { issuanceId, grant, issuanceIds: [issuanceId] },
      now: clock.now(),
    };
  }

  function closeAct(target: CloseAct["target"] | Step, own: Partial<CloseAct> = {}): CloseAct {
    const state = own.state ?? "COMPLETED";
    return {
      act: "close",
      target: "stepId" in target ? { kind: "steps", stepIds: [target.stepId] } : target,
      state,
      reason: REASON_OF_STATE[state],
      by: { kind: "broker", cause: "expiry" },
      now: clock.now(),
      ...own,
    };
  }

  async function close(...parameters: Parameters<typeof closeAct>): Promise<CloseResult> {
    return done(await ledger.perform(closeAct(...parameters)));
  }

  function authority(own: Partial<Authority> = {}): Authority {
    const now = secondsOf(clock.now());
    return {
      authorityId: name(),
      family: "jwt-svid",
      state: "active",
      stateSince: now,
      publicKey: new Uint8Array([0, 1, 255]),
      notBefore: now,
      expiresAt: addSeconds(now, 86_400),
      ...own,
    };
  }

  return {
    store,
    ledger,
    clock,
    id,
    name,
    put,
    enter,
    entryOf,
    agent: (own: AgentOptions = {}) =>
      enter({ kind: "agent", name: name(), selectors: ["unix:uid:1001"], ceiling: GRANT, ...own }),
    runtime: () => enter({ kind: "runtime", name: name(), selectors: ["unix:uid:1002"], agents: ["researcher"] }),
    verifier: (own: { readonly eventsUrl?: string } = {}) =>
      enter({ kind: "verifier", name: name(), selectors: ["unix:uid:1003"], audiences: [MCP], ...own }),
    openAct,
    decisionOn,
    open,
    openChild,
    record,
    asDecided,
    issueAct,
    issue,
    callAct,
    closeAct,
    close,
    authority,
    step: async (stepId: string) => present(await store.steps.step(stepId)),
    openSteps: async () => (await store.projections.openSteps()).value,
    entries: async () => (await store.projections.entries()).value,
    authorities: async () => (await store.projections.authorities()).value,
    /** The part of the deny-list with a sequence in (after, through]. */
    denied: (after: number, through: number) => collected(store.feed.denied(after, through)),
    /** What is committed from here on, as a follower is given it. */
    follow(name = "test") {
      const committed: Committed[] = [];
      const take = (one: Committed) => void committed.push(one);
      return { committed, following: ledger.follow({ name, take }, ledger.head().sequence) };
    },
  };
}

/** The result of an act that must not have been refused. */
export function done<Result extends object>(result: Result | Denial | undefined): Result {
  if (result === undefined) throw new TypeError("no answer");
  if (isDenial(result)) throw new TypeError(`refused: ${result.code} ${result.message}`);
  return result;
}

/** The whole of a deny-list that is read in parts. */
async function collected(parts: AsyncIterable<DenyPart>): Promise<DenyPart> {
  const entries: DenyEntry[] = [];
  let through = 0;
  for await (const part of parts) {
    entries.push(...part.entries);
    through = part.through;
  }
  return { entries, through };
}

/** Of an opening that must not have been one of before. */
function opened(result: OpenStepResult): Extract<OpenStepResult, { readonly kind: "opened" }> {
  if (result.kind !== "opened") throw new TypeError(`it was opened before: ${result.stepId}`);
  return result;
}

export function present<Value>(value: Value | undefined): Value {
  if (value === undefined) throw new TypeError("nothing there");
  return value;
}
