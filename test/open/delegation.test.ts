import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { jwtEs256Format } from "../../src/adapters/jwt-es256/jwt-es256.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { recordedOf } from "../samples/credentials.ts";
import { ISSUER, OPERATOR } from "../simulation/broker.ts";
import { delegationScene } from "./delegation-scene.ts";
import { FILES, MCP, READ, SEARCH, segment, WRITE } from "./path-scene.ts";

const refused = (message: string) => ({ code: "DELEGATION_REFUSED", message: expect.stringContaining(message) });

describe("a child that another runtime opens with a token", () => {
  test("is below the token's step, one deeper, with the receiver as its opener and a decision of its own", async () => {
    const { receiver, entries, parent, tokenOf, openChild, store } = await delegationScene();
    const child = await openChild(receiver, await tokenOf(parent));
    expect(child).toMatchObject({
      parentStepId: parent.stepId,
      depth: 1,
      openerEntryId: entries.receiver.entryId,
      opener: receiver.process,
      expiresAt: parent.expiresAt,
      grant: [READ],
    });
    const { decisionId, delegationJti = "" } = child;
    expect(await store.credentials.issuance({ jti: delegationJti })).toMatchObject({ uses: 1 });
    const [decision] = await store.history.decisions({ decisionId, limit: 1 });
    expect(decision?.determiningPolicies).toContain(`delegation:${delegationJti}`);
  });

  test("may be in the run of its parent, which belongs to another, or in a run of the receiver's", async () => {
    const { receiver, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent, { uses: 2 });
    const inParents = await openChild(receiver, token, { runId: parent.runId, step: segment("child") });
    expect(inParents.runId).toBe(parent.runId);
    expect((await openChild(receiver, token)).runId).not.toBe(parent.runId);
  });

  test("ends with its parent, and so does a child of its own", async () => {
    const { receiver, runtime, parent, tokenOf, openChild, broker, store } = await delegationScene();
    const child = await openChild(receiver, await tokenOf(parent));
    const grandchild = await openChild(receiver, await tokenOf(child, {}, receiver));
    expect(grandchild.depth).toBe(2);
    await broker.close(runtime, { stepId: parent.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    for (const { stepId } of [child, grandchild]) {
      expect(await store.steps.step(stepId)).toMatchObject({ state: "CANCELLED" });
    }
  });

  test("does not outlive its parent, though it asks to", async () => {
    const { receiver, parent, tokenOf, openChild } = await delegationScene();
    const expiresAt = addSeconds(parent.expiresAt, 1);
    await expect(openChild(receiver, await tokenOf(parent), { expiresAt })).rejects.toMatchObject(
      refused("expires before"),
    );
  });
});

describe("a child asking for more than its parent", () => {
  test("is refused what its parent holds but the token does not pass on, and what its parent does not hold", async () => {
    const { receiver, runtime, parent, tokenOf, openChild, open } = await delegationScene();
    const capped = await tokenOf(parent, { grant: [READ] });
    await expect(openChild(receiver, capped, { grant: [READ, WRITE] })).rejects.toMatchObject(
      refused("what the delegation token passes on"),
    );
    const reader = await open(runtime, { step: segment("reader"), grant: [READ] });
    await expect(openChild(receiver, await tokenOf(reader), { grant: [WRITE] })).rejects.toMatchObject(
      refused("above what the delegation token passes on"),
    );
  });

  test("is granted the rest with allow_partial, and nothing above its agent's ceiling whatever its parent holds", async () => {
    const { receiver, kernel, parent, tokenOf, openChild, enter } = await delegationScene();
    const partial = { grant: [READ, WRITE], allowPartial: true };
    expect((await openChild(receiver, await tokenOf(parent, { grant: [READ] }), partial)).grant).toEqual([READ]);
    await enter({ kind: "agent", name: "mute", selectors: ["unix:uid:41"], ceiling: [], allowAnyExecutor: true });
    await enter({ kind: "runtime", name: "quiet", selectors: ["unix:uid:13"], agents: ["mute"] });
    const token = await tokenOf(parent, { runtime: segment("quiet") });
    await expect(openChild(kernel.start(13), token, { agent: segment("mute") })).rejects.toMatchObject({
      code: "POLICY_DENIED",
    });
  });

  test("gets no audience that the token leaves out, though its parent has it as a location", async () => {
    const { receiver, runtime, tokenOf, openChild, open } = await delegationScene();
    const parent = await open(runtime, { step: segment("wide"), grant: [READ, WRITE], audiences: [MCP] });
    const token = await tokenOf(parent, { grant: [READ], uses: 2 });
    await expect(openChild(receiver, token, { audiences: [FILES] })).rejects.toMatchObject(refused("audiences"));
    expect((await openChild(receiver, token, { audiences: [MCP] })).audiences).toEqual([MCP]);
  });
});

describe("whoever merely holds a token", () => {
  test("opens nothing with it: neither its step's runtime or executor, nor an administrator, nor another runtime", async () => {
    const { broker, kernel, enter, runtime, researcher, operator, receiver, parent, tokenOf, openChild } =
      await delegationScene();
    await enter({ kind: "runtime", name: "other", selectors: ["unix:uid:13"], agents: ["researcher", "writer"] });
    const token = await tokenOf(parent);
    for (const holder of [runtime, researcher, operator, kernel.start(13)]) {
      await expect(openChild(holder, token, { agent: segment("researcher") })).rejects.toMatchObject(
        refused("for another runtime"),
      );
    }
    await broker.close(runtime, { stepId: parent.stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    await expect(openChild(kernel.start(13), token)).rejects.toMatchObject(refused("for another runtime"));
    await expect(openChild(receiver, token)).rejects.toMatchObject(refused("COMPLETED"));
  });

  test("who matches the receiver's entry and another, opens by the receiver's alone", async () => {
    const { kernel, enter, parent, tokenOf, openChild } = await delegationScene();
    const selectors = ["unix:uid:14"];
    const narrow = await enter({ kind: "runtime", name: "narrow", selectors, agents: ["writer"] });
    await enter({ kind: "runtime", name: "broad", selectors, agents: ["researcher"] });
    const both = kernel.start(14);
    const token = await tokenOf(parent, { runtime: segment("narrow") });
    await expect(openChild(both, token, { agent: segment("researcher") })).rejects.toMatchObject({
      code: "NOT_ENTITLED",
    });
    expect((await openChild(both, token)).openerEntryId).toBe(narrow.entryId);
  });

  test("by a later entry of the receiver's name opens nothing", async () => {
    const { broker, enter, kernel, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent);
    await broker.registry.remove("runtime/receiver", OPERATOR);
    await enter({ kind: "runtime", name: "receiver", selectors: ["unix:uid:15"], agents: ["writer"] });
    await expect(openChild(kernel.start(15), token)).rejects.toMatchObject(refused("for another runtime"));
  });
});

describe("a token", () => {
  test("replayed after its step closed lets nobody in, and says in what state the step is", async () => {
    const { broker, runtime, receiver, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent);
    await broker.close(runtime, { stepId: parent.stepId, outcome: "FAILED", awaitReceiptsMs: 0 });
    await expect(openChild(receiver, token)).rejects.toMatchObject({
      ...refused("the parent step is FAILED"),
      metadata: { state: "FAILED" },
    });
  });

  test("is good for as many children as it says: of five at once for two, two are opened", async () => {
    const { receiver, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent, { uses: 2 });
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => openChild(receiver, token)));
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toMatchObject(refused("it was for 2 children"));
    }
  });

  test("is spent once by a call that is repeated", async () => {
    const { receiver, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent);
    const own = { runId: segment("once"), requestId: "once" };
    const first = await openChild(receiver, token, own);
    expect((await openChild(receiver, token, own)).stepId).toBe(first.stepId);
  });

  test("of a sibling opens below the sibling, with no more than the sibling holds", async () => {
    const { receiver, runtime, parent, tokenOf, openChild, open } = await delegationScene();
    const sibling = await open(runtime, { step: segment("sibling"), grant: [READ] });
    const token = await tokenOf(sibling, { uses: 2 });
    await expect(openChild(receiver, token, { grant: [WRITE] })).rejects.toMatchObject(refused("passes on"));
    await expect(openChild(receiver, token, { parentStepId: parent.stepId })).resolves.toMatchObject({
      parentStepId: sibling.stepId,
    });
  });

  test("that was taken back by its jti, or has expired, lets nobody in", async () => {
    const { broker, clock, receiver, parent, tokenOf, openChild } = await delegationScene();
    const token = await tokenOf(parent);
    const { jti = "" } = decodeJwt(token);
    await broker.revoke({ kind: "jti", jti });
    await expect(openChild(receiver, token)).rejects.toMatchObject(refused("was revoked"));
    const brief = await tokenOf(parent, { ttlSeconds: 10 });
    clock.advance(10_000);
    await expect(openChild(receiver, brief)).rejects.toMatchObject(refused("has expired"));
  });

  test("that the broker's key signed, and the ledger does not know in these bytes, lets nobody in", async () => {
    const { broker, clock, receiver, entries, runtime, open, tokenOf, openChild } = await delegationScene();
    const parent = await open(runtime, { step: segment("wide"), grant: [READ, WRITE] });
    const { jti = "" } = decodeJwt(await tokenOf(parent, { grant: [READ] }));
    const authority = broker.authorities.active("jwt-svid") ?? expect.fail("nothing signs");
    const { entryId: runtimeEntryId, spiffeId: mayAct } = entries.receiver;
    const now = secondsOf(clock.now());
    const forge = async (own: string) => {
      const toBeSigned = jwtEs256Format(ISSUER).toBeSigned({
        ...{ spiffeId: parent.spiffeId, step: parent, authority, jti: own, grant: [READ, WRITE] },
        ...{ notBefore: now, expiresAt: addSeconds(now, 60), audiences: ["spiffe://example.org/stint/server"] },
        delegation: { runtimeEntryId, mayAct, usesMax: 100 },
      });
      const signature = await broker.ports.signer.signSvid(recordedOf("jwt-svid", authority, toBeSigned));
      return Buffer.from(jwtEs256Format(ISSUER).assemble(toBeSigned, signature)).toString("latin1");
    };
    for (const token of [await forge(jti), await forge("A".repeat(22))]) {
      await expect(openChild(receiver, token, { grant: [WRITE] })).rejects.toMatchObject(
        refused("no such delegation token"),
      );
    }
  });

  test("is not what a step's other JWT-SVIDs are, nor any text", async () => {
    const { broker, runtime, researcher, receiver, open, openChild } = await delegationScene();
    const executor = { kind: "pid", pid: researcher.process.pid } as const;
    const step = await open(runtime, { step: segment("executed"), executor });
    const wanted = [{ kind: "jwt-svid", audiences: [SEARCH] }] as const;
    const [svid] = await broker.issue(researcher, { stepId: step.stepId, wanted });
    const texts = svid?.kind === "jwt-svid" ? [Buffer.from(svid.svid).toString("latin1")] : [];
    for (const text of [...texts, "token", `${texts[0]}x`]) {
      await expect(openChild(receiver, text)).rejects.toMatchObject({
        ...refused("no delegation token of this broker"),
        metadata: { verification: expect.any(String) },
      });
    }
    expect(texts).toHaveLength(1);
  });
});

test("each refusal of a token is recorded as a decision, and none of them holds the token", async () => {
  const { researcher, receiver, parent, tokenOf, openChild, store, broker } = await delegationScene();
  const token = await tokenOf(parent, { uses: 1 });
  await expect(openChild(researcher, token)).rejects.toThrow();
  await openChild(receiver, token);
  await expect(openChild(receiver, token)).rejects.toThrow();
  await broker.denials.flush();
  const denials = await store.history.decisions({ effect: "deny", limit: 10 });
  expect(denials.map(({ act, reason, message }) => ({ act, reason, message }))).toEqual([
    { act: "open", reason: "DELEGATION_REFUSED", message: "the delegation token was used up: it was for one child" },
    { act: "open", reason: "DELEGATION_REFUSED", message: "the delegation token is for another runtime" },
  ]);
  for (const { canonical } of await store.history.events({ limit: 500 })) {
    expect(Buffer.from(canonical).toString()).not.toContain(token.split(".")[2]);
  }
});

test("where an opening loses its race for a token, that too is recorded as a decision", async () => {
  const { receiver, parent, tokenOf, openChild, store, broker } = await delegationScene();
  const token = await tokenOf(parent);
  const outcomes = await Promise.allSettled([openChild(receiver, token), openChild(receiver, token)]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
  await broker.denials.flush();
  expect(await store.history.decisions({ effect: "deny", limit: 10 })).toEqual([
    expect.objectContaining({ reason: "DELEGATION_REFUSED", message: expect.stringContaining("used up") }),
  ]);
});
