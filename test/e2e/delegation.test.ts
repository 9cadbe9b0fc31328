import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { type Answer, type Caller, callerAs } from "./as-user.ts";
import { ENTRIES, FILES, READ_SEARCH, SEARCH, UID, WRITE_FILES } from "./entries.ts";
import { type Operator, operatorOf } from "./operator.ts";

// Two runtimes, the agent of both, and others, each a process under a user of its own; which takes root.
const isRoot = process.getuid?.() === 0;
const BROKER = "spiffe://example.org/stint/server";

describe.runIf(isRoot)("a step that is delegated to another runtime", () => {
  let daemon: Daemon;
  let operator: Operator;
  let flow: Caller;
  let other: Caller;
  let agent: Caller;

  beforeAll(async () => {
    daemon = await startDaemon({ entries: ENTRIES });
    operator = operatorOf(daemon.operatorSocket);
    [flow, other, agent] = await Promise.all([
      callerAs({ uid: UID.runtime }, daemon.workloadSocket),
      callerAs({ uid: UID.otherRuntime }, daemon.workloadSocket),
      callerAs({ uid: UID.agent }, daemon.workloadSocket),
    ]);
  });
  afterAll(async () => {
    await Promise.all([flow, other, agent].map((caller) => caller?.[Symbol.asyncDispose]()));
    operator?.[Symbol.dispose]();
    await daemon?.[Symbol.asyncDispose]();
  });

  let runs = 0;
  const request = (own: object) => {
    runs += 1;
    const grant = { elements: [READ_SEARCH] };
    return {
      runId: `delegated-${runs}`,
      step: "s",
      agent: "researcher",
      grant,
      executor: { any: {} },
      ...own,
    } as never;
  };
  const open = async (by: Caller, own: object = {}): Promise<Answer> =>
    (await by.call("Steps", "open", request(own))).step;

  async function delegate(by: Caller, stepId: string, own: object = {}): Promise<string> {
    const answer = await by.call("Credentials", "issueDelegationToken", { stepId, runtime: "other", ...own } as never);
    return answer.token.token;
  }

  const close = (by: Caller, { stepId }: Answer) => by.call("Steps", "close", { stepId, outcome: "OUTCOME_COMPLETED" });
  const jwtFor = ({ stepId }: Answer) =>
    agent.call("Credentials", "issueJwtSvid", { stepId, wanted: { audiences: [SEARCH] } });
  const refused = (message: string) => ({
    reason: "DELEGATION_REFUSED",
    message: expect.stringContaining(message),
  });

  /** The states of a step as somebody who holds it is told, up to its end. */
  async function statesOf(by: Caller, { stepId }: Answer, began: () => void): Promise<readonly string[]> {
    const states: string[] = [];
    for await (const { step } of by.stream("Steps", "hold", { stepId })) {
      states.push(step.state);
      began();
    }
    return states;
  }

  test("is a child whose agent gets credentials, until the first runtime closes its own step; all hear of it", async () => {
    const parent = await open(flow);
    const child = await open(other, { parentToken: await delegate(flow, parent.stepId) });
    expect(child).toMatchObject({ parentStepId: parent.stepId, delegationJti: expect.any(String) });
    expect((await jwtFor(child)).svid.spiffeId).toBe(child.spiffeId);
    const held = Promise.withResolvers<void>();
    const states = statesOf(other, child, held.resolve);
    await held.promise;
    expect(await close(flow, parent)).toMatchObject({ descendantsClosed: 1, credentialsRevoked: 2 });
    expect(await states).toEqual(["STEP_STATE_OPEN", "STEP_STATE_CANCELLED"]);
    await expect(jwtFor(child)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
  });

  test("ends with its parent too when the first runtime is killed", async () => {
    const doomed = await callerAs({ uid: UID.runtime }, daemon.workloadSocket);
    onTestFinished(() => doomed[Symbol.asyncDispose]());
    const parent = await open(doomed);
    const holding = Promise.withResolvers<void>();
    // The stream ends with its process.
    void statesOf(doomed, parent, holding.resolve).catch(() => undefined);
    await holding.promise;
    const child = await open(other, { parentToken: await delegate(doomed, parent.stepId) });
    const states = statesOf(other, child, () => undefined);
    doomed.signal("SIGKILL");
    expect((await states).at(-1)).toBe("STEP_STATE_ABANDONED");
  });

  test("may be handed on by the executor, hop by hop, and the operator is shown the chain with each hop's decision", async () => {
    const parent = await open(flow, { grant: { elements: [READ_SEARCH, { ...WRITE_FILES, actions: ["read"] }] } });
    const child = await open(other, { parentToken: await delegate(agent, parent.stepId) });
    const grandchild = await open(other, { parentToken: await delegate(other, child.stepId) });
    await close(flow, parent);
    const { steps, stepId } = await operator.steps.getTree({ by: { case: "stepId", value: child.stepId } });
    expect(stepId).toBe(child.stepId);
    expect(steps.map((step) => step.stepId)).toEqual([parent.stepId, child.stepId, grandchild.stepId]);
    expect(new Set(steps.map(({ decisionId }) => decisionId)).size).toBe(3);
    const told = await other.call("Steps", "getTree", { stepId: child.stepId });
    expect(told).toMatchObject({ hidden: 1, steps: [{ stepId: child.stepId }, { stepId: grandchild.stepId }] });
    await expect(other.call("Steps", "getTree", { stepId: parent.stepId })).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
    });
  });

  test("asking for more than its parent is refused: beyond its grant, the token's cap and its expiry", async () => {
    const parent = await open(flow);
    const token = await delegate(flow, parent.stepId, { grant: { elements: [] }, uses: 3 });
    await expect(open(other, { parentToken: token })).rejects.toMatchObject(refused("delegation token passes on"));
    const wide = await delegate(flow, parent.stepId, { uses: 2 });
    const write = { elements: [{ ...WRITE_FILES, locations: [FILES] }] };
    await expect(open(other, { parentToken: wide, grant: write })).rejects.toMatchObject(refused("above"));
    const expiresAt = new Date(Date.parse(parent.expiresAt) + 60_000).toISOString();
    await expect(open(other, { parentToken: wide, expiresAt })).rejects.toMatchObject(refused("expires before"));
    expect(await open(other, { parentToken: token, grant: { elements: [] } })).not.toHaveProperty("grant.elements");
  });

  test("takes a token that is its own, unused and of an open step: a replay, a thief and both ids at once are refused", async () => {
    const parent = await open(flow);
    const token = await delegate(flow, parent.stepId);
    const { stepId } = await open(other, { parentToken: token });
    await expect(open(other, { parentToken: token })).rejects.toMatchObject(refused("used up"));
    await expect(open(other, { parentToken: token, parentStepId: stepId })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
      metadata: { field: "parent_token" },
    });
    const late = await delegate(flow, parent.stepId);
    await close(flow, parent);
    await expect(open(other, { parentToken: late })).rejects.toMatchObject(refused("the parent step is COMPLETED"));
    for (const thief of [flow, await callerAs({ uid: UID.runtime }, daemon.workloadSocket)]) {
      await expect(open(thief, { parentToken: late })).rejects.toMatchObject(refused("for another runtime"));
      if (thief !== flow) await thief[Symbol.asyncDispose]();
    }
  });

  test("is a token that is worth nothing elsewhere: no Workload API validates it, and it is no way to anything else", async () => {
    const parent = await open(flow);
    const token = await delegate(flow, parent.stepId);
    for (const audience of [BROKER, SEARCH]) {
      const answer = agent.call("SpiffeWorkloadAPI", "validateJWTSVID", { audience, svid: token });
      await expect(answer).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    const held = { authorization: `Bearer ${token}` };
    const asked = { stepId: parent.stepId, wanted: { audiences: [SEARCH] } };
    await expect(other.call("Credentials", "issueJwtSvid", asked, held)).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
    });
    await expect(other.call("Steps", "get", { stepId: parent.stepId }, held)).rejects.toMatchObject({
      reason: "NOT_ENTITLED",
    });
  });

  test("is refused to whoever has no part in the step, and each refusal is on record", async () => {
    const parent = await open(flow);
    await expect(delegate(other, parent.stepId)).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    const token = await delegate(flow, parent.stepId);
    await expect(open(flow, { parentToken: token })).rejects.toMatchObject(refused("for another runtime"));
    const { decisions } = await operator.history.listDecisions({ effect: 2 });
    expect(decisions.slice(0, 2).map(({ reason }) => reason)).toEqual(["DELEGATION_REFUSED", "NOT_ENTITLED"]);
  });
});

