import { hash } from "node:crypto";
import fc from "fast-check";
import type { PendingCall } from "../../src/domain/call-approval.ts";
import { NO_DATA_CLASSES } from "../../src/domain/data-classes.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import type { IssuanceRecord, SvidKind } from "../../src/domain/issuance.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { RISK_LEVELS, type RiskLevel, type RiskScope } from "../../src/domain/risk.ts";
import { parseSegment, parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import { asOpened, asPending, type ClosedState, type Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { CloseTarget, LedgerAct } from "../../src/ports/ledger-acts.ts";
import type { JudgedStep } from "../../src/ports/policy-acts.ts";
import { P256_SPKI } from "../samples/credentials.ts";
import { APPROVER, approveAct, approveCallAct, callActBy, pendCallAct, pendingAct } from "./approval-acts.ts";
import { CONFIG, GRANT, OPERATOR, processOf, type World } from "./ledger-world.ts";

/**
 * One thing that somebody does to a ledger. Numbers choose among what is there when it is done, so that any sequence makes
 * sense; many are refused, which is as good a thing to happen as any.
 */
export type Command =
  /** For one of two principals, or for nobody. */
  | { readonly do: "open"; readonly entry: number; readonly lease: boolean; readonly principal: number }
  | { readonly do: "delegate"; readonly step: number; readonly entry: number; readonly byToken: boolean }
  | { readonly do: "retry"; readonly step: number; readonly supersedes: boolean }
  | { readonly do: "ask"; readonly entry: number; readonly lease: boolean }
  | { readonly do: "approve" | "refuse"; readonly step: number }
  | { readonly do: "ask-call" | "approve-call" | "refuse-call"; readonly issuance: number }
  | { readonly do: "hold" | "renew"; readonly step: number }
  | { readonly do: "issue"; readonly step: number; readonly kind: SvidKind; readonly seconds: number }
  | { readonly do: "lose" | "revoke" | "call"; readonly issuance: number }
  | {
      readonly do: "close";
      readonly step: number;
      readonly state: ClosedState;
      readonly wide: "step" | "run" | "entry" | "process";
    }
  | { readonly do: "change"; readonly entry: number; readonly disabled: boolean; readonly closes: boolean }
  | { readonly do: "enroll"; readonly entry: number; readonly pid: number }
  | { readonly do: "retire"; readonly entry: number }
  | { readonly do: "acknowledge"; readonly entry: number }
  | { readonly do: "wait"; readonly seconds: number }
  | { readonly do: "federate" | "defederate" | "accept"; readonly trustDomain: number; readonly sequence: number }
  | { readonly do: "invite" | "join" | "uninvite" | "spend"; readonly token: number }
  | { readonly do: "offboard" | "readmit" | "erase"; readonly principal: number }
  | { readonly do: "put-policies" | "activate"; readonly version: number; readonly activates: boolean }
  | { readonly do: "set-risk"; readonly scope: number; readonly level: RiskLevel; readonly seconds: number }
  | { readonly do: "judge"; readonly step: number; readonly denied: number }
  | { readonly do: "show-tool" | "accept-tool" | "forget-tool"; readonly tool: number; readonly definition: number }
  | { readonly do: "restore" | "sign-anew" | "taint" };

const pick = fc.nat({ max: 1_000 });
const state = fc.constantFrom<ClosedState>("COMPLETED", "FAILED", "CANCELLED", "EXPIRED", "ABANDONED", "REVOKED");

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constant("open" as const),
      entry: pick,
      lease: fc.boolean(),
      principal: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("offboard" as const, "readmit" as const, "readmit" as const, "erase" as const),
      principal: fc.nat({ max: 1 }),
    }),
  },
  {
    weight: 24,
    arbitrary: fc.record({ do: fc.constant("delegate" as const), step: pick, entry: pick, byToken: fc.boolean() }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constant("retry" as const), step: pick, supersedes: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("ask" as const), entry: pick, lease: fc.boolean() }) },
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constantFrom("approve" as const, "approve" as const, "refuse" as const),
      step: pick,
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constantFrom("ask-call" as const, "ask-call" as const, "approve-call" as const, "refuse-call" as const),
      issuance: pick,
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom("hold" as const, "renew" as const), step: pick }) },
  {
    weight: 50,
    arbitrary: fc.record({
      do: fc.constant("issue" as const),
      step: pick,
      kind: fc.constantFrom<SvidKind>("jwt-svid", "x509-svid", "wit-svid", "txn-token"),
      seconds: fc.integer({ min: 1, max: 250 }),
    }),
  },
  { weight: 12, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "revoke" as const), issuance: pick }) },
  { weight: 12, arbitrary: fc.record({ do: fc.constant("call" as const), issuance: pick }) },
  {
    weight: 16,
    arbitrary: fc.record({
      do: fc.constant("close" as const),
      step: pick,
      state,
      wide: fc.constantFrom(
        "step" as const,
        "step" as const,
        "step" as const,
        "run" as const,
        "entry" as const,
        "process" as const,
      ),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("change" as const),
      entry: pick,
      disabled: fc.integer({ min: 0, max: 3 }).map((one) => one === 0),
      closes: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("enroll" as const), entry: pick, pid: fc.integer({ min: 1, max: 9 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("retire" as const), entry: pick }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("acknowledge" as const), entry: pick }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 90 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom("put-policies" as const, "activate" as const),
      version: fc.nat({ max: 4 }),
      activates: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("set-risk" as const),
      scope: pick,
      level: fc.constantFrom(...RISK_LEVELS),
      seconds: fc.integer({ min: 1, max: 90 }),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("judge" as const), step: pick, denied: fc.nat({ max: 7 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom("show-tool" as const, "show-tool" as const, "accept-tool" as const, "forget-tool" as const),
      tool: fc.nat({ max: 1 }),
      definition: fc.nat({ max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ do: "restore" as const }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("sign-anew" as const, "taint" as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom("federate" as const, "accept" as const, "accept" as const, "defederate" as const),
      trustDomain: fc.nat({ max: 2 }),
      sequence: fc.nat({ max: 20 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom("invite" as const, "join" as const, "uninvite" as const, "spend" as const),
      token: fc.nat({ max: 5 }),
    }),
  },
);

/** @param version - what is known of a principal may be sealed anew with each step. */
const principalOf = (index: number, version: number) => ({
  principalId: `${index}`.repeat(64),
  sealed: `key.${version}`,
});

export const commands: fc.Arbitrary<readonly Command[]> = fc.array(command, { minLength: 30, maxLength: 120 });

/**
 * Does the commands one after the other. Returns every step and every credential there ever was.
 *
 * @param halfway - called when half of it is done.
 */
export async function play(
  world: World,
  sequence: readonly Command[],
  halfway: () => Promise<void> = async () => undefined,
): Promise<{ readonly steps: readonly Step[]; readonly issuances: readonly IssuanceRecord[] }> {
  const entries: RegistrationEntry[] = [await world.agent(), await world.agent(), await world.agent()];
  const steps: Step[] = [];
  const issuances: IssuanceRecord[] = [];
  const calls: { readonly pending: PendingCall; readonly of: Step; readonly record: IssuanceRecord }[] = [];
  let epochs = 0;
  let authorities = 0;
  const authorityId = () => `authority-${authorities}`;
  /** Of the newest few: among all that ever was, most would be closed. */
  const one = <Value>(of: readonly Value[], index: number): Value | undefined =>
    of.slice(-6)[index % Math.min(of.length, 6)];

  /** A refusal and an error are both fine here; what counts is what the tables look like afterwards. */
  async function perform(act: LedgerAct): Promise<object> {
    try {
      return await world.ledger.perform(act);
    } catch (thrown) {
      if (thrown instanceof BrokerError) return {};
      throw thrown;
    }
  }

  async function open(act: ReturnType<World["openAct"]>): Promise<void> {
    const result = await perform(act);
    const isOpened = "kind" in result && result.kind === "opened" && "sequence" in result;
    if (isOpened) steps.push(asOpened(act.step, Number(result.sequence)));
  }

  async function issue(record: IssuanceRecord, { agentEntryId: entryId }: Step): Promise<void> {
    const result = await perform(world.issueAct([record], { entryId, executable: "/usr/bin/agent" }));
    if (Array.isArray(result) && result[0]?.kind === "sequenced") issuances.push(record);
  }

  /** From here on another authority signs. */
  async function signAnew(): Promise<void> {
    authorities += 1;
    const now = world.clock.now();
    const validity = { notBefore: secondsOf(now), expiresAt: addSeconds(secondsOf(now), 86_400) };
    const made = { authorityId: authorityId(), family: "jwt-svid", state: "active", publicKey: P256_SPKI } as const;
    await perform({ act: "put-authorities", authorities: [{ ...made, ...validity }], now });
  }

  async function federate(what: Extract<Command, { readonly trustDomain: number }>): Promise<void> {
    const now = world.clock.now();
    const trustDomain = parseTrustDomain(`domain-${what.trustDomain}.example`);
    const bundle = { document: `{"keys":[],"spiffe_sequence":${what.sequence}}`, sequence: what.sequence };
    if (what.do === "federate") {
      const profile = { kind: "https_web" } as const;
      const relationship = { trustDomain, bundleEndpointUrl: `https://${trustDomain}/`, profile };
      await perform({ act: "put-federation", relationship, bundle, by: OPERATOR, now });
    } else if (what.do === "accept") {
      await perform({ act: "accept-bundle", trustDomain, bundle, now });
    } else {
      await perform({ act: "end-federation", trustDomain, by: OPERATOR, now });
    }
  }

  async function orderFor({
    do: what,
    principal,
  }: Exclude<Extract<Command, { readonly principal: number }>, { readonly do: "open" }>): Promise<void> {
    const order = { principalId: principalOf(principal, 0).principalId, by: OPERATOR, now: world.clock.now() };
    if (what === "offboard") await perform({ act: "offboard-principal", barAhead: true, ...order });
    else if (what === "readmit") await perform({ act: "readmit-principal", ...order });
    else await perform({ act: "erase-principal", ...order });
  }

  async function present({ do: what, token }: Extract<Command, { readonly token: number }>): Promise<void> {
    const now = world.clock.now();
    const sha256 = hash("sha256", `token-${token}`);
    const name = parseSegment(`name-${token % 2}`, "name");
    const expiresAt = addSeconds(secondsOf(now), 60);
    if (what === "invite") await perform({ act: "create-join-token", sha256, name, expiresAt, by: OPERATOR, now });
    else if (what === "join") await perform({ act: "spend-join-token", sha256, now });
    else if (what === "uninvite") await perform({ act: "revoke-join-tokens", name, by: OPERATOR, now });
    else await perform({ act: "spend-evidence", attestor: "oidc", sha256, expiresAt, now });
  }

  async function putPolicies({ version, activates }: Extract<Command, { readonly version: number }>): Promise<void> {
    const own = { policyId: "own", file: "f", line: 1, text: `permit ${version}` };
    const set = { policies: [own, { ...own, policyId: "shared", text: "forbid" }], dataClasses: NO_DATA_CLASSES };
    const of = { act: "put-policy-set", set, origin: "api", by: OPERATOR, now: world.clock.now() } as const;
    await perform({ ...of, ...(activates ? { activates: { reason: "test" } } : {}) });
  }

  async function setRisk(what: Extract<Command, { readonly do: "set-risk" }>): Promise<void> {
    const now = world.clock.now();
    const step = one(steps, what.scope);
    const around: readonly RiskScope[] = step === undefined ? [] : [`agent:${step.agent}`, `run:${step.runId}`];
    const scope = one<RiskScope>(["domain", ...around], what.scope) ?? "domain";
    const expiresAt = addSeconds(secondsOf(now), what.seconds);
    await perform({ act: "set-risk", scope, level: what.level, expiresAt, reason: "test", by: OPERATOR, now });
  }

  async function showTool(what: Extract<Command, { readonly tool: number }>): Promise<void> {
    const now = world.clock.now();
    const location = "https://mcp.example.org/tools";
    const [tool, sha256] = [`tool-${what.tool}`, hash("sha256", `definition ${what.definition}`)];
    if (what.do === "accept-tool") {
      await perform({ act: "accept-tool", location, tool, sha256, reason: "r", by: APPROVER, now });
    } else if (what.do === "forget-tool") {
      await perform({ act: "forget-tool", location, tool, reason: "r", by: APPROVER, now });
    } else {
      const tools = [{ tool, sha256, definition: `{"name":"${what.definition}"}` }];
      const pinsFirst = what.definition % 2 === 0;
      await perform({ act: "report-tools", location, tools, pinsFirst, by: OPERATOR, now });
    }
  }

  /** Two steps are judged, of which none, one or both are denied. */
  async function judge(step: Step, denied: number): Promise<void> {
    const pair = [step, ...steps.slice(-2, -1)];
    const judged = pair.map((each, index): JudgedStep => {
      const denial = world.decisionOn(each, {
        decisionId: world.id("decision"),
        act: "judge",
        effect: "deny",
        reason: "POLICY_DENIED",
      });
      const isDenied = (denied >> index) % 2 === 1;
      return { stepId: each.stepId, decidedOn: { entries: [] }, ...(isDenied ? { denial } : {}) };
    });
    await perform({ act: "judge-steps", through: world.ledger.head().sequence, judged, now: world.clock.now() });
  }

  async function run(what: Command): Promise<void> {
    const now = world.clock.now();
    const step = "step" in what ? one(steps, what.step) : undefined;
    const entry = "entry" in what ? one(entries, what.entry) : undefined;
    if (("step" in what && step === undefined) || ("entry" in what && entry === undefined)) return;
    const record = "issuance" in what ? one(issuances, what.issuance) : undefined;

    if ("trustDomain" in what) return federate(what);
    if (what.do === "offboard" || what.do === "readmit" || what.do === "erase") return orderFor(what);
    if ("token" in what) return present(what);
    if ("tool" in what) return showTool(what);
    if (what.do === "put-policies") return putPolicies(what);
    if (what.do === "set-risk") return setRisk(what);
    if (what.do === "judge") return step === undefined ? undefined : judge(step, what.denied);
    if (what.do === "wait") return world.clock.advance(what.seconds * 1_000);
    if (what.do === "restore") {
      epochs += 1;
      await perform({ act: "start-epoch", epoch: `epoch-${epochs}`, reason: "restored", by: OPERATOR, now });
      await signAnew();
    } else if (what.do === "activate") {
      const { version } = what;
      await perform({ act: "activate-policy-set", version, reason: "test", by: OPERATOR, now });
    } else if (what.do === "sign-anew") {
      await signAnew();
    } else if (what.do === "taint") {
      const taints = { authorityId: authorityId(), reason: "cACompromise", by: OPERATOR } as const;
      await perform({ act: "put-authorities", authorities: [], taints, now });
      await signAnew();
    } else if (what.do === "open" && entry !== undefined) {
      const opener = processOf(1 + (what.entry % 5));
      const principal = what.principal > 1 ? {} : { principal: principalOf(what.principal, steps.length) };
      const grant = GRANT.map((element) => ({ ...element, max_calls: 2 }));
      const lease = what.lease ? { leaseSeconds: 20, grant } : {};
      await open(world.openAct(entry, { opener, ...lease, ...principal }));
    } else if (what.do === "delegate" && step !== undefined && entry !== undefined) {
      const { runId, stepId, depth, expiresAt, principal } = step;
      const inherited = principal === undefined ? {} : { principal };
      const child = { runId, parentStepId: stepId, depth: depth + 1, expiresAt, ...inherited };
      if (!what.byToken) return open(world.openAct(entry, child));
      const delegation = { runtimeEntryId: entry.entryId, mayAct: entry.spiffeId, usesMax: 1 };
      const token = world.record(step, { delegation, authorityId: authorityId() });
      await issue(token, step);
      const { jti: delegationJti = "" } = token;
      for (const _ of ["the token's only use", "one too many"])
        await open(world.openAct(entry, { ...child, delegationJti }));
    } else if (what.do === "retry" && step !== undefined) {
      const agent = entries.find((each) => each.entryId === step.agentEntryId);
      const own = { runId: step.runId, step: step.step, attempt: step.attempt + 1 };
      if (agent !== undefined) await open(world.openAct(agent, own, { supersedes: what.supersedes }));
    } else if (what.do === "ask" && entry !== undefined) {
      const asked = pendingAct(world, entry, what.lease ? { leaseSeconds: 20 } : {});
      const result = await perform(asked);
      if ("sequence" in result) steps.push(asPending(asked.step, asked.approval, Number(result.sequence)));
    } else if (what.do === "approve" && step !== undefined) {
      await perform(approveAct(world, step));
    } else if (what.do === "refuse" && step !== undefined) {
      await perform({ act: "refuse-step", stepId: step.stepId, reason: "r", by: APPROVER, now });
    } else if (what.do === "hold" || what.do === "renew") {
      await perform({ act: `${what.do}-step`, stepId: step?.stepId ?? "", now });
    } else if (what.do === "issue" && step !== undefined) {
      const expiresAt = addSeconds(secondsOf(now), what.seconds);
      const issued = world.record(step, { kind: what.kind, expiresAt, authorityId: authorityId() });
      await issue(issued, step);
    } else if (what.do === "lose" && record !== undefined) {
      await perform({ act: "mark-undelivered", issuanceId: record.issuanceId, now });
    } else if (what.do === "call" && record !== undefined) {
      const of = steps.find(({ stepId }) => record.subject.kind === "step" && record.subject.stepId === stepId);
      if (of === undefined) return;
      await perform(world.callAct(of, record));
      const usage = { stepId: of.stepId, tool: "search", action: "read", outcome: "served", calls: 1 } as const;
      const entryId = entries[what.issuance % entries.length]?.entryId ?? of.agentEntryId;
      await perform({ act: "record-usage", entryId, usages: [usage], gap: what.issuance % 2, now });
    } else if (what.do === "ask-call" && record !== undefined) {
      const of = steps.find(({ stepId }) => record.subject.kind === "step" && record.subject.stepId === stepId);
      if (of === undefined) return;
      const digest = what.issuance.toString(16).padStart(64, "0");
      const asked = pendCallAct(world, of, record, { argumentsSha256: digest });
      if ("approvalId" in (await perform(asked))) calls.push({ pending: asked.pending, of, record });
    } else if (what.do === "approve-call" || what.do === "refuse-call") {
      const asked = one(calls, what.issuance);
      if (asked === undefined) return;
      const { pending, of } = asked;
      const { approvalId, call } = pending;
      const refusing = { act: "refuse-call", approvalId, reason: "r", by: APPROVER, now } as const;
      await perform(what.do === "refuse-call" ? refusing : approveCallAct(world, pending));
      if (what.issuance % 2 === 0) await perform(callActBy(world, of, asked.record, { ...call, approvalId }));
    } else if (what.do === "revoke" && record !== undefined) {
      const { jti, serialNumber = "" } = record;
      const credential = jti === undefined ? { serialNumber } : { jti };
      await perform({ act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR, now });
    } else if (what.do === "close" && step !== undefined) {
      const targets: Readonly<Record<typeof what.wide, CloseTarget>> = {
        step: { kind: "steps", stepIds: [step.stepId] },
        run: { kind: "run", runId: step.runId },
        entry: { kind: "entry", entryId: step.agentEntryId },
        process: { kind: "process", process: step.opener },
      };
      await perform(world.closeAct(targets[what.wide], { state: what.state, by: OPERATOR }));
    } else if (what.do === "change" && entry !== undefined) {
      const { revision } = (await world.entries()).find((each) => each.entryId === entry.entryId) ?? entry;
      await world.put({ ...entry, disabled: what.disabled }, revision, what.closes ? "all" : []);
    } else if (what.do === "enroll" && entry !== undefined) {
      const decidedOn = { entries: [{ entryId: entry.entryId, revision: entry.revision }] };
      await perform({ act: "enroll-process", process: processOf(what.pid), by: CONFIG, decidedOn, now });
    } else if (what.do === "retire" && entry !== undefined) {
      await perform({ act: "retire-entry", entryId: entry.entryId, by: CONFIG, now });
      entries.push(await world.agent());
    } else if (what.do === "acknowledge" && entry !== undefined) {
      const receipts = [{ entryId: entry.entryId, sequence: world.ledger.head().sequence }];
      await perform({ act: "take-receipts", receipts, now });
      const [closed] = await world.store.history.steps({ limit: 1, states: ["COMPLETED", "REVOKED"] });
      const closedSequence = closed?.closedSequence;
      if (closedSequence !== undefined) await perform({ act: "reach-closure", closedSequence, now });
    }
  }

  await signAnew();
  const half = Math.floor(sequence.length / 2);
  for (const what of sequence.slice(0, half)) await run(what);
  await halfway();
  for (const what of sequence.slice(half)) await run(what);
  return { steps, issuances };
}
