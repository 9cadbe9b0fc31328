import { hash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readPostgresMigrations } from "../../src/adapters/ledger-postgres/schema.ts";
import { readMigrations } from "../../src/adapters/ledger-sqlite/migrate.ts";
import { canonicalJson } from "../../src/domain/canonical-json.ts";
import type { Situation } from "../../src/domain/decision.ts";
import { EVENT_TYPES } from "../../src/domain/event-types.ts";
import type { LedgerEvent, StepHeld } from "../../src/domain/ledger-event.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { parseSpiffeId, parseTrustDomain } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import { addMicros, addSeconds, secondsOf, type UnixMicros } from "../../src/domain/time.ts";
import { APPROVER, approveAct, approveCallAct, callActBy, pending, pendingCall } from "../contract/approval-acts.ts";
import { answerAct, endAct, intendAct, intentFor } from "../contract/exchange-acts.ts";
import { CONFIG, done, GRANT, OPERATOR, ports, processOf, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { NOW, P256_SPKI } from "../samples/credentials.ts";

// What was hashed once must hash the same for ever, and what a database was made with is never edited.

test("the migrations by their digests: one that has been applied anywhere is followed by another, not changed", () => {
  expect(readMigrations().map(({ name, sha256 }) => `${name} ${sha256}`)).toEqual([
    "0001_ledger.sql 7f0cc8b47690b9725a4064fa9630e1b50faa8d5d6acee471333fdd4afdaac040",
    "0002_authority_lifecycle.sql 7caa2c5dccc7b8014425150577c8446cb58a04960d5780968024cf6bc6d8a109",
    "0003_server_entry.sql 44b37baf7dae7557d0427358f0fa13ecf7e8eacdc5785dcfba0e668ca68cfa4e",
    "0004_federation_and_evidence.sql 8af04487498881bf823151c3e9440aa62fb6031fbb6baaa61a4a5118dc5e575e",
    "0005_own_content.sql 268146f37f08639d7d89df57c34da3653a26d7c606ba363c3a4bbc21fe778c79",
    "0006_refused_caller.sql 30a11a715d7d5cbc0769adf11478b401bbaa36c2623ba3521d85e01d9d39d69d",
    "0007_policies.sql f88545e5d2b4fb58d63f57acfc04bfa39f0b41778141aaed55317c6a618854cb",
    "0008_step_processes.sql bccd3381a35d476d0b804a76e47b02440cd7c8dfcf88ed37edba84c73112782f",
    "0009_principals.sql 7064ab2529e719ab9bdde549b0ad7083bcf93a4584b1abdba5de79d34b2a4ec0",
    "0010_delegation_token.sql 9cb3b79bea40b37e15ea18393609c9eeec3c21eefab4ed119c731789b4d803c0",
    "0011_calls.sql ac44ecc51cfbd2692d5794573ab0cab9adc6813c44954f14f7f81dba50968acb",
    "0012_policies_activated.sql 8851b7061cff25e92b37d186af85d69157a5dd6206ae33520f1c718e0f061631",
    "0013_approvals.sql 09ff1d449ff8d243ee4990f8118d3728d1bfabcef942ff34ac64879e5eadf8e6",
    "0014_run_principals.sql 29aa187899e5fc18a5f98859f6d652457d4ab7e61ba4ce88a3e5be1207e5c62e",
    "0015_call_approvals.sql 41862d3c56eac14b5578de58abba336114ac0a623f397ae829d0ca52c495a562",
    "0016_fact_connections.sql dd1296ef4cea9693c0bf43a2267b3f336ca63b64320f8906ec2893f6be4f54bc",
    "0017_tools.sql 6949e0c7b25fc27ca419427a19cbd426a66a3ac4460c1be22e5137b4baba5cf1",
    "0018_exchanges.sql 6e913cb15f0fc5fc57f9e9f90ccc8b0f43daec99440d947287cdd7805c015c91",
    "0019_counted_for.sql 5e3dfc619bf347e0812f8fbd7d94c1f33aefdf99189b8b44475b2aed386fa0d6",
    "0020_status_lists.sql ed30e4e72df638532c39706e7594896bedf3505d248698dc71d7bfa5e8d6d7cc",
    "0021_closures.sql 339c27e8a99c68abf74d8e06f72b8b7089fa258d0651f3aa966b0921b238bf36",
    "0022_backup_mark.sql 6ca22bc5af21138224fed2fe1f11327610291c8b66a2ef27d0cd16e215d070a8",
    "0023_event_streams.sql 601b8ae3dc9f679a0ca2dbe7f88bc270341e73e51ae6888ac02d2d95a95ba65c",
    "0024_retention.sql d7379fdb8f246d64cc97e67e8899d86eb4a0620cb7145d9ef4f1c2d9bce09c74",
    "0025_replicas.sql 9f64250fc5e2d56809447d8d77c705a27328c5866b955cba17556934bc14c18d",
    "0026_exchange_replica.sql 569ac1cf1df7b11bc435da9cb23d40ae9d2e9b9314cfcacae5beed7616d9c79e",
    "0027_node_groups.sql 470c8bb964b7098e59441584929379c51dc8488907f61e29856a46a2fa729b78",
  ]);
});

test("the migrations of PostgreSQL, by the same rule", () => {
  expect(readPostgresMigrations().map(({ name, sha256 }) => `${name} ${sha256}`)).toEqual([
    "0001_log.sql 7825b98eed1f961782144145f06c3898b21fa1efdd874e1e18e8bf05aca81db0",
    "0002_common.sql 6e1a4be50657fe1e09c121b5a42c775eaf89658ce12f700e1ad4b89530bd2c3e",
  ]);
});

test("an event's bytes and its leaf", () => {
  const event: StepHeld = { type: "step.held", v: 1, at: 1_795_341_600_000_001 as UnixMicros, stepId: "step_1" };
  const bytes = canonicalJson(event);
  expect(Buffer.from(bytes).toString()).toBe('{"at":1795341600000001,"stepId":"step_1","type":"step.held","v":1}');
  expect(hash("sha256", Buffer.concat([Uint8Array.of(0), bytes]))).toBe(
    "8b0128c61b1688c4b5fba2cdfad3232fe80d37c1ea429cd61c0b5e96db81db13",
  );
});

let world: World;
const members = new Map<string, Set<string>>();

beforeAll(async () => {
  const given = ports();
  const store = await openMemoryLedger(given);
  world = worldOf(store, given);
  await makeOneOfEach();
  for (const row of await store.history.events({ limit: 1_000 })) {
    if (row.canonical.length === 0) continue;
    const event = JSON.parse(Buffer.from(row.canonical).toString()) as LedgerEvent;
    expect(event.v).toBe(1);
    const known = members.get(event.type) ?? new Set();
    members.set(event.type, known);
    for (const path of pathsOf(event)) known.add(path);
  }
});
afterAll(() => world.store.close());

/** Every event, and of those that say more at one time than at another, the one that says most. */
async function makeOneOfEach(): Promise<void> {
  const { ledger, clock } = world;
  const now = clock.now();
  const agent = await world.agent({ exchangeAudiences: [], audiences: ["https://identity.example"] });
  await world.runtime();
  const verifier = await world.verifier({ eventsUrl: "https://siem.example/events" });
  const authority = {
    authorityId: "authority-1",
    family: "x509-svid",
    state: "active",
    stateSince: NOW,
    upstream: [P256_SPKI],
    replica: "a",
    publicKey: P256_SPKI,
    certificate: P256_SPKI,
    notBefore: NOW,
    expiresAt: NOW,
  } as const;
  await ledger.perform({ act: "put-authorities", authorities: [authority], now });
  const taints = { authorityId: "authority-2", reason: "keyCompromise", by: OPERATOR } as const;
  await ledger.perform({
    act: "put-authorities",
    authorities: [{ ...authority, authorityId: "authority-2" }],
    taints,
    now,
  });
  const step = await world.open(agent, {
    leaseSeconds: 60,
    workflow: "w",
    purpose: "p",
    audiences: ["https://identity.example"],
    principal: { principalId: "ab".repeat(32), sealed: "key.sealed" },
    requestId: "r",
    requestDigest: "ab".repeat(32),
    keeper: "a",
  });
  const server = { audiences: ["spiffe://example.org/stint/server"] };
  const delegation = { runtimeEntryId: agent.entryId, mayAct: agent.spiffeId, usesMax: 1 };
  const { jti: delegationJti = "" } = await world.issue(step, { ...server, delegation });
  await world.openChild(agent, step, { delegationJti });
  const { stepId } = step;
  await ledger.perform({ act: "hold-step", stepId, keeper: "b", now });
  await ledger.perform({ act: "renew-step", stepId, now });
  const enrolling = {
    by: { kind: "entry", entryId: agent.entryId, process: "p" },
    decidedOn: { entries: [] },
  } as const;
  await ledger.perform({ act: "enroll-process", process: processOf(31), ...enrolling, now });
  const jwt = await world.issue(step, {});
  const given = await world.issue(step, { status: { list: "list", index: 0 } });
  await ledger.perform({ act: "mark-undelivered", issuanceId: given.issuanceId, now });
  const credential = { jti: jwt.jti ?? "" };
  await ledger.perform({ act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR, now });
  await makeExchanges(step);
  const x509 = world.record(step, { kind: "x509-svid" });
  const [issued] = await ledger.perform(world.issueAct([x509], { entryId: agent.entryId, executable: "/bin/agent" }));
  done(issued);
  const denial = world.decisionOn(step, { decisionId: world.id("decision"), effect: "deny", reason: "NOT_ENTITLED" });
  await ledger.perform({ act: "record-decision", decision: denial, now });
  const budgeted = await world.open(agent, { grant: GRANT.map((element) => ({ ...element, max_calls: 2 })) });
  done(await ledger.perform(world.callAct(budgeted, await world.issue(budgeted))));
  await world.close(
    { kind: "run", runId: step.runId },
    { by: { kind: "entry", entryId: agent.entryId, process: "p" } },
  );
  const principal = { principalId: "ab".repeat(32), by: OPERATOR, now };
  await ledger.perform({ act: "offboard-principal", barAhead: false, ...principal });
  await ledger.perform({ act: "readmit-principal", ...principal });
  await ledger.perform({ act: "erase-principal", ...principal });
  await makeFederationAndEvidence();
  await makePoliciesAndRisk(agent);
  const usage = { stepId: budgeted.stepId, tool: "search", action: "read", outcome: "served", calls: 2 } as const;
  await ledger.perform({ act: "record-usage", entryId: verifier.entryId, usages: [usage], gap: 1, now });
  await makeApprovals(agent);
  await makeTools(verifier.entryId);
  const signed = { verifier: "spiffe://v", epoch: "e", sequence: 1, at: now, key: "ed25519:k", signature: "s" };
  await ledger.perform({ act: "take-receipts", receipts: [{ entryId: verifier.entryId, sequence: 1, signed }], now });
  const [closed] = await world.store.history.steps({ limit: 1, states: ["COMPLETED", "CANCELLED", "REVOKED"] });
  await ledger.perform({ act: "reach-closure", closedSequence: closed?.closedSequence ?? 0, now });
  await ledger.perform({ act: "record-operation", operation: "o", target: "t", reason: "r", by: OPERATOR, now });
  const stream = { streamId: "s", entryId: verifier.entryId, status: "paused", reason: "r", delivery: "poll" } as const;
  const by = { kind: "entry", entryId: verifier.entryId, process: "p" } as const;
  const put = { ...stream, events: ["e"], description: "d" };
  const { sequence } = done(await ledger.perform({ act: "put-event-stream", stream: put, by, now }));
  const delivered = [{ streamId: "s", sequence: sequence + 1 }];
  await ledger.perform({ act: "record-delivered", streams: delivered, now });
  const hold = { holdId: "h", scope: "run", value: "r" } as const;
  await ledger.perform({ act: "place-hold", hold, reason: "r", by: OPERATOR, now });
  done(await ledger.perform({ act: "lift-hold", holdId: "h", reason: "r", by: OPERATOR, now }));
  // One more of those that are pruned, for what it says to be seen in the other.
  const further = [{ entryId: verifier.entryId, sequence: sequence + 2 }];
  await ledger.perform({ act: "take-receipts", receipts: further, now });
  const through = ledger.head().sequence;
  await ledger.perform({
    act: "record-snapshot",
    snapshot: { through, chunks: 1, bytes: 1, rootHash: "ab", schema: 1 },
    now,
  });
  const cutoffs = { deliveries: addMicros(now, 1) };
  await ledger.perform({ act: "prune-events", after: through - 1, limit: 1, cutoffs, now });
  done(await ledger.perform({ act: "end-event-stream", streamId: "s", by, now }));
  const event = {
    sha256: "12".repeat(32),
    issuer: "i",
    event: "e",
    effect: "end",
    principalId: "ab".repeat(32),
  } as const;
  await ledger.perform({ act: "take-security-event", event, expiresAt: NOW, now });
  await ledger.perform({ act: "retire-entry", entryId: verifier.entryId, by: CONFIG, now });
}

async function makeExchanges(step: Step): Promise<void> {
  const { ledger } = world;
  const issued = intentFor(world, step, { issuanceId: "iss_1" });
  done(await ledger.perform(intendAct(world, step, issued)));
  const { expiresAt } = issued;
  await ledger.perform(answerAct(world, issued, { kind: "issued", reference: "role", expiresAt }));
  await ledger.perform(endAct(world, issued));
  const failed = intentFor(world, step);
  done(await ledger.perform(intendAct(world, step, failed)));
  await ledger.perform(answerAct(world, failed, { kind: "failed", failure: "answered 500", mayExist: true }));
}

async function makeFederationAndEvidence(): Promise<void> {
  const { ledger, clock } = world;
  const now = clock.now();
  const trustDomain = parseTrustDomain("other.example");
  const endpointSpiffeId = parseSpiffeId("spiffe://other.example/stint/server");
  const profile = { kind: "https_spiffe", endpointSpiffeId } as const;
  const relationship = { trustDomain, bundleEndpointUrl: "https://other.example/bundle", profile };
  const bundle = { document: '{"keys":[]}', sequence: 1 };
  await ledger.perform({ act: "put-federation", relationship, bundle, by: OPERATOR, now });
  await ledger.perform({ act: "end-federation", trustDomain, by: OPERATOR, now });
  const name = world.name();
  const later = addSeconds(secondsOf(now), 60);
  for (const sha256 of ["ab".repeat(32), "cd".repeat(32)]) {
    await ledger.perform({ act: "create-join-token", sha256, name, expiresAt: later, by: OPERATOR, now });
  }
  await ledger.perform({ act: "spend-join-token", sha256: "ab".repeat(32), now });
  await ledger.perform({ act: "revoke-join-tokens", name, by: OPERATOR, now });
  await ledger.perform({ act: "spend-evidence", attestor: "oidc", sha256: "ef".repeat(32), expiresAt: later, now });
}

async function makeApprovals(agent: RegistrationEntry): Promise<void> {
  const own = { workflow: "w", purpose: "p", leaseSeconds: 30 };
  const [approved, refused] = [await pending(world, agent, own), await pending(world, agent, own)];
  done(await world.ledger.perform(approveAct(world, approved)));
  const now = world.clock.now();
  done(await world.ledger.perform({ act: "refuse-step", stepId: refused.stepId, reason: "r", by: APPROVER, now }));
  await makeCallApprovals(agent);
}

async function makeCallApprovals(agent: RegistrationEntry): Promise<void> {
  const { ledger, clock } = world;
  const step = await world.open(agent);
  const credential = await world.issue(step);
  const [approved, refused] = [
    await pendingCall(world, step, credential),
    await pendingCall(world, step, credential, { argumentsSha256: "cd".repeat(32) }),
  ];
  done(await ledger.perform(approveCallAct(world, approved)));
  const { approvalId } = approved;
  done(await ledger.perform(callActBy(world, step, credential, { approvalId })));
  const refusing = { act: "refuse-call", approvalId: refused.approvalId, reason: "r", by: APPROVER } as const;
  done(await ledger.perform({ ...refusing, now: clock.now() }));
}

async function makeTools(entryId: string): Promise<void> {
  const { ledger, clock } = world;
  const now = clock.now();
  const by = { kind: "entry", entryId, process: "p" } as const;
  const location = "https://mcp.example.org/tools";
  for (const [sha256, definition] of [
    ["ab".repeat(32), "{}"],
    ["cd".repeat(32), "[]"],
  ] as const) {
    const tools = [{ tool: "search", sha256, definition }];
    await ledger.perform({ act: "report-tools", location, tools, pinsFirst: true, by, now });
  }
  const accepted = { location, tool: "search", sha256: "cd".repeat(32), reason: "r", by: APPROVER } as const;
  done(await ledger.perform({ act: "accept-tool", ...accepted, now }));
  const forgotten = { location, tool: "search", reason: "r", by: APPROVER } as const;
  done(await ledger.perform({ act: "forget-tool", ...forgotten, now }));
}

async function makePoliciesAndRisk(agent: RegistrationEntry): Promise<void> {
  const { ledger, clock } = world;
  const now = clock.now();
  const policy = { policyId: "site.1", file: "site.cedar", line: 1, text: "permit (principal, action, resource);" };
  const classes = {
    internal: { sensitivity: "restricted", securityDomain: ["https://mcp.example.org/files"] },
  } as const;
  const set = { policies: [policy], dataClasses: { ratchet: "run", classes } } as const;
  const reason = "r";
  await ledger.perform({ act: "put-policy-set", set, origin: "api", activates: { reason }, by: OPERATOR, now });
  const expiresAt = addSeconds(secondsOf(now), 60);
  await ledger.perform({
    act: "set-risk",
    scope: "domain",
    level: "high",
    expiresAt,
    reason,
    by: OPERATOR,
    now,
  });
  const around = { domain: "low", agent: "low", run: "low" } as const;
  const name = { runId: agent.content.name, step: agent.content.name, attempt: 1 };
  const situation: Situation = {
    policyVersion: 1,
    runtime: agent.content.name,
    principalId: "p",
    workflow: "w",
    parent: { agent: agent.content.name, name },
    facts: { classes: ["internal"], actions: ["read"], stepsOpen: 1, steps: 2 },
    risk: around,
    depth: 1,
    openerUnknown: true,
    approved: "operators",
    approvedPolicies: ["site.1"],
    selectors: ["unix:uid:1000"],
    at: now,
    aboveCeiling: [0],
    aboveParent: [1],
    allowPartial: true,
    closesParent: true,
    fewerCalls: [{ element: 0, calls: 1 }],
  };
  const going = await world.open(agent, { factScopes: ["run:a", "run:b"] });
  const ending = await world.open(agent);
  const act = world.openAct(agent);
  const decided = { ...act.decision, policyErrors: ["site.1: e"], situation, closes: ["step_none"] };
  done(await ledger.perform({ ...act, decision: decided }));
  const unasked = world.openAct(agent);
  const { runtime, parent, selectors } = situation;
  const opening = { ...(runtime && { runtime }), ...(parent && { parent }), selectors };
  done(await ledger.perform({ ...unasked, decision: { ...unasked.decision, opening } }));
  const denial = world.decisionOn(ending, { decisionId: world.id("decision"), act: "judge", effect: "deny" });
  const judged = [going, ending].map(({ stepId }) => ({ stepId, decidedOn: { entries: [] } }));
  const through = ledger.head().sequence;
  await ledger.perform({
    act: "judge-steps",
    through,
    judged: judged.map((one) => (one.stepId === ending.stepId ? { ...one, denial } : one)),
    now,
  });
}

/** Every member by its path; those of a list's elements under `[]`. */
function pathsOf(value: unknown, path = ""): readonly string[] {
  if (Array.isArray(value)) return value.length === 0 ? [path] : value.flatMap((one) => pathsOf(one, `${path}[]`));
  if (typeof value !== "object" || value === null) return [path];
  return Object.entries(value).flatMap(([name, one]) => pathsOf(one, path === "" ? name : `${path}.${name}`));
}

test("every type of event is made here, and no other is known", () => {
  expect([...members.keys()].toSorted()).toEqual([...EVENT_TYPES].toSorted());
});

test("the members of every event", () => {
  const listed = EVENT_TYPES.map((type) => [type, membersOf(type).join(" ")]);
  expect(Object.fromEntries(listed)).toEqual({
    "epoch.started": "epoch reason",
    "entry.put": [
      "by.cause by.kind entry.content.agents[] entry.content.allowAnyExecutor",
      "entry.content.allowMultipleAudiences entry.content.audiences[] entry.content.ceiling[].actions[]",
      "entry.content.ceiling[].datatypes[] entry.content.ceiling[].identifier",
      "entry.content.ceiling[].locations[] entry.content.ceiling[].type entry.content.eventsUrl entry.content.exchangeAudiences",
      "entry.content.jwtSvidTtlSeconds entry.content.kind entry.content.maxStalenessSeconds",
      "entry.content.mayOpen entry.content.name entry.content.openStepsMax entry.content.selectors[]",
      "entry.content.spiffeIdTemplate entry.content.stepSecondsMax entry.content.x509SvidTtlSeconds",
      "entry.createdAt entry.disabled entry.entryId entry.origin entry.revision entry.spiffeId",
      "entry.updatedAt",
    ].join(" "),
    "entry.retired": "by.cause by.kind entryId",
    "decision.made": [
      "decision.act decision.agent decision.approval decision.attempt decision.call.actions[] decision.call.approvalId",
      "decision.call.argumentsSha256",
      "decision.call.counted[].element decision.call.counted[].holder decision.call.datatypes[] decision.call.jti",
      "decision.call.location decision.call.tool decision.callerEntryId decision.closes[] decision.count",
      "decision.decidedAt decision.decisionId decision.determiningPolicies[] decision.effect",
      "decision.granted[].actions[] decision.granted[].datatypes[] decision.granted[].identifier",
      "decision.granted[].locations[] decision.granted[].max_calls decision.granted[].type",
      "decision.opening.parent.agent decision.opening.parent.name.attempt decision.opening.parent.name.runId",
      "decision.opening.parent.name.step decision.opening.runtime decision.opening.selectors[]",
      "decision.policyDigest decision.policyErrors[]",
      "decision.reason decision.refused decision.requested[].actions[] decision.requested[].datatypes[]",
      "decision.requested[].identifier decision.requested[].locations[] decision.requested[].max_calls decision.requested[].type",
      "decision.runId decision.situation.aboveCeiling[] decision.situation.aboveParent[] decision.situation.allowPartial",
      "decision.situation.approved decision.situation.approvedPolicies[] decision.situation.at decision.situation.closesParent",
      "decision.situation.depth decision.situation.facts.actions[]",
      "decision.situation.facts.classes[] decision.situation.facts.steps decision.situation.facts.stepsOpen",
      "decision.situation.fewerCalls[].calls decision.situation.fewerCalls[].element",
      "decision.situation.openerUnknown",
      "decision.situation.parent.agent decision.situation.parent.name.attempt",
      "decision.situation.parent.name.runId decision.situation.parent.name.step",
      "decision.situation.policyVersion decision.situation.principalId decision.situation.risk.agent",
      "decision.situation.risk.domain decision.situation.risk.run decision.situation.runtime",
      "decision.situation.selectors[] decision.situation.workflow decision.step decision.stepId",
    ].join(" "),
    "step.opened": [
      "step.agent step.agentEntryId step.attempt step.audiences[] step.decisionId step.delegationJti step.depth",
      "step.executor.kind step.executor.process.bootId step.executor.process.pid",
      "step.executor.process.pidNamespace step.executor.process.startTimeTicks step.expiresAt",
      "step.factScopes[] step.grant[].actions[] step.grant[].datatypes[] step.grant[].identifier",
      "step.grant[].locations[] step.grant[].max_calls step.grant[].type step.keeper step.leaseSeconds step.openedAt step.opener.bootId",
      "step.opener.pid step.opener.pidNamespace step.opener.startTimeTicks step.openerEntryId",
      "step.parentStepId step.principal.principalId step.principal.sealed step.purpose step.requestDigest",
      "step.requestId step.runId step.spiffeId step.step step.stepId step.workflow",
    ].join(" "),
    "step.pending": [
      "approval.policies[] approval.requestDigest approval.requesters[] approval.role approval.stepSeconds",
      "approval.until step.agent step.agentEntryId step.attempt step.audiences step.decisionId step.depth",
      "step.executor.kind step.executor.process.bootId step.executor.process.pid",
      "step.executor.process.pidNamespace step.executor.process.startTimeTicks step.expiresAt",
      "step.grant[].actions[] step.grant[].datatypes[] step.grant[].identifier step.grant[].locations[]",
      "step.grant[].type step.leaseSeconds step.openedAt step.opener.bootId step.opener.pid",
      "step.opener.pidNamespace step.opener.startTimeTicks step.openerEntryId step.purpose step.runId",
      "step.spiffeId step.step step.stepId step.workflow",
    ].join(" "),
    "step.approved": "by.entryId by.kind by.uid decisionId expiresAt reason stepId",
    "step.refused": "by.entryId by.kind by.uid reason stepId",
    "step.held": "keeper stepId",
    "step.renewed": "leaseExpiresAt stepId",
    "step.closed": "by.cause by.entryId by.kind by.process by.uid count decisionId digest reason revoked state stepId",
    "call.pending": [
      "pending.approvalId pending.askerEntryId pending.call.actions[] pending.call.argumentsSha256",
      "pending.call.datatypes[] pending.call.jti pending.call.location pending.call.tool pending.decisionId",
      "pending.policies[] pending.requestDigest pending.requesters[] pending.role pending.stepId pending.until",
    ].join(" "),
    "call.approved": "approvalId by.entryId by.kind by.uid reason until",
    "call.refused": "approvalId by.entryId by.kind by.uid reason",
    "process.enrolled": "by.entryId by.kind by.process process",
    "run.barred": "by.entryId by.kind by.process runId",
    "issuance.recorded": [
      "executable issuance.audiences[] issuance.authorityId issuance.delegation.mayAct",
      "issuance.delegation.runtimeEntryId issuance.delegation.usesMax issuance.expiresAt",
      "issuance.grant[].actions[] issuance.grant[].datatypes[] issuance.grant[].identifier",
      "issuance.grant[].locations[] issuance.grant[].max_calls issuance.grant[].type issuance.issuanceId issuance.issuedAt",
      "issuance.jti issuance.kind issuance.notBefore issuance.publicKeySha256 issuance.serialNumber",
      "issuance.spiffeId issuance.status.index issuance.status.list issuance.subject.kind issuance.subject.stepId issuance.toBeSignedSha256",
    ].join(" "),
    "issuance.undelivered": "issuanceId",
    "exchange.intended":
      "exchange.endable exchange.exchangeId exchange.expiresAt exchange.issuanceId exchange.kind exchange.requestId exchange.stepId exchange.target",
    "exchange.answered": "exchangeId outcome.expiresAt outcome.failure outcome.kind outcome.mayExist outcome.reference",
    "exchange.ended": "ending exchangeId",
    "issuance.revoked": "by.entryId by.kind by.uid issuanceId reason",
    "authority.put": [
      "authority.authorityId authority.certificate authority.expiresAt authority.family",
      "authority.notBefore authority.publicKey authority.replica authority.state authority.stateSince",
      "authority.upstream[]",
    ].join(" "),
    "authority.tainted": "authorityId by.entryId by.kind by.uid count digest reason",
    "federation.put": [
      "by.entryId by.kind by.uid relationship.bundleEndpointUrl relationship.profile.endpointSpiffeId",
      "relationship.profile.kind relationship.trustDomain",
    ].join(" "),
    "federation.ended": "by.entryId by.kind by.uid trustDomain",
    "bundle.accepted": "bundle.document bundle.sequence trustDomain",
    "join_token.created": "by.entryId by.kind by.uid expiresAt name sha256",
    "join_token.revoked": "by.entryId by.kind by.uid count name",
    "join_token.spent": "name sha256",
    "evidence.spent": "attestor expiresAt sha256",
    "principal.offboarded": "by.entryId by.kind by.uid principalId",
    "principal.readmitted": "by.entryId by.kind by.uid principalId",
    "principal.erased": "by.entryId by.kind by.uid principalId",
    "receipts.taken":
      "receipts[].entryId receipts[].sequence receipts[].signed.at receipts[].signed.epoch receipts[].signed.key receipts[].signed.sequence receipts[].signed.signature receipts[].signed.verifier",
    "closure.reached": "closedSequence",
    "usage.reported": "entryId gap usages[].action usages[].calls usages[].outcome usages[].stepId usages[].tool",
    "event_stream.put":
      "by.entryId by.kind by.process stream.delivery stream.description stream.entryId stream.events[] stream.reason stream.status stream.streamId",
    "event_stream.ended": "by.entryId by.kind by.process streamId",
    "events.delivered": "streams[].sequence streams[].streamId",
    "security_event.taken": "event.effect event.event event.issuer event.principalId event.sha256 expiresAt",
    "snapshot.taken": "bytes chunks rootHash schema through",
    "events.pruned": "by.cause by.kind count digest ranges[][]",
    "hold.placed": "by.entryId by.kind by.uid hold.holdId hold.scope hold.value reason",
    "hold.lifted": "by.entryId by.kind by.uid holdId reason",
    "operator.acted": "act by.entryId by.kind by.uid reason target",
    "policy.put": "digest policy.file policy.line policy.policyId policy.text",
    "policy_set.listed": "digests[] version",
    "policy_set.put": [
      "by.entryId by.kind by.uid set.count set.dataClasses.classes.internal.securityDomain[]",
      "set.dataClasses.classes.internal.sensitivity set.dataClasses.ratchet set.origin set.root set.version",
    ].join(" "),
    "policy_set.activated": "by.entryId by.kind by.uid reason version",
    "risk.set": "by.entryId by.kind by.uid expiresAt level reason scope",
    "tool.seen": "by.entryId by.kind by.process pinned tool.definition tool.location tool.sha256 tool.tool",
    "tool.changed": "by.entryId by.kind by.process pinned tool.definition tool.location tool.sha256 tool.tool",
    "tool.accepted": "by.entryId by.kind by.uid location pinned reason sha256 tool",
    "tool.forgotten": "by.entryId by.kind by.uid location reason tool",
    "steps.judged": "stepIds[] through",
  });
});

/** A list that was empty once and not another time is named by its elements. */
function membersOf(type: LedgerEvent["type"]): readonly string[] {
  const paths = [...(members.get(type) ?? [])].filter((one) => !COMMON.has(one));
  return paths.filter((path) => !paths.some((other) => other.startsWith(`${path}[]`))).toSorted();
}

const COMMON = new Set(["type", "v", "at"]);
