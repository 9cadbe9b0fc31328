import { describe, expect, test } from "vitest";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { approveCall } from "../../src/check/approve-call.ts";
import type { CheckPorts } from "../../src/check/check-call.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { parseSelector } from "../../src/domain/selector.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { APPROVAL_SECONDS, REQUESTER_UID } from "../api/http/introspection-scene.ts";
import { GRANT, MCP, present } from "../contract/ledger-world.ts";
import { memoryVault } from "../memory/memory-vault.ts";
import { APPROVER_UID, callApprovalScene, SITE } from "./call-approval-scene.ts";
import { callerAs, callerBy } from "./check-scene.ts";

const DENIED = { effect: "deny", reason: "POLICY_DENIED" } as const;
const OTHER_ARGUMENTS = { argumentsSha256: new Uint8Array(32).fill(0xcd) };
const refused = (code: string, metadata: Readonly<Record<string, string>> = {}) =>
  expect.objectContaining({ code, metadata: expect.objectContaining(metadata) as object }) as Error;

describe("a call that policies hold back", () => {
  test("is denied with who could approve it, and nobody is asked, by a verifier that does not accept that", async () => {
    const { ask, waiting, decisions } = await callApprovalScene();
    const answer = await ask();
    expect(answer).toMatchObject({ ...DENIED, metadata: { approval: "operators" } });
    expect(answer).not.toHaveProperty("pending");
    expect(await decisions()).toMatchObject([{ effect: "deny", approval: "operators" }]);
    expect(await waiting()).toEqual([]);
  });

  test("does not wait where nobody knows its arguments: any other could be made in its place", async () => {
    const { askPending, waiting } = await callApprovalScene();
    const answer = await askPending({ argumentsSha256: new Uint8Array() });
    expect(answer).toMatchObject({ ...DENIED, metadata: { approval: "operators" } });
    expect(answer).not.toHaveProperty("pending");
    expect(await waiting()).toEqual([]);
  });

  test("waits, with the decision that denied it, what is to be approved, who asked and until when", async () => {
    const { askPending, step, verifier, clock, waiting, decisions } = await callApprovalScene();
    const until = addSeconds(secondsOf(clock.now()), APPROVAL_SECONDS);
    const answer = await askPending();
    const [asked] = await waiting();
    const { approvalId } = present(asked);
    expect(approvalId).toMatch(/^call_/);
    expect(answer).toMatchObject({
      ...DENIED,
      metadata: { approval: "operators", approval_id: approvalId },
      pending: { approvalId, until },
    });
    const [decision] = await decisions();
    expect(decision).toMatchObject({
      decisionId: answer.decisionId,
      effect: "deny",
      caller: { uid: 1_003 },
      call: { approvalId },
    });
    expect(asked).toMatchObject({
      decisionId: answer.decisionId,
      stepId: step.stepId,
      askerEntryId: verifier.entryId,
      call: { location: MCP, tool: "search", argumentsSha256: "ab".repeat(32) },
      role: "operators",
      policies: ["calls-are-approved"],
      requesters: [REQUESTER_UID],
    });
  });

  test("asked again, also with another credential of its step, it is the same that waits", async () => {
    const { pendingId, waiting, ask } = await callApprovalScene();
    const approvalId = await pendingId();
    expect(await pendingId()).toBe(approvalId);
    expect(await ask()).toMatchObject({ ...DENIED, pending: { approvalId } });
    expect(await waiting()).toHaveLength(1);
    expect(await pendingId(OTHER_ARGUMENTS)).not.toBe(approvalId);
  });

  test("asked twice at once, it waits once", async () => {
    const { pendingId, waiting } = await callApprovalScene();
    const ids = await Promise.all([pendingId(), pendingId(), pendingId()]);
    expect(new Set(ids).size).toBe(1);
    expect(await waiting()).toHaveLength(1);
  });

  test.for([
    { what: "another policy forbids it too", site: `${SITE}\n@id("never")\nforbid (principal, action, resource);` },
    {
      what: "a policy can't be evaluated",
      site: `${SITE}\n@id("broken")\nforbid (principal, action, resource) when { context.depth + 9223372036854775807 + context.attempt > 0 };`,
    },
    {
      what: "no policy permits it",
      site: SITE.replace("permit (", "permit (").replace("action, resource);", 'action == Action::"write", resource);'),
    },
  ])("waits for nobody where $what", async ({ site }) => {
    const { activate, askPending, waiting } = await callApprovalScene();
    await activate(site);
    const answer = await askPending();
    expect(answer).toMatchObject({ ...DENIED, metadata: {} });
    expect(answer).not.toHaveProperty("pending");
    expect(await waiting()).toEqual([]);
  });

  test("nobody is asked about a call whose budget is used up, or that the grant does not cover", async () => {
    const { activate, ask, askPending, waiting } = await callApprovalScene({
      grant: GRANT.map((element) => ({ ...element, max_calls: 1 })),
    });
    expect(await askPending({ tool: "delete" })).toMatchObject({ reason: "GRANT_EXCEEDED" });
    await activate(`@id("all")\npermit (principal, action, resource);`);
    expect(await ask()).toMatchObject({ effect: "allow", callsLeft: 0 });
    await activate(SITE);
    expect(await askPending()).toMatchObject({ reason: "GRANT_EXCEEDED" });
    expect(await waiting()).toEqual([]);
  });

  test("no more of a step's calls wait than somebody looks at", async () => {
    const { askPending, waiting } = await callApprovalScene();
    const call = (number: number) => ({ argumentsSha256: new Uint8Array(32).fill(number) });
    for (let number = 0; number < LIMITS.callsPendingPerStepMax; number += 1) await askPending(call(number));
    const answer = await askPending(call(200));
    expect(answer).toMatchObject({
      ...DENIED,
      message: expect.stringContaining("16 calls of the step wait") as string,
    });
    expect(answer).not.toHaveProperty("pending");
    expect(await waiting()).toHaveLength(LIMITS.callsPendingPerStepMax);
  });

  test("waits for nobody once nobody can tell who asked for its step", async () => {
    const { askPending, waiting } = await callApprovalScene();
    const gone: Partial<CheckPorts> = { processes: { find: () => undefined } };
    expect(await askPending({}, undefined, gone)).not.toHaveProperty("pending");
    expect(await waiting()).toEqual([]);
  });

  test("waits no longer than its step lives", async () => {
    const { askPending, step, clock, mint, jwt } = await callApprovalScene();
    clock.advance((step.expiresAt - secondsOf(clock.now()) - 30) * 1_000);
    expect(await askPending(jwt(await mint(step, { expiresAt: step.expiresAt })))).toMatchObject({
      pending: { until: step.expiresAt },
    });
  });
});

