import { expect, test } from "vitest";
import type { RevocationReason } from "../../src/domain/revocation.ts";
import type { Step } from "../../src/domain/step.ts";
import { addSeconds, secondsOf, type UnixSeconds } from "../../src/domain/time.ts";
import type { RevokedX509Svid } from "../../src/ports/credential-reads.ts";
import { done, OPERATOR, present, type World } from "./ledger-world.ts";

/** What is to be read of credentials: those that a CRL names, and what became of one. */
export function credentialsContract(worldOf: () => World): void {
  async function revoked(
    world: World,
    { expiringAfter = secondsOf(world.clock.now()) } = {},
  ): Promise<readonly RevokedX509Svid[]> {
    const all: RevokedX509Svid[] = [];
    for await (const part of world.store.credentials.revokedX509Svids(expiringAfter)) all.push(...part);
    return all;
  }

  async function revokedSerials(world: World, options?: Parameters<typeof revoked>[1]): Promise<readonly string[]> {
    return (await revoked(world, options)).map((one) => one.serialNumber);
  }

  async function takeBack(world: World, serialNumber: string, reason: RevocationReason): Promise<void> {
    const act = { act: "revoke-credential", credential: { serialNumber }, reason, by: OPERATOR } as const;
    done(await world.ledger.perform({ ...act, now: world.clock.now() }));
  }

  async function issueX509(world: World, step: Step, lifetimeSeconds = 120): Promise<string> {
    const expiresAt = addSeconds(secondsOf(world.clock.now()), lifetimeSeconds);
    return present((await world.issue(step, { kind: "x509-svid", expiresAt })).serialNumber);
  }

  const endOf = (world: World, lifetimeSeconds: number): UnixSeconds =>
    addSeconds(secondsOf(world.clock.now()), lifetimeSeconds);

  test("the X.509-SVIDs of a step are revoked with it, with its reason and instant; its tokens are not among them", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const [first, second] = [await issueX509(world, step), await issueX509(world, step)];
    await world.issue(step);
    await world.issue(step, { kind: "wit-svid", audiences: [] });
    const others = await issueX509(world, await world.open(agent));
    const { closedAt } = await world.close(step);
    const found = (await revoked(world)).filter((one) => [first, second, others].includes(one.serialNumber));
    const common = {
      authorityId: "authority-1",
      expiresAt: endOf(world, 120),
      revokedAt: closedAt,
      reason: "cessationOfOperation",
    };
    expect(found).toEqual([
      { ...common, serialNumber: first },
      { ...common, serialNumber: second },
    ]);
  });

  test("a descendant's X.509-SVIDs are revoked with its ancestor, a superseded attempt's as superseded", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const root = await world.open(agent);
    const child = await issueX509(world, await world.openChild(agent, root));
    await world.close(root, { state: "SUPERSEDED" });
    expect((await revoked(world)).find((one) => one.serialNumber === child)).toMatchObject({ reason: "superseded" });
  });

  test("one that was taken back alone is revoked for the reason given, its step staying open; a closed step changes nothing", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const [taken, kept] = [await issueX509(world, step), await issueX509(world, step)];
    await takeBack(world, taken, "keyCompromise");
    const reasons = async (): Promise<readonly unknown[]> => {
      const found = (await revoked(world)).filter((one) => [taken, kept].includes(one.serialNumber));
      return [...new Map(found.map((one) => [one.serialNumber, one.reason]))];
    };
    expect(await reasons()).toEqual([[taken, "keyCompromise"]]);
    await world.close(step);
    expect(new Map((await reasons()) as [string, string][])).toEqual(
      new Map([
        [taken, "keyCompromise"],
        [kept, "cessationOfOperation"],
      ]),
    );
  });

  test("an infrastructure X.509-SVID that was taken back is among them", async () => {
    const world = worldOf();
    const { entryId } = await world.verifier();
    const step = await world.open(await world.agent());
    const record = world.record(step, { kind: "x509-svid", subject: { kind: "infrastructure", entryId } });
    await world.ledger.perform(world.issueAct([record], { entryId }));
    const serialNumber = present(record.serialNumber);
    expect(await revokedSerials(world)).not.toContain(serialNumber);
    await takeBack(world, serialNumber, "privilegeWithdrawn");
    expect((await revoked(world)).find((one) => one.serialNumber === serialNumber)).toMatchObject({
      reason: "privilegeWithdrawn",
    });
  });

  test("one that had expired before its step was closed was never revoked, and one is left out once it is past", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const early = await issueX509(world, step, 30);
    const late = await issueX509(world, step, 120);
    const lateEnd = endOf(world, 120);
    world.clock.advance(30_000);
    await world.close(step);
    expect(await revokedSerials(world, { expiringAfter: addSeconds(lateEnd, -1) })).toContain(late);
    expect(await revokedSerials(world, { expiringAfter: lateEnd })).not.toContain(late);
    expect(await revokedSerials(world, { expiringAfter: 0 as UnixSeconds })).not.toContain(early);
  });

  test("however many they are, the parts hold every one", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const closed = async (index: number): Promise<string> => {
      const step = await world.open(agent, {}, { openStepsMax: 2_000 });
      const serial = await issueX509(world, step, 100 + (index % 3));
      await world.close(step);
      return serial;
    };
    const serials = await Promise.all(Array.from({ length: 1_050 }, (_, index) => closed(index)));
    const lone = await issueX509(world, await world.open(agent), 101);
    await takeBack(world, lone, "unspecified");
    const told = new Set(await revokedSerials(world));
    expect([...serials, lone].filter((serial) => !told.has(serial))).toEqual([]);
  });

  test("what became of a credential is found by its number, as of the last commit", async () => {
    const world = worldOf();
    const { credentials } = world.store;
    const step = await world.open(await world.agent());
    const jwt = await world.issue(step);
    const serialNumber = await issueX509(world, step);
    const found = await credentials.issuance({ jti: present(jwt.jti) });
    expect(found).toMatchObject({ ...jwt, undelivered: false, step: { runId: step.runId, state: "OPEN" } });
    expect(found).not.toHaveProperty("revokedAt");
    const { closedAt } = await world.close(step);
    for (const credential of [{ jti: present(jwt.jti) }, { serialNumber }]) {
      expect(await credentials.issuance(credential)).toMatchObject({
        revokedAt: closedAt,
        revocationReason: "cessationOfOperation",
        step: { state: "COMPLETED" },
      });
    }
    expect(await credentials.issuance({ jti: "unknown" })).toBeUndefined();
    expect(await credentials.issuance({ serialNumber: "00" })).toBeUndefined();
  });
}
