import { expect, test } from "vitest";
import { EXCHANGE_KINDS, type ExchangeIntent } from "../../src/domain/exchange.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { answerAct, endAct, intendAct, intentFor } from "./exchange-acts.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

/** What the ledger promises of secrets of other systems. */
export function exchangesContract(worldOf: () => World): void {
  async function scene() {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const intend = async (own: Partial<ExchangeIntent> = {}, of: Step = step) => {
      const intent = intentFor(world, of, own);
      return { intent, result: await world.ledger.perform(intendAct(world, of, intent)) };
    };
    const exchangesOf = async (of: Step = step) =>
      world.store.history.exchanges({ stepId: of.stepId, now: world.clock.now(), limit: 100 });
    const aliveIds = async () => {
      const { value } = await world.store.projections.exchanges(secondsOf(world.clock.now()));
      return value.filter(({ stepId }) => stepId === step.stepId).map(({ exchangeId }) => exchangeId);
    };
    return { world, step, intend, exchangesOf, aliveIds };
  }
  const refusal = (code: string) => expect.objectContaining({ kind: "denial", code }) as object;

  test("what is intended, answered and ended reads back as that, with its step", async () => {
    const { world, step, intend, exchangesOf } = await scene();
    const { intent, result } = await intend({ issuanceId: "iss_1" });
    const { sequence } = done(result);
    const { runId, step: name, attempt, agent } = step;
    const intended = {
      ...intent,
      sequence,
      intendedAt: world.clock.now(),
      step: { runId, step: name, attempt, agent, state: "OPEN" },
    };
    expect(await exchangesOf()).toEqual([{ ...intended, state: "intended" }]);
    const expiresAt = addSeconds(intent.expiresAt, -30);
    await world.ledger.perform(answerAct(world, intent, { kind: "issued", reference: "role-1", expiresAt }));
    expect(await exchangesOf()).toEqual([{ ...intended, state: "issued", reference: "role-1", expiresAt }]);
    await world.ledger.perform(endAct(world, intent));
    expect(await exchangesOf()).toMatchObject([{ state: "ended", ending: "told", endedAt: world.clock.now() }]);
  });

  test("nothing is intended for a step that is closed, nor beyond the step's end, nor on an entry that changed", async () => {
    const { world, step, intend } = await scene();
    const late = { expiresAt: addSeconds(step.expiresAt, 1) };
    expect((await intend(late)).result).toEqual(refusal("STEP_EXPIRING"));
    const outdated = { entryId: step.agentEntryId, revision: 99 };
    const act = intendAct(world, step, intentFor(world, step));
    expect(await world.ledger.perform({ ...act, decidedOn: { entries: [outdated] } })).toEqual(
      refusal("DECISION_OUTDATED"),
    );
    await world.close(step);
    expect((await intend()).result).toEqual(refusal("STEP_CLOSED"));
  });

  test("a request id serves once, unless nothing was made by it", async () => {
    const { world, step, intend } = await scene();
    const first = await intend({ requestId: "one" });
    expect((await intend({ requestId: "one" })).result).toEqual(refusal("REQUEST_ID_REUSED"));
    const nothing = { kind: "failed", failure: "can't be reached", mayExist: false } as const;
    await world.ledger.perform(answerAct(world, first.intent, nothing));
    const second = await intend({ requestId: "one" });
    done(second.result);
    await world.ledger.perform(answerAct(world, second.intent, { ...nothing, mayExist: true }));
    expect((await intend({ requestId: "one" })).result).toEqual(refusal("REQUEST_ID_REUSED"));
    await world.ledger.perform(endAct(world, second.intent));
    expect((await intend({ requestId: "one" })).result).toEqual(refusal("REQUEST_ID_REUSED"));
    const other = await world.open(await world.agent());
    expect(step.stepId).not.toBe(other.stepId);
    done((await intend({ requestId: "one" }, other)).result);
  });

  test("a step has so many at a time; what ended makes room", async () => {
    const { world, intend } = await scene();
    const intents: ExchangeIntent[] = [];
    for (let count = 0; count < LIMITS.exchangesPerStepMax; count += 1) intents.push((await intend()).intent);
    expect((await intend()).result).toEqual(refusal("LIMIT_EXCEEDED"));
    for (const one of intents.slice(0, 1)) await world.ledger.perform(endAct(world, one));
    done((await intend()).result);
  });

  test("an answer and an end are recorded once, also after the step's close", async () => {
    const { world, step, intend, exchangesOf, aliveIds } = await scene();
    const { intent } = await intend();
    await world.close(step);
    const issued = answerAct(world, intent, { kind: "issued", expiresAt: intent.expiresAt });
    expect(done(await world.ledger.perform(issued)).sequence).toBeGreaterThan(0);
    expect(await world.ledger.perform(issued)).toMatchObject({ sequence: 0 });
    expect(await aliveIds()).toEqual([intent.exchangeId]);
    expect((await world.ledger.perform(endAct(world, intent))).sequence).toBeGreaterThan(0);
    expect(await world.ledger.perform(endAct(world, intent))).toMatchObject({ sequence: 0 });
    expect(await aliveIds()).toEqual([]);
    const closed = await world.step(step.stepId);
    expect(await exchangesOf()).toMatchObject([
      { step: { state: "COMPLETED", closedSequence: closed.closedSequence } },
    ]);
    const unknown = { ...intent, exchangeId: "xch_none" };
    await expect(world.ledger.perform(endAct(world, unknown))).rejects.toMatchObject({ code: "STEP_NOT_FOUND" });
  });

  test("what nobody can end may be alive until its time is over, and what somebody can until it is ended", async () => {
    const { world, intend, aliveIds } = await scene();
    const [lapsing, endable, failed] = [await intend({ endable: false }), await intend(), await intend()];
    const nothing = { kind: "failed", failure: "no", mayExist: false } as const;
    await world.ledger.perform(answerAct(world, failed.intent, nothing));
    expect(await aliveIds()).toEqual([lapsing.intent.exchangeId, endable.intent.exchangeId]);
    world.clock.advance(61_000);
    expect(await aliveIds()).toEqual([endable.intent.exchangeId]);
  });

  test("what a close takes back names the secrets of the step and of its descendants", async () => {
    const { world, step, intend } = await scene();
    const child = await world.openChild(await world.agent(), step);
    const [own, below] = [await intend(), await intend({}, child)];
    const ids = [own.intent.exchangeId, below.intent.exchangeId];
    const target = { kind: "steps", stepIds: [step.stepId] } as const;
    const preview = await world.store.history.preview(target, world.clock.now());
    expect(preview.exchanges.map(({ exchangeId }) => exchangeId)).toEqual(ids);
    const { firstSequence, sequence } = done(
      await world.ledger.perform({
        ...{ act: "close", target, state: "REVOKED", reason: "keyCompromise", by: OPERATOR },
        now: world.clock.now(),
      }),
    );
    const taken = await world.store.history.takenBack(firstSequence, sequence, world.clock.now());
    expect(taken.exchanges.map(({ exchangeId }) => exchangeId)).toEqual(ids);
  });

  test("exchanges are found by target, and by whether they may be alive", async () => {
    const { world, step, intend } = await scene();
    const kinds = EXCHANGE_KINDS.slice(0, 2);
    const made = [];
    for (const kind of kinds) made.push((await intend({ kind, target: kind })).intent);
    const [first, second] = made;
    if (first === undefined || second === undefined) throw new TypeError("two were made");
    await world.ledger.perform(endAct(world, first));
    const find = async (filter: object) =>
      (await world.store.history.exchanges({ stepId: step.stepId, now: world.clock.now(), limit: 100, ...filter })).map(
        ({ exchangeId }) => exchangeId,
      );
    expect(await find({})).toEqual([second.exchangeId, first.exchangeId]);
    expect(await find({ target: first.target })).toEqual([first.exchangeId]);
    expect(await find({ alive: true })).toEqual([second.exchangeId]);
    expect(await find({ runId: "another" })).toEqual([]);
  });
}