describe("a call that was approved", () => {
  test("is allowed once, by a decision that names the approval; the second time it waits anew", async () => {
    const { pendingId, approve, approvalNow, ask, askPending, decisions, approverEntry } = await callApprovalScene();
    const approvalId = await pendingId();
    expect(await approve(approvalId)).toMatchObject({
      answer: { approved: true, reason: "looked at it", by: { entryId: approverEntry.entryId, uid: APPROVER_UID } },
    });
    const allowed = await ask();
    expect(allowed).toEqual({ effect: "allow", decisionId: expect.any(String) });
    const [decision] = await decisions();
    expect(decision).toMatchObject({
      decisionId: allowed.decisionId,
      call: { approvalId },
      situation: { approved: "operators" },
    });
    expect(await approvalNow(approvalId)).toMatchObject({ usedBy: allowed.decisionId });
    expect(await ask()).toMatchObject(DENIED);
    const again = await askPending();
    expect(again).toMatchObject(DENIED);
    expect(again).not.toMatchObject({ pending: { approvalId } });
  });

  test("is allowed once when two processes of its server ask at the same time", async () => {
    const { pendingId, approve, ask } = await callApprovalScene();
    await approve(await pendingId());
    const answers = await Promise.all([ask(), ask(), ask(), ask()]);
    expect(answers.map(({ effect }) => effect).toSorted()).toEqual(["allow", "deny", "deny", "deny"]);
    for (const answer of answers)
      if (answer.effect === "deny") expect(answer).toMatchObject({ reason: "POLICY_DENIED" });
  });

  test("counts in its budget, once", async () => {
    const { pendingId, approve, ask } = await callApprovalScene({
      grant: GRANT.map((element) => ({ ...element, max_calls: 3 })),
    });
    await approve(await pendingId());
    expect(await ask()).toMatchObject({ effect: "allow", callsLeft: 2 });
  });

  test.for([
    { what: "other arguments", call: OTHER_ARGUMENTS },
    { what: "arguments that nobody tells", call: { argumentsSha256: new Uint8Array() } },
    { what: "another tool", call: { tool: "find" } },
    { what: "another action", call: { actions: ["write"] } },
    { what: "another class of data", call: { datatypes: ["secret"] } },
  ])("does not let through the same with $what", async ({ call }) => {
    const wide = { identifier: "*", actions: ["read", "write"], datatypes: ["internal", "secret"] } as const;
    const { pendingId, approve, ask, approvalNow } = await callApprovalScene({
      grant: GRANT.map((element) => ({ ...element, ...wide })),
    });
    const approvalId = await pendingId();
    await approve(approvalId);
    expect(await ask(call)).toMatchObject(DENIED);
    expect(await approvalNow(approvalId)).not.toHaveProperty("usedBy");
    expect(await ask()).toMatchObject({ effect: "allow" });
  });

  test("is not let through for another step of the run, nor when another server asks", async () => {
    const { pendingId, approve, ask, world, step, agent, mint, verifier, entries } = await callApprovalScene();
    await approve(await pendingId());
    const sibling = await world.open(agent, { runId: step.runId });
    const credential = { kind: "jwt-svid", token: await mint(sibling) } as const;
    expect(await ask({ credential })).toMatchObject(DENIED);
    const other = await world.enter({
      kind: "verifier",
      name: world.name(),
      selectors: ["unix:uid:1004"],
      audiences: [MCP],
    });
    entries.put(other);
    expect(await ask({}, callerBy(other))).toMatchObject(DENIED);
    expect(await ask({}, callerBy(verifier))).toMatchObject({ effect: "allow" });
  });

  test("is denied when the time of its approval is over, which counts from the approval", async () => {
    const { pendingId, approve, ask, clock } = await callApprovalScene();
    const first = await pendingId();
    clock.advance((APPROVAL_SECONDS - 1) * 1_000);
    await approve(first);
    clock.advance((APPROVAL_SECONDS - 1) * 1_000);
    expect(await ask()).toMatchObject({ effect: "allow" });
    await approve(await pendingId());
    clock.advance(APPROVAL_SECONDS * 1_000);
    expect(await ask()).toMatchObject(DENIED);
  });

  test("is denied once its step is closed", async () => {
    const { pendingId, approve, askPending, world, step, mint, jwt } = await callApprovalScene();
    const token = await mint(step);
    await approve(await pendingId());
    await world.close(step, { state: "SUPERSEDED" });
    expect(await askPending(jwt(token))).toMatchObject({ effect: "deny", reason: "STEP_CLOSED" });
  });

  test("is denied while risk is high, and its approval is not used up by that", async () => {
    const { pendingId, approve, ask, setRisk, approvalNow, decisions, mint, step, jwt } = await callApprovalScene();
    // While risk has risen no credential is issued; those that are there go on.
    const token = jwt(await mint(step));
    const approvalId = await pendingId(token);
    await approve(approvalId);
    await setRisk("high");
    expect(await ask(token)).toMatchObject(DENIED);
    expect((await decisions())[0]?.determiningPolicies).toContain("not-at-risk");
    expect(await approvalNow(approvalId)).not.toHaveProperty("usedBy");
    await setRisk("low");
    expect(await ask(token)).toMatchObject({ effect: "allow" });
  });

  test("is denied by a policy that was put in force since, and needs no approval once none asks for one", async () => {
    const { pendingId, approve, ask, activate, approvalNow } = await callApprovalScene();
    const approvalId = await pendingId();
    await approve(approvalId);
    await activate(`${SITE}\n@id("never")\nforbid (principal, action, resource == Tool::"search");`);
    expect(await ask()).toMatchObject(DENIED);
    await activate(`@id("all")\npermit (principal, action, resource);`);
    expect(await ask()).toMatchObject({ effect: "allow" });
    expect(await approvalNow(approvalId)).not.toHaveProperty("usedBy");
  });

  test("waits anew where a policy holds it back that was not in the way when somebody looked, whichever role it asks for", async () => {
    const { pendingId, approve, ask, approvalNow, activate, setRisk, mint, step, jwt, decisions } =
      await callApprovalScene();
    await activate(
      `${SITE}\n@id("rising")\n@approval("operators")\nforbid (principal, action, resource) when { context.risk.highest == RiskLevel::"elevated" };`,
    );
    const token = jwt(await mint(step));
    const first = await pendingId(token);
    await approve(first);
    await setRisk("elevated");
    expect(await ask(token)).toMatchObject({ ...DENIED, metadata: { approval: "operators" } });
    const second = await pendingId(token);
    expect(second).not.toBe(first);
    expect(await approvalNow(second)).toMatchObject({ policies: ["calls-are-approved", "rising"] });
    expect(await pendingId(token)).toBe(second);
    await approve(second);
    expect(await ask(token)).toMatchObject({ effect: "allow" });
    expect((await decisions())[0]).toMatchObject({
      call: { approvalId: second },
      situation: { approved: "operators", approvedPolicies: ["calls-are-approved", "rising"] },
    });
    expect(await approvalNow(first)).not.toHaveProperty("usedBy");
    expect(await ask(token)).toMatchObject(DENIED);
    await setRisk("low");
    expect(await ask(token)).toMatchObject({ effect: "allow" });
    expect(await approvalNow(first)).toHaveProperty("usedBy");
  });

  test("is decided again when risk rises between the policies' answer and the record", async () => {
    const { pendingId, approve, ask, ports, setRisk, approvalNow } = await callApprovalScene();
    const approvalId = await pendingId();
    await approve(approvalId);
    let asked = 0;
    const engine: CheckPorts["engine"] = {
      async evaluate(...question) {
        const answer = await ports.engine.evaluate(...question);
        asked += 1;
        // The second question is the one with the approval.
        if (asked === 2) await setRisk("high");
        return answer;
      },
    };
    expect(await ask({}, undefined, { engine })).toMatchObject(DENIED);
    expect(await approvalNow(approvalId)).not.toHaveProperty("usedBy");
  });

  test("is denied with a credential that was taken back, which does not use its approval", async () => {
    const { pendingId, approve, ask, mint, step, jwt, takeBack, approvalNow } = await callApprovalScene();
    const token = await mint(step);
    const approvalId = await pendingId(jwt(token));
    await approve(approvalId);
    const { jti } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
      readonly jti: string;
    };
    await takeBack({ jti });
    expect(await ask(jwt(token))).toMatchObject({ reason: "NO_IDENTITY" });
    expect(await approvalNow(approvalId)).not.toHaveProperty("usedBy");
    expect(await ask()).toMatchObject({ effect: "allow" });
  });
});

