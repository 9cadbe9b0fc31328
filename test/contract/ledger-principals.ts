import { expect, test } from "vitest";
import { done, OPERATOR, present, type World } from "./ledger-world.ts";

/** What the ledger promises of principals: who is barred opens nothing, and no event says who it is. */
export function principalsContract(worldOf: () => World): void {
  const refusal = (code: string, message: string) =>
    expect.objectContaining({ kind: "denial", code, message: expect.stringContaining(message) });

  /** A principal whom no other test has. */
  function somebody(world: World) {
    const principalId = Buffer.from(world.name()).toString("hex").padEnd(64, "0").slice(-64);
    return { principalId, sealed: `key.${principalId.slice(0, 8)}` };
  }
  const offboard = async (world: World, { principalId }: { readonly principalId: string }, barAhead = false) =>
    world.ledger.perform({ act: "offboard-principal", principalId, barAhead, by: OPERATOR, now: world.clock.now() });
  const readmit = async (world: World, { principalId }: { readonly principalId: string }) =>
    world.ledger.perform({ act: "readmit-principal", principalId, by: OPERATOR, now: world.clock.now() });
  const erase = async (world: World, { principalId }: { readonly principalId: string }) =>
    world.ledger.perform({ act: "erase-principal", principalId, by: OPERATOR, now: world.clock.now() });
  const rowOf = (world: World, { principalId }: { readonly principalId: string }) =>
    world.store.registry.principal(principalId);

  test("offboarding ends every step of a principal with what descends from it and what it holds, and no other's", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [ada, bob] = [somebody(world), somebody(world)];
    const own = await world.open(agent, { principal: ada });
    const child = await world.openChild(agent, own, { principal: ada });
    const elsewhere = await world.open(agent, { principal: ada });
    const others = [await world.open(agent, { principal: bob }), await world.open(agent)];
    await world.issue(child);
    const result = done(await offboard(world, ada));
    expect(result).toMatchObject({ stepsClosed: 3, credentialsRevoked: 1 });
    for (const step of [own, child, elsewhere]) {
      expect(await world.step(step.stepId)).toMatchObject({ state: "REVOKED", closeReason: "privilegeWithdrawn" });
    }
    for (const step of others) expect(await world.step(step.stepId)).toMatchObject({ state: "OPEN" });
    const [event] = await world.store.history.events({ type: "principal.offboarded", limit: 1 });
    expect(JSON.parse(Buffer.from(present(event).canonical).toString())).toEqual({
      type: "principal.offboarded",
      v: 1,
      at: world.clock.now(),
      principalId: ada.principalId,
      by: OPERATOR,
    });
  });

  test("an offboarded principal opens nothing until readmitted, and others go on", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [ada, bob] = [somebody(world), somebody(world)];
    await world.open(agent, { principal: ada });
    done(await offboard(world, ada));
    const again = () => world.ledger.perform(world.openAct(agent, { principal: ada }));
    expect(await again()).toEqual(refusal("NOT_ENTITLED", "the principal was offboarded"));
    await world.open(agent, { principal: bob });
    done(await readmit(world, ada));
    expect(await again()).toMatchObject({ kind: "opened" });
    expect(await readmit(world, ada)).toEqual(refusal("INVALID_FIELD", "a principal who was offboarded"));
  });

  test("a run that is an offboarded principal's alone takes no step of anybody; a run of several goes on", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [ada, bob] = [somebody(world), somebody(world)];
    const alone = await world.open(agent, { principal: ada });
    await world.open(agent, { principal: ada, runId: alone.runId });
    const shared = await world.open(agent, { principal: ada });
    await world.open(agent, { principal: bob, runId: shared.runId });
    const halfOwn = await world.open(agent);
    await world.open(agent, { principal: ada, runId: halfOwn.runId });
    done(await offboard(world, ada));
    const open = (runId: typeof alone.runId, principal?: typeof bob) =>
      world.ledger.perform(world.openAct(agent, { runId, ...(principal === undefined ? {} : { principal }) }));
    const barred = refusal("NOT_ENTITLED", "the run is of a principal who was offboarded");
    expect(await open(alone.runId)).toEqual(barred);
    expect(await open(alone.runId, bob)).toEqual(barred);
    expect(await open(shared.runId, bob)).toMatchObject({ kind: "opened" });
    expect(await open(halfOwn.runId)).toMatchObject({ kind: "opened" });
    done(await readmit(world, ada));
    expect(await open(alone.runId)).toMatchObject({ kind: "opened" });
  });

  test("a principal whom no step named is barred only where that is asked for", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const eve = somebody(world);
    expect(await offboard(world, eve)).toEqual(refusal("INVALID_FIELD", "bar_ahead"));
    expect(await rowOf(world, eve)).toBeUndefined();
    const result = done(await offboard(world, eve, true));
    expect(result).toMatchObject({ stepsClosed: 0, credentialsRevoked: 0 });
    expect(await world.ledger.perform(world.openAct(agent, { principal: eve }))).toEqual(
      refusal("NOT_ENTITLED", "the principal was offboarded"),
    );
    expect(await rowOf(world, eve)).toMatchObject({ openSteps: 0, offboardedAt: world.clock.now() });
    expect(await rowOf(world, eve)).not.toHaveProperty("sealed");
  });

  test("offboarding again records nothing, and still closes what is open", async () => {
    const world = worldOf();
    const ada = somebody(world);
    await world.open(await world.agent(), { principal: ada });
    done(await offboard(world, ada));
    const before = world.ledger.head().sequence;
    expect(done(await offboard(world, ada))).toMatchObject({ firstSequence: 0, sequence: 0, stepsClosed: 0 });
    expect(world.ledger.head().sequence).toBe(before);
  });

  test("erasing ends a principal's steps and forgets what was sealed; a bar stays, and who comes back is kept anew", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const ada = somebody(world);
    const step = await world.open(agent, { principal: ada });
    expect(done(await erase(world, ada))).toMatchObject({ stepsClosed: 1 });
    expect(await world.step(step.stepId)).toMatchObject({ state: "REVOKED", principal: ada });
    expect(await rowOf(world, ada)).toMatchObject({ openSteps: 0, erasedAt: world.clock.now() });
    expect(await rowOf(world, ada)).not.toHaveProperty("sealed");
    const before = world.ledger.head().sequence;
    expect(done(await erase(world, ada))).toMatchObject({ sequence: 0 });
    expect(world.ledger.head().sequence).toBe(before);

    const anew = { principal: { ...ada, sealed: "newer.sealed" } };
    done(await world.ledger.perform(world.openAct(agent, anew, { principalErasedAt: world.clock.now() })));
    expect(await rowOf(world, ada)).toMatchObject({ sealed: "newer.sealed", openSteps: 1 });
    expect((await world.store.registry.erasedPrincipals()).map((row) => row.principalId)).toContain(ada.principalId);
    done(await offboard(world, ada));
    done(await erase(world, ada));
    expect(await world.ledger.perform(world.openAct(agent, { principal: ada }))).toEqual(
      refusal("NOT_ENTITLED", "the principal was offboarded"),
    );
    expect(await erase(world, somebody(world))).toEqual(refusal("INVALID_FIELD", "a principal whom a step named"));
  });

  test("what was sealed before an erasure opens nothing after it, and is decided again; a child's parent ended with it", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const ada = somebody(world);
    const parent = await world.open(agent, { principal: ada });
    const sealedBefore = world.openAct(agent, { principal: ada });
    done(await erase(world, ada));
    expect(await world.ledger.perform(sealedBefore)).toEqual(refusal("DECISION_OUTDATED", "the principal changed"));
    const ofParent = { parentStepId: parent.stepId, runId: parent.runId, depth: 1, principal: ada };
    expect(await world.ledger.perform(world.openAct(agent, ofParent))).toEqual(
      refusal("DELEGATION_REFUSED", "the parent step is REVOKED"),
    );
    const erasedAt = world.clock.now();
    world.clock.advance(1);
    expect(done(await world.ledger.perform({ ...sealedBefore, principalErasedAt: erasedAt }))).toMatchObject({
      kind: "opened",
    });
  });

  test("principals are listed newest first, page by page", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const all = [somebody(world), somebody(world), somebody(world)];
    for (const principal of all) await world.open(agent, { principal });
    const [last, middle] = await world.store.history.principals({ limit: 2 });
    const [first] = await world.store.history.principals({ limit: 1, before: present(middle).sequence });
    expect([first, middle, last].map((row) => row?.principalId)).toEqual(all.map((one) => one.principalId));
    expect(last).toMatchObject({ ...all[2], openSteps: 1, lastOpenedAt: world.clock.now() });
  });
}
