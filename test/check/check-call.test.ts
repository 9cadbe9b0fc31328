import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { OPERATOR_ROLES, type OperatorRole } from "../../src/domain/registration-entry.ts";
import { FILES, GRANT, MCP, present } from "../contract/ledger-world.ts";
import { callerBy, checkScene } from "./check-scene.ts";

const counted = (calls: number) => GRANT.map((element) => ({ ...element, max_calls: calls }));

test("a call that the grant covers is allowed, and on record with its tool, its data and a digest of its arguments", async () => {
  const scene = await checkScene();
  const { step, verifier } = scene;
  const answer = await scene.ask();
  expect(answer).toEqual({ effect: "allow", decisionId: expect.stringMatching(/^dec_/) });
  const [decision] = await scene.decisions();
  expect(decision).toMatchObject({
    decisionId: answer.decisionId,
    act: "call",
    effect: "allow",
    callerEntryId: verifier.entryId,
    stepId: step.stepId,
    agent: step.agent,
    requested: GRANT,
    granted: GRANT,
    determiningPolicies: [`grant:${step.decisionId}`],
    call: {
      location: MCP,
      tool: "search",
      actions: ["read"],
      datatypes: ["internal"],
      argumentsSha256: "ab".repeat(32),
      jti: expect.stringMatching(/^[\w-]{22}$/),
    },
  });
});

test("whoever has a budget is told how much is left, and is refused when nothing is", async () => {
  const scene = await checkScene({ grant: counted(2) });
  expect(await scene.ask()).toMatchObject({ effect: "allow", callsLeft: 1 });
  expect(await scene.ask()).toMatchObject({ effect: "allow", callsLeft: 0 });
  expect(await scene.ask()).toMatchObject({
    effect: "deny",
    reason: "GRANT_EXCEEDED",
    message: "all 2 calls that the grant allows were made",
  });
});

/** A process of an operator, as the broker knows it. */
async function operatorIn({ world, entries }: Awaited<ReturnType<typeof checkScene>>, role: OperatorRole) {
  const content = { kind: "operator", name: "ops", selectors: ["unix:uid:1004"], role } as const;
  const entry = await world.enter(content);
  entries.put(entry);
  return entry;
}

test.for(OPERATOR_ROLES.filter((role) => role !== "detector" && role !== "standby"))(
  "an operator with the role %s asks about calls anywhere",
  async (role) => {
    const scene = await checkScene();
    expect(await scene.ask({}, callerBy(await operatorIn(scene, role)))).toMatchObject({ effect: "allow" });
  },
);

test.for(["detector", "standby"] as const)(
  "a %s is told of no call, and uses up none that is counted",
  async (role) => {
    const scene = await checkScene({ grant: counted(1) });
    const asking = await operatorIn(scene, role);
    await expect(scene.ask({}, callerBy(asking))).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    expect(await scene.decisions()).toMatchObject([
      { effect: "deny", reason: "NOT_ENTITLED", callerEntryId: asking.entryId, granted: [] },
    ]);
    expect(await scene.ask()).toMatchObject({ effect: "allow", callsLeft: 0 });
  },
);

const NO_SEARCH = `@id("all")
permit (principal, action, resource);
@id("no-search")
forbid (principal, action, resource) when { resource == Tool::"search" };`;

