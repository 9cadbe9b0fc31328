import { hash } from "node:crypto";
import { expect, test } from "vitest";
import type { Segment } from "../../src/domain/spiffe-id.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import { done, OPERATOR, type World } from "./ledger-world.ts";

/** What the ledger promises of evidence: a join token is used once and in time, and evidence that counts once counts once. */
export function evidenceContract(worldOf: () => World): void {
  const digest = (world: World) => hash("sha256", world.name());
  const create = async (world: World, own: { readonly name?: Segment; readonly seconds?: number } = {}) => {
    const now = world.clock.now();
    const token = {
      sha256: digest(world),
      name: own.name ?? world.name(),
      expiresAt: addSeconds(secondsOf(now), own.seconds ?? 60),
    };
    done(await world.ledger.perform({ act: "create-join-token", ...token, by: OPERATOR, now }));
    return { ...token, createdAt: now };
  };
  const spend = (world: World, { sha256 }: { readonly sha256: string }) =>
    world.ledger.perform({ act: "spend-join-token", sha256, now: world.clock.now() });
  const revoke = (world: World, { name }: { readonly name: Segment }) =>
    world.ledger.perform({ act: "revoke-join-tokens", name, by: OPERATOR, now: world.clock.now() });
  const spendEvidence = (world: World, sha256: string, expiresAt: UnixSeconds) =>
    world.ledger.perform({ act: "spend-evidence", attestor: "oidc", sha256, expiresAt, now: world.clock.now() });
  const REFUSED = { code: "NO_IDENTITY", message: "the evidence is not accepted" };

  test("a join token is spent once, under its name", async () => {
    const world = worldOf();
    const token = await create(world);
    expect(done(await spend(world, token)).name).toBe(token.name);
    expect(await spend(world, token)).toMatchObject(REFUSED);
  });

  test("of two that spend a join token at one time one succeeds", async () => {
    const world = worldOf();
    const token = await create(world);
    const answers = await Promise.all([spend(world, token), spend(world, token)]);
    expect(answers.map(({ kind }) => kind).toSorted()).toEqual(["denial", "sequenced"]);
  });

  test("one that is unknown, expired or revoked is refused in the same words as one that is spent", async () => {
    const world = worldOf();
    const [expiring, revoked] = [await create(world, { seconds: 30 }), await create(world)];
    done(await revoke(world, revoked));
    world.clock.advance(30_000);
    for (const token of [expiring, revoked, { sha256: digest(world) }]) {
      expect(await spend(world, token)).toMatchObject(REFUSED);
    }
  });

  test("a join token can be used until the second it expires in, and not in it", async () => {
    const world = worldOf();
    const token = await create(world, { seconds: 30 });
    world.clock.advance(29_999);
    done(await spend(world, token));
  });

  test("revoking takes back all of a name that nobody has used", async () => {
    const world = worldOf();
    const [one, used] = [await create(world), await create(world)];
    const other = await create(world, { name: one.name });
    expect(await revoke(world, one)).toMatchObject({ kind: "sequenced", count: 2 });
    for (const token of [one, other]) expect(await spend(world, token)).toMatchObject(REFUSED);
    done(await spend(world, used));
    for (const token of [one, used]) {
      expect(await revoke(world, token)).toMatchObject({ code: "INVALID_FIELD", metadata: { field: "name" } });
    }
  });

  test("listed are those that could still be used", async () => {
    const world = worldOf();
    const live = await create(world, { seconds: 600 });
    const [spent, short] = [await create(world), await create(world, { seconds: 30 })];
    done(await spend(world, spent));
    world.clock.advance(30_000);
    const { sha256: _, ...listed } = live;
    const names = [live, spent, short].map(({ name }) => name);
    const tokens = await world.store.registry.joinTokens(world.clock.now());
    expect(tokens.filter(({ name }) => names.includes(name))).toEqual([listed]);
  });

  test("a new epoch ends all join tokens: one that was spent since the backup would be good again", async () => {
    const world = worldOf();
    const token = await create(world);
    const epoch = { epoch: world.name(), reason: "a backup was restored", by: OPERATOR } as const;
    await world.ledger.perform({ act: "start-epoch", ...epoch, now: world.clock.now() });
    expect(await spend(world, token)).toMatchObject(REFUSED);
  });

  test("evidence that counts once is refused the second time, for as long as it would be valid", async () => {
    const world = worldOf();
    const sha256 = digest(world);
    const expiresAt = addSeconds(secondsOf(world.clock.now()), 60);
    done(await spendEvidence(world, sha256, expiresAt));
    expect(await spendEvidence(world, sha256, expiresAt)).toMatchObject(REFUSED);
    world.clock.advance(59_000);
    // Whatever is forgotten when other evidence comes, this is not.
    done(await spendEvidence(world, digest(world), addSeconds(expiresAt, 60)));
    expect(await spendEvidence(world, sha256, expiresAt)).toMatchObject(REFUSED);
    world.clock.advance(1_000);
    expect(await spendEvidence(world, sha256, expiresAt)).toMatchObject(REFUSED);
    // It expires in this very second.
    expect(await spendEvidence(world, digest(world), secondsOf(world.clock.now()))).toMatchObject(REFUSED);
    expect(await spendEvidence(world, digest(world), Number.NaN as UnixSeconds)).toMatchObject(REFUSED);
  });
}