test.runIf(isRoot)("a token outlives a restart of the broker, and so does what was used of it", async () => {
  const daemon = await startDaemon({ entries: ENTRIES });
  const open = async (uid: number, socket: string, own: object) => {
    const by = await callerAs({ uid }, socket);
    try {
      const grant = { elements: [READ_SEARCH] };
      const { step } = await by.call("Steps", "open", { step: "s", agent: "researcher", grant, ...own } as never);
      const token = async () =>
        (
          await by.call("Credentials", "issueDelegationToken", {
            stepId: step.stepId,
            runtime: "other",
            uses: 2,
            ttl: "200s",
          } as never)
        ).token.token as string;
      return { step, token: uid === UID.runtime ? await token() : "" };
    } finally {
      await by[Symbol.asyncDispose]();
    }
  };
  const executor = { any: {} };
  const { token: parentToken } = await open(UID.runtime, daemon.workloadSocket, { runId: "first", executor });
  await open(UID.otherRuntime, daemon.workloadSocket, { runId: "second", executor, parentToken });
  await daemon.stop();
  await using again = await daemon.restart();
  await open(UID.otherRuntime, again.workloadSocket, { runId: "third", executor, parentToken });
  await expect(
    open(UID.otherRuntime, again.workloadSocket, { runId: "fourth", executor, parentToken }),
  ).rejects.toMatchObject({ reason: "DELEGATION_REFUSED", message: expect.stringContaining("it was for 2 children") });
});
