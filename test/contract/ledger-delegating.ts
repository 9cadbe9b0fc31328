import { expect, test } from "vitest";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { OpenedStep, Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { OPERATOR, type World } from "./ledger-world.ts";

/** What delegation tokens promise: for one runtime, under one step, as often as they say, and no longer than they live. */
export function delegatingContract(worldOf: () => World): void {
  const refused = (message: string) =>
    expect.objectContaining({ code: "DELEGATION_REFUSED", message: expect.stringContaining(message) });

  /** A step, the entry of a runtime that is to receive its token, and the token's record. */
  async function delegated(world: World, usesMax = 1) {
    const [agent, runtime] = [await world.agent(), await world.runtime()];
    const parent = await world.open(agent);
    const token = await issueToken(world, parent, runtime, usesMax);
    return { agent, runtime, parent, token };
  }

  async function issueToken(
    world: World,
    parent: Step,
    { entryId, spiffeId }: RegistrationEntry,
    usesMax: number,
  ): Promise<IssuanceRecord> {
    const delegation = { runtimeEntryId: entryId, mayAct: spiffeId, usesMax };
    return world.issue(parent, { audiences: ["spiffe://example.org/stint/server"], delegation });
  }

  const childOf = (
    world: World,
    { agent, runtime, parent, token }: Awaited<ReturnType<typeof delegated>>,
    own: Partial<OpenedStep> = {},
  ) =>
    world.openAct(agent, {
      parentStepId: parent.stepId,
      openerEntryId: runtime.entryId,
      depth: 1,
      expiresAt: parent.expiresAt,
      ...(token.jti === undefined ? {} : { delegationJti: token.jti }),
      ...own,
    });

  test("a child reads back with the token that let its opener below the parent", async () => {
    const world = worldOf();
    const scene = await delegated(world);
    const act = childOf(world, scene);
    expect(await world.ledger.perform(act)).toMatchObject({ kind: "opened" });
    expect(await world.step(act.step.stepId)).toMatchObject({
      parentStepId: scene.parent.stepId,
      delegationJti: scene.token.jti,
    });
  });

  test("of openings at the same time as many succeed as the token has uses, and each refusal says that it was used up", async () => {
    const world = worldOf();
    const scene = await delegated(world, 2);
    const acts = Array.from({ length: 4 }, () => world.ledger.perform(childOf(world, scene)));
    const results = await Promise.all(acts);
    expect(results.filter(({ kind }) => kind === "opened")).toHaveLength(2);
    expect(results.filter(({ kind }) => kind === "denial")).toEqual(
      Array.from({ length: 2 }, () => refused("used up: it was for 2 children")),
    );
    expect(await world.store.credentials.issuance({ jti: scene.token.jti ?? "" })).toMatchObject({
      delegation: scene.token.delegation,
      uses: 2,
    });
  });

  test("an opening that is refused takes no use, and a repeated request takes no second one", async () => {
    const world = worldOf();
    const scene = await delegated(world);
    const late = { expiresAt: addSeconds(scene.parent.expiresAt, 1) };
    expect(await world.ledger.perform(childOf(world, scene, late))).toEqual(refused("ends before"));
    const request = { requestId: world.name(), requestDigest: "d" };
    const first = childOf(world, scene, request);
    expect(await world.ledger.perform(first)).toMatchObject({ kind: "opened" });
    expect(await world.ledger.perform(childOf(world, scene, request))).toEqual({
      kind: "existing",
      stepId: first.step.stepId,
    });
  });

  test("a token is worth nothing to another runtime, below another step, or under a name that no token has", async () => {
    const world = worldOf();
    const scene = await delegated(world);
    const other = await world.runtime();
    const sibling = await world.open(scene.agent);
    const perform = (own: Partial<OpenedStep>) => world.ledger.perform(childOf(world, scene, own));
    expect(await perform({ openerEntryId: other.entryId })).toEqual(refused("for another runtime"));
    expect(await perform({ parentStepId: sibling.stepId })).toEqual(refused("another step's"));
    expect(await perform({ delegationJti: "jti-none" })).toEqual(refused("no such delegation token"));
    const { jti = "" } = await world.issue(scene.parent);
    expect(await perform({ delegationJti: jti })).toEqual(refused("no such delegation token"));
    expect(await perform({})).toMatchObject({ kind: "opened" });
  });

  test("a token that was taken back, lost before it was delivered, or has expired lets nobody in", async () => {
    const world = worldOf();
    const { ledger, clock } = world;
    const revoked = await delegated(world);
    const credential = { jti: revoked.token.jti ?? "" };
    const now = clock.now();
    await ledger.perform({ act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR, now });
    expect(await ledger.perform(childOf(world, revoked))).toEqual(refused("was revoked"));

    const lost = await delegated(world);
    await ledger.perform({ act: "mark-undelivered", issuanceId: lost.token.issuanceId, now });
    expect(await ledger.perform(childOf(world, lost))).toEqual(refused("was revoked"));

    const brief = await delegated(world);
    clock.advance(1_000 * (brief.token.expiresAt - secondsOf(clock.now())));
    expect(await ledger.perform(childOf(world, brief))).toEqual(refused("has expired"));
  });

  test("a token dies with its step", async () => {
    const world = worldOf();
    const scene = await delegated(world);
    await world.close(scene.parent);
    expect(await world.ledger.perform(childOf(world, scene))).toEqual(refused("the parent step is COMPLETED"));
  });
}