describe("who approves", () => {
  test("not the user who asked, by another entry", async () => {
    const { pendingId, approve, approverEntry, ask } = await callApprovalScene();
    const approvalId = await pendingId();
    await expect(approve(approvalId, callerAs(REQUESTER_UID, approverEntry))).rejects.toEqual(refused("NOT_ENTITLED"));
    expect(await ask()).toMatchObject(DENIED);
  });

  test("not the entry that executes the step, nor the one that asks about the call", async () => {
    const { pendingId, approve, approverEntry, agent, verifier } = await callApprovalScene();
    const approvalId = await pendingId();
    for (const entry of [agent, verifier]) {
      const party = callerAs(APPROVER_UID, approverEntry, entry);
      await expect(approve(approvalId, party)).rejects.toEqual(refused("NOT_ENTITLED"));
    }
    expect(await approve(approvalId)).toMatchObject({ answer: { approved: true } });
  });

  test("not whom the step works for", async () => {
    const principals = memoryVault(systemRandomness());
    const person = { iss: "https://idp.example.org", sub: "ann" };
    const principal = await principals.seal({ ...person, claims: {} });
    const { pendingId, approve, approver, world, agent, mint } = await callApprovalScene({ ports: { principals } });
    const step = await world.open(agent, { principal });
    const approvalId = await pendingId({ credential: { kind: "jwt-svid", token: await mint(step) } });
    const texts = [...approver.selectors, `oidc:iss:${person.iss}`, `oidc:sub:${person.sub}`];
    const selectors = new Set(texts.map((text) => parseSelector(text, "selector")));
    await expect(approve(approvalId, { ...approver, selectors })).rejects.toEqual(refused("NOT_ENTITLED"));
    expect(await approve(approvalId)).toMatchObject({ answer: { approved: true } });
  });

  test("no other role, an administrator's either, neither approves nor refuses", async () => {
    const { pendingId, approve, refuse, world } = await callApprovalScene();
    const approvalId = await pendingId();
    for (const role of ["admin", "viewer", "detector"] as const) {
      const entry = await world.enter({ kind: "operator", name: world.name(), selectors: ["unix:uid:53"], role });
      await expect(approve(approvalId, callerAs(53, entry))).rejects.toEqual(refused("NOT_ENTITLED"));
      await expect(refuse(approvalId, callerAs(53, entry))).rejects.toEqual(refused("NOT_ENTITLED"));
    }
  });

  test("who tries to answer a call and may not is on record, with the call", async () => {
    const { pendingId, approve, refuse, approverEntry, verifier, store, world } = await callApprovalScene();
    const approvalId = await pendingId();
    const party = callerAs(APPROVER_UID, approverEntry, verifier);
    await expect(approve(approvalId, party)).rejects.toEqual(refused("NOT_ENTITLED"));
    const admin = await world.enter({
      kind: "operator",
      name: world.name(),
      selectors: ["unix:uid:53"],
      role: "admin",
    });
    await expect(refuse(approvalId, callerAs(53, admin))).rejects.toEqual(refused("NOT_ENTITLED"));
    const tried = (await store.history.decisions({ limit: 10 })).filter(({ act }) => act === "administer");
    expect(tried).toMatchObject([
      {
        reason: "NOT_ENTITLED",
        callerEntryId: admin.entryId,
        caller: { uid: 53 },
        call: { tool: "search", approvalId },
      },
      {
        reason: "NOT_ENTITLED",
        callerEntryId: approverEntry.entryId,
        call: { tool: "search", approvalId },
        requested: GRANT,
      },
    ]);
  });

  test("an approver whose entry was disabled meanwhile does not", async () => {
    const { pendingId, approve, approverEntry, world } = await callApprovalScene();
    const approvalId = await pendingId();
    await world.put({ ...approverEntry, disabled: true }, 1);
    await expect(approve(approvalId)).rejects.toEqual(refused("NOT_ENTITLED"));
  });

  test("something else than was looked at is not approved, nor anything twice, late, or that nobody asked about", async () => {
    const { pendingId, approve, refuse, clock, world, step } = await callApprovalScene();
    const approvalId = await pendingId();
    const other = await pendingId(OTHER_ARGUMENTS);
    const wrong = refused("INVALID_FIELD", { field: "request_digest" });
    await expect(approve(approvalId, undefined, "e".repeat(64))).rejects.toEqual(wrong);
    await approve(approvalId);
    const over = (state: string) => refused("INVALID_FIELD", { field: "approval_id", state });
    await expect(approve(approvalId)).rejects.toEqual(over("approved"));
    await expect(refuse(approvalId)).rejects.toEqual(over("approved"));
    const none = refused("INVALID_FIELD", { field: "approval_id" });
    await expect(approve("call_none", undefined, "e".repeat(64))).rejects.toEqual(none);
    clock.advance(APPROVAL_SECONDS * 1_000);
    await expect(approve(other)).rejects.toEqual(over("lapsed"));
    const last = await pendingId(OTHER_ARGUMENTS);
    await world.close(step);
    await expect(approve(last)).rejects.toEqual(refused("STEP_CLOSED", { state: "COMPLETED" }));
  });

  test.for([
    { what: "without a reason", reason: "" },
    { what: "with a reason that steers a terminal", reason: "fine\u001b[2J" },
  ])("is refused $what", async ({ reason }) => {
    const { pendingId, approver, approvalNow, ports } = await callApprovalScene();
    const { approvalId, requestDigest } = await approvalNow(await pendingId());
    await expect(approveCall(approver, { approvalId, requestDigest, reason }, ports)).rejects.toEqual(
      refused("INVALID_FIELD", { field: "reason" }),
    );
  });

  test("nothing is approved while the ledger may not know of all that was revoked", async () => {
    const { pendingId, approve, doubt } = await callApprovalScene();
    const approvalId = await pendingId();
    doubt(true);
    await expect(approve(approvalId)).rejects.toEqual(refused("NOT_SERVING"));
  });
});