describe("denied, and on record with the reason", () => {
  test.for([
    {
      what: "a tool outside the task, as an injected prompt asks for",
      call: { tool: "delete_repo" },
      reason: "GRANT_EXCEEDED",
    },
    { what: "a write with a grant to read", call: { actions: ["write"] }, reason: "GRANT_EXCEEDED" },
    {
      what: "a class of data beside the granted one",
      call: { datatypes: ["internal", "secret"] },
      reason: "GRANT_EXCEEDED",
    },
    {
      what: "a token that nobody signed",
      call: { credential: { kind: "jwt-svid", token: "a.b.c" } },
      reason: "NO_IDENTITY",
    },
  ] as const)("$what", async ({ call, reason }) => {
    const scene = await checkScene();
    const answer = await scene.ask(call);
    expect(answer).toMatchObject({ effect: "deny", reason });
    expect(await scene.decisions()).toMatchObject([
      { decisionId: answer.decisionId, effect: "deny", reason, granted: [], call: { location: MCP } },
    ]);
  });

  test("a token of another audience", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step, { audiences: [FILES] });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "deny", reason: "AUDIENCE_INVALID" });
  });

  test("a token for several audiences, which grants nothing", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step, { audiences: [FILES, MCP] });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "deny", reason: "GRANT_EXCEEDED" });
  });

  test("a token that was signed and never recorded, or recorded as another", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step, { unrecorded: true });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "deny", reason: "NO_IDENTITY" });
    const recorded = await scene.world.issue(scene.step, {});
    const forged = await scene.mint(scene.step, { unrecorded: true, jti: present(recorded.jti) });
    expect(await scene.ask(scene.jwt(forged))).toMatchObject({ effect: "deny", reason: "NO_IDENTITY" });
  });

  test("a call after its step was closed, with the state in which it ended", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step);
    await scene.world.close(scene.step, { state: "FAILED" });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({
      effect: "deny",
      reason: "STEP_CLOSED",
      metadata: { state: "FAILED" },
    });
  });

  test("a call whose step is closed while policy is asked", async () => {
    const scene = await checkScene();
    const { inForce } = scene.ports.policies;
    const policies = {
      async inForce() {
        await scene.world.close(scene.step);
        return inForce();
      },
    };
    expect(await scene.ask({}, undefined, { policies })).toMatchObject({ effect: "deny", reason: "STEP_CLOSED" });
    expect(await scene.decisions()).toMatchObject([{ effect: "deny", reason: "STEP_CLOSED" }]);
  });

  test("a token that was taken back, its step still open", async () => {
    const scene = await checkScene();
    const { jti = "" } = await scene.world.issue(scene.step, {});
    const token = await scene.mint(scene.step);
    await scene.takeBack({ jti });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "allow" });
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
      readonly jti: string;
    };
    await scene.takeBack({ jti: claims.jti });
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "deny", reason: "NO_IDENTITY" });
  });

  test("what policy denies, with the policies that did, and what they were asked on", async () => {
    const scene = await checkScene();
    await scene.activate(NO_SEARCH);
    expect(await scene.ask()).toMatchObject({ effect: "deny", reason: "POLICY_DENIED" });
    const decision = present((await scene.decisions())[0]);
    expect(decision.determiningPolicies[0]).toBe(`grant:${scene.step.decisionId}`);
    expect(decision.determiningPolicies.join()).toContain("no-search");
    expect(decision.situation).toMatchObject({ policyVersion: 1, risk: { domain: "low" } });
    expect(decision.policyDigest).toMatch(/^[0-9a-f]{64}$/);
  });

  test("everything where no policy permits it, and what one permits is allowed by it", async () => {
    const scene = await checkScene();
    await scene.activate(`@id("writes")\npermit (principal, action == Action::"write", resource);`);
    expect(await scene.ask()).toMatchObject({ effect: "deny", reason: "POLICY_DENIED" });
    await scene.activate(`@id("reads")\npermit (principal, action == Action::"read", resource);`);
    expect(await scene.ask()).toMatchObject({ effect: "allow" });
    expect((await scene.decisions())[0]?.determiningPolicies.join()).toContain("reads");
  });
});

const WHILE_LOW = `@id("while-low")
permit (principal, action, resource) when { context.risk.highest == RiskLevel::"low" };`;

