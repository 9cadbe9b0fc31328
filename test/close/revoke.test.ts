import { describe, expect, test } from "vitest";
import { type RevocationTarget, type RevokePorts, revoke } from "../../src/close/revoke.ts";
import { BrokerError } from "../../src/domain/errors.ts";
import { pathScene, segment } from "../open/path-scene.ts";
import { OPERATOR } from "../simulation/broker.ts";

const order = { reason: "keyCompromise", dryRun: false, by: OPERATOR } as const;

/** A runtime's step with one credential. */
async function setUp(own: Partial<RevokePorts> = {}) {
  const scene = await pathScene();
  const step = await scene.open(scene.runtime);
  await scene.issue(scene.researcher, step.stepId);
  const revoking = (target: RevocationTarget) => revoke(target, order, { ...scene.broker.ports, ...own });
  return { ...scene, step, revoking };
}

async function closeReasons({ store }: Awaited<ReturnType<typeof setUp>>): Promise<readonly string[]> {
  const events = await store.history.events({ type: "step.closed", limit: 100 });
  return events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()).reason);
}

describe("the reason that an operator gives is the one on record", () => {
  test("for a step", async () => {
    const scene = await setUp();
    await scene.revoking({ kind: "step", stepId: scene.step.stepId });
    expect(await closeReasons(scene)).toEqual(["keyCompromise"]);
  });

  test("for an agent, whose entry is disabled with it", async () => {
    const scene = await setUp();
    await scene.revoking({ kind: "agent", entryId: scene.entries.researcher.entryId });
    expect(await closeReasons(scene)).toEqual(["keyCompromise"]);
    expect(scene.broker.entries.byName("agent", "researcher")?.disabled).toBe(true);
    expect((await scene.store.steps.step(scene.step.stepId))?.closeReason).toBe("keyCompromise");
  });
});

describe("what was done is answered with its counts", () => {
  const unreadable = () => Promise.reject(new BrokerError("LEDGER_UNAVAILABLE", "the ledger can't be read"));

  test("and listed, of several steps as of one", async () => {
    const scene = await setUp();
    await scene.open(scene.runtime, { step: segment("other") });
    const revoked = await scene.revoking({ kind: "run", runId: scene.step.runId });
    expect(revoked).toMatchObject({ stepsCount: 2, issuancesCount: 1 });
    expect(revoked.steps.map(({ state }) => state)).toEqual(["REVOKED", "REVOKED"]);
    expect(revoked.issuances).toHaveLength(1);
  });

  test("where it can't be listed", async () => {
    const scene = await setUp({ history: { preview: unreadable, steps: unreadable, takenBack: unreadable } });
    const revoked = await scene.revoking({ kind: "step", stepId: scene.step.stepId });
    expect(revoked).toMatchObject({ stepsCount: 1, issuancesCount: 1, steps: [], issuances: [] });
    expect(revoked.sequence).toBeGreaterThan(0);
  });

  test("before any list is asked for: a history that never answers holds up no revocation", async () => {
    const scene = await setUp();
    const asked = Promise.withResolvers<void>();
    const never = () => {
      asked.resolve();
      return new Promise<never>(() => undefined);
    };
    const ports = { ...scene.broker.ports, history: { preview: never, steps: never, takenBack: never } };
    void revoke({ kind: "step", stepId: scene.step.stepId }, order, ports);
    await asked.promise;
    expect((await scene.store.steps.step(scene.step.stepId))?.state).toBe("REVOKED");
  });
});