test("a call that was refused is denied and does not wait again, for as long as it would have waited", async () => {
  const { pendingId, refuse, askPending, clock, store } = await callApprovalScene();
  const approvalId = await pendingId();
  expect(await refuse(approvalId)).toMatchObject({ answer: { approved: false, reason: "not today" } });
  const { callApproval } = store.callApprovals;
  // The refusal comes after the question was looked for, and before it is put.
  const late = { callApprovals: { callApproval, standingCallApproval: async () => undefined } };
  for (const answer of [await askPending(), await askPending({}, undefined, late)]) {
    expect(answer).toMatchObject({
      ...DENIED,
      message: expect.stringContaining("refused by an approver") as string,
    });
    expect(answer).toHaveProperty("metadata", { approval_id: approvalId, approver_reason: "not today" });
    expect(answer).not.toHaveProperty("pending");
  }
  clock.advance(APPROVAL_SECONDS * 1_000);
  expect(await pendingId()).not.toBe(approvalId);
});

test("who opened a step is known by what was attested then, where their process has ended since", async () => {
  const { agent, world, mint, askPending, jwt, waiting } = await callApprovalScene();
  const executor = { kind: "any" } as const;
  const act = world.openAct(agent, { executor });
  const around = { domain: "low", agent: "low", run: "low" } as const;
  const facts = { classes: [], actions: [], stepsOpen: 0, steps: 0 };
  const selectors = ["unix:gid:7", "unix:uid:4711"];
  const situation = { policyVersion: 1, facts, risk: around, depth: 0, selectors, at: act.now };
  await world.ledger.perform({ ...act, decision: { ...act.decision, situation } });
  const step = await world.step(act.step.stepId);
  await askPending(jwt(await mint(step)), undefined, { processes: { find: () => undefined } });
  expect(await waiting()).toMatchObject([{ requesters: [4_711] }]);
});
