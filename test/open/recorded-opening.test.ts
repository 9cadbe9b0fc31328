import { describe, expect, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { openStep } from "../../src/open/open-step.ts";
import { tokenSizeCheck } from "../../src/open/token-size.ts";
import { FILES, MCP, pathScene, READ, segment, WRITE } from "./path-scene.ts";

describe("a step that was opened", () => {
  test("says what was asked for: workflow, purpose, lease, by whom and as decided", async () => {
    const { runtime, entries, open, store } = await pathScene();
    const own = { workflow: segment("report"), purpose: "to know", leaseSeconds: 30, grant: [READ, WRITE] };
    const step = await open(runtime, { ...own, audiences: [MCP] });
    expect(step).toMatchObject({
      ...own,
      audiences: [MCP],
      opener: runtime.process,
      openerEntryId: entries.flow.entryId,
    });
    expect(await store.steps.step(step.stepId)).toEqual(step);
    expect(await store.history.decisions({ decisionId: step.decisionId, limit: 2 })).toEqual([
      expect.objectContaining({
        act: "open",
        effect: "allow",
        stepId: step.stepId,
        runId: step.runId,
        step: step.step,
        attempt: 1,
        callerEntryId: entries.flow.entryId,
        requested: [READ, WRITE],
        granted: [READ, WRITE],
        refused: [],
        count: 1,
      }),
    ]);
  });

  test("says nothing of what was not asked for", async () => {
    const { runtime, open } = await pathScene();
    const step = await open(runtime);
    for (const member of ["workflow", "purpose", "leaseSeconds", "requestId", "parentStepId", "principal"]) {
      expect(step).not.toHaveProperty(member);
    }
  });

  test("with less than was asked for says what it was refused", async () => {
    const { broker, runtime, requestOf } = await pathScene();
    const above = { ...WRITE, identifier: "delete" };
    const opened = await broker.open(runtime, requestOf({ grant: [READ, above], allowPartial: true }));
    expect(opened).toMatchObject({ isNew: true, refused: [above], step: { grant: [READ] } });
  });
});

describe("the same request", () => {
  test("from two calls at once opens one step", async () => {
    const { broker, runtime, requestOf } = await pathScene();
    const request = requestOf({ requestId: "request-1" });
    const answers = await Promise.all([broker.open(runtime, request), broker.open(runtime, request)]);
    expect(answers.map(({ isNew }) => isNew).sort()).toEqual([false, true]);
    expect(new Set(answers.map(({ step }) => step.stepId)).size).toBe(1);
  });

  test("is not another request with its id, nor one of another process", async () => {
    const { broker, runtime, kernel, requestOf } = await pathScene();
    await broker.open(runtime, requestOf({ requestId: "request-1" }));
    await expect(broker.open(runtime, requestOf({ requestId: "request-1", purpose: "another" }))).rejects.toMatchObject(
      {
        code: "REQUEST_ID_REUSED",
      },
    );
    await expect(broker.open(kernel.start(11), requestOf({ requestId: "request-1" }))).rejects.toMatchObject({
      code: "STEP_EXISTS",
    });
  });
});

describe("a refusal to open is on record", () => {
  test("above the agent's ceiling, with the decision's id for the caller", async () => {
    const { runtime, entries, open, store } = await pathScene();
    const above = { ...READ, identifier: "delete" };
    const refused = await open(runtime, { grant: [READ, above] }).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({
      code: "POLICY_DENIED",
      message: expect.stringMatching(/^above the agent's ceiling: .*delete.*; .*: stint explain dec_/),
      metadata: { decision_id: expect.stringMatching(/^dec_/) },
    });
    const { decision_id: decisionId = "" } = (refused as BrokerError).metadata;
    expect(await store.history.decisions({ decisionId, limit: 2 })).toEqual([
      expect.objectContaining({
        effect: "deny",
        reason: "POLICY_DENIED",
        callerEntryId: entries.flow.entryId,
        requested: [READ, above],
        granted: [],
        refused: [above],
      }),
    ]);
  });

  test("above the parent's grant alone, which the message says", async () => {
    const { runtime, open } = await pathScene();
    const { stepId: parentStepId } = await open(runtime);
    const child = { parentStepId, step: segment("child"), grant: [WRITE] };
    await expect(open(runtime, child)).rejects.toMatchObject({
      code: "DELEGATION_REFUSED",
      message: expect.stringMatching(/^above the parent step's grant: /),
      metadata: { decision_id: expect.stringMatching(/^dec_/) },
    });
  });

  test("where the terms are refused, by the caller's entry; what is merely malformed is not", async () => {
    const { writer, runtime, entries, open, store, clock } = await pathScene();
    await expect(open(writer)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
    const tooLong = { expiresAt: addSeconds(secondsOf(clock.now()), 100_000) };
    await expect(open(runtime, tooLong)).rejects.toMatchObject({ code: "INVALID_FIELD" });
    expect(await store.history.decisions({ effect: "deny", limit: 5 })).toEqual([
      expect.objectContaining({
        act: "open",
        reason: "NOT_ENTITLED",
        callerEntryId: entries.writer.entryId,
        agent: "researcher",
        runId: "run",
        step: "step",
        requested: [READ],
      }),
    ]);
  });

  test("and a policy that can't decide opens nothing", async () => {
    const { broker, attested, runtime, requestOf, store } = await pathScene();
    const policies = { inForce: () => Promise.reject(new BrokerError("NOT_SERVING", "the engine is gone")) };
    const { sequence } = store.ledger.head();
    await expect(openStep(await attested(runtime), requestOf(), { ...broker.ports, policies })).rejects.toMatchObject({
      code: "NOT_SERVING",
    });
    expect(store.ledger.head().sequence).toBe(sequence);
  });
});

describe("a step whose tokens could not be minted is not opened:", () => {
  test("they would be too large", async () => {
    const { broker, attested, runtime, requestOf, store } = await pathScene();
    const checkTokenSize = tokenSizeCheck(
      `https://broker.example.org/${"a".repeat(LIMITS.jwtMintedBytesMax)}`,
      broker.ports.authorities,
    );
    const { sequence } = store.ledger.head();
    await expect(
      openStep(await attested(runtime), requestOf(), { ...broker.ports, checkTokenSize }),
    ).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(store.ledger.head().sequence).toBe(sequence);
    const fits = tokenSizeCheck("https://broker.example.org", broker.ports.authorities);
    expect(
      (await openStep(await attested(runtime), requestOf(), { ...broker.ports, checkTokenSize: fits })).isNew,
    ).toBe(true);
  });

  test("nothing would sign them", async () => {
    const { broker, attested, runtime, requestOf } = await pathScene();
    const asked: string[] = [];
    const active = (family: string) => void asked.push(family);
    const checkTokenSize = tokenSizeCheck("https://broker.example.org", { active });
    await expect(
      openStep(await attested(runtime), requestOf(), { ...broker.ports, checkTokenSize }),
    ).rejects.toMatchObject({ code: "AUTHORITY_UNAVAILABLE" });
    expect(asked).toEqual(["jwt-svid"]);
  });
});

describe("a step is held", () => {
  test("by its opener, and not by its executor, who only looks on", async () => {
    const { broker, runtime, researcher, openForAudiences, onAct } = await pathScene();
    const { stepId } = await openForAudiences(runtime);
    const acts: string[] = [];
    onAct(({ act }) => void acts.push(act));
    const seen = await broker.hold(researcher, stepId);
    expect(seen).toMatchObject({ step: { stepId }, access: { asExecutor: true, asOpener: false } });
    seen.release();
    expect(acts).toEqual([]);
    const held = await broker.hold(runtime, stepId);
    expect(held).toMatchObject({ step: { held: true }, access: { asOpener: true } });
    expect(acts).toEqual(["hold-step"]);
    held.release();
  });

  test("no more once it is closed: its state is shown, also where it was closed in between", async () => {
    const { broker, runtime, openForAudiences, attested, onAct } = await pathScene();
    const { stepId } = await openForAudiences(runtime);
    let closing: Promise<unknown> | undefined;
    onAct(({ act }) => {
      if (act !== "hold-step") return;
      onAct(() => undefined);
      closing = broker.close(runtime, { stepId, outcome: "COMPLETED", awaitReceiptsMs: 0 });
    });
    await attested(runtime);
    const first = await broker.hold(runtime, stepId);
    await closing;
    first.release();
    onAct(({ act }) => expect(act).not.toBe("hold-step"));
    const second = await broker.hold(runtime, stepId);
    expect(second.step).toMatchObject({ state: "COMPLETED" });
    second.release();
  });
});

test("a lease is renewed by the step's opener alone", async () => {
  const { broker, runtime, researcher, openForAudiences } = await pathScene();
  const { stepId } = await openForAudiences(runtime, { leaseSeconds: 30, audiences: [FILES] });
  await expect(broker.renew(researcher, stepId)).rejects.toMatchObject({ code: "NOT_ENTITLED" });
  expect(await broker.renew(runtime, stepId)).toMatchObject({ stepId, leaseSeconds: 30 });
});