describe("what was decided on has changed meanwhile", () => {
  test("risk that is raised between the policies' answer and the record: it is decided again, and denied", async () => {
    const scene = await checkScene();
    await scene.activate(WHILE_LOW);
    expect(await scene.ask()).toMatchObject({ effect: "allow" });
    let asked = 0;
    const engine: typeof scene.ports.engine = {
      async evaluate(...question) {
        const answer = await scene.ports.engine.evaluate(...question);
        asked += 1;
        if (asked === 1) await scene.setRisk("high");
        return answer;
      },
    };
    expect(await scene.ask({}, undefined, { engine })).toMatchObject({ effect: "deny", reason: "POLICY_DENIED" });
    expect(asked).toBe(2);
  });

  test("again and again: it is refused after a few times", async () => {
    const scene = await checkScene();
    let asked = 0;
    const { inForce } = scene.ports.policies;
    const policies = {
      async inForce() {
        asked += 1;
        await scene.world.put(scene.agent, asked);
        return inForce();
      },
    };
    expect(await scene.ask({}, undefined, { policies })).toMatchObject({ effect: "deny", reason: "DECISION_OUTDATED" });
    expect(asked).toBe(LIMITS.decisionsPerRequestMax);
  });
});

describe("who asks", () => {
  test("a verifier that asks for another verifier's audience is refused, and that is on record", async () => {
    const scene = await checkScene();
    const { content } = scene.verifier;
    const other = { ...scene.verifier, content: { ...content, audiences: [FILES] } } as typeof scene.verifier;
    await expect(scene.ask({}, callerBy(other))).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    expect(await scene.decisions()).toMatchObject([{ effect: "deny", reason: "NOT_ENTITLED", caller: { uid: 1_003 } }]);
  });

  test("a runtime and an agent do not ask", async () => {
    const scene = await checkScene();
    for (const entry of [await scene.runtime(), scene.agent]) {
      await expect(scene.ask({}, callerBy(entry))).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    }
  });

  test("a verifier in a loop is refused once it has asked too often, and asks again a second later", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step);
    for (let asked = 0; asked < LIMITS.checkBurstPerVerifier; asked += 1) scene.ports.rate.take(scene.verifier.entryId);
    await expect(scene.ask(scene.jwt(token))).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    scene.clock.advance(1_000);
    expect(await scene.ask(scene.jwt(token))).toMatchObject({ effect: "allow" });
  });

  test("an agent in a loop does not fill the ledger with denials", async () => {
    const scene = await checkScene();
    const token = await scene.mint(scene.step);
    for (let asked = 0; asked < 30; asked += 1) await scene.ask({ ...scene.jwt(token), tool: `tool-${asked}` });
    expect(await scene.decisions()).toHaveLength(LIMITS.denialsRecordedPerMinute);
    await scene.ports.denials.flush();
    const [rest] = await scene.decisions();
    expect(rest).toMatchObject({ count: 20, stepId: scene.step.stepId, requested: [] });
    expect(rest).not.toHaveProperty("call");
  });
});

test("nothing is answered while the ledger may not know of all that was revoked", async () => {
  const gate = { refusal: () => ({ kind: "denial", code: "NOT_SERVING", message: "doubted", metadata: {} }) as const };
  const scene = await checkScene({ ports: { gate } });
  await expect(scene.ask()).rejects.toMatchObject({ code: "NOT_SERVING" });
  expect(await scene.decisions()).toEqual([]);
});

test.for([
  { what: "any tool", call: { tool: "*" }, field: "tool" },
  { what: "a tool with a space", call: { tool: "se arch" }, field: "tool" },
  { what: "no action", call: { actions: [] }, field: "actions" },
  { what: "an unknown action", call: { actions: ["peek"] }, field: "actions" },
  { what: "no class of data", call: { datatypes: [] }, field: "datatypes" },
  { what: "a location that is not canonical", call: { location: `${MCP}/` }, field: "location" },
  { what: "any location", call: { location: "*" }, field: "location" },
  { what: "a digest that is too short", call: { argumentsSha256: new Uint8Array(31) }, field: "arguments_sha256" },
  { what: "no credential", call: { credential: { kind: "jwt-svid", token: "" } }, field: "credential" },
] as const)("a question about $what is refused with the field", async ({ call, field }) => {
  const scene = await checkScene();
  await expect(scene.ask(call)).rejects.toMatchObject({ code: "INVALID_FIELD", metadata: { field } });
});
