import { expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import type { NodeName } from "../../src/domain/node-name.ts";
import { processOfNode } from "../../src/domain/process.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { DenyEntry } from "../../src/ports/ledger-reads.ts";
import { done, MCP, OPERATOR, present, processOf, type World } from "./ledger-world.ts";

/** What the deny-list promises: everything that anybody could still present, in ledger order, nothing twice. */
export function feedContract(worldOf: () => World): void {
  /** What was denied since a sequence. */
  async function deniedSince(world: World, after: number): Promise<readonly DenyEntry[]> {
    const { sequence } = world.ledger.head();
    const { entries, through } = await world.denied(after, sequence);
    expect(through).toBe(sequence);
    return entries;
  }

  async function inForce(world: World): Promise<readonly DenyEntry[]> {
    const entries: DenyEntry[] = [];
    for await (const part of world.store.feed.inForce(secondsOf(world.clock.now()))) entries.push(...part);
    return entries;
  }

  const idsInForce = async (world: World) => {
    const entries = await inForce(world);
    return new Set(entries.map((one) => (one.subject.kind === "step" ? one.subject.stepId : one.sequence)));
  };

  test("a closed step is denied by id, with what may present it and until when", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent(), { audiences: ["https://api.example.org"] });
    await world.issue(step);
    const last = await world.issue(step, { expiresAt: addSeconds(secondsOf(world.clock.now()), 200) });
    const { sequence } = await world.close(step, { state: "FAILED" });
    const [entry, ...rest] = await deniedSince(world, sequence - 1);
    expect(rest).toEqual([]);
    expect(entry).toEqual({
      sequence,
      reason: "cessationOfOperation",
      state: "FAILED",
      deniedAt: world.clock.now(),
      latestExpiry: last.expiresAt,
      audiences: [MCP, "https://api.example.org"],
      concernsAll: false,
      runEntryId: step.openerEntryId,
      subject: { kind: "step", stepId: step.stepId, spiffeId: step.spiffeId },
    });
  });

  test("a denial of a run that is one machine's of a group names the machine", async () => {
    const world = worldOf();
    const opener = processOfNode("pool/one" as NodeName, processOf(5));
    const step = await world.open(await world.agent(), { opener });
    await world.issue(step);
    const { sequence } = await world.close(step);
    expect(await deniedSince(world, sequence - 1)).toMatchObject([{ runMachine: "pool/one" }]);
  });

  test.for(["x509-svid", "wit-svid"] as const)("a step that held an %s concerns everyone", async (kind) => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    await world.issue(step);
    await world.issue(step, { kind, audiences: [] });
    const { sequence } = await world.close(step);
    expect(await deniedSince(world, sequence - 1)).toMatchObject([{ concernsAll: true }]);
  });

  test("a step that held transaction tokens beside JWT-SVIDs concerns those alone for whom they were", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    await world.issue(step);
    const token = await world.issue(step, { kind: "txn-token" });
    const credential = { jti: token.jti ?? "" };
    const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    await world.ledger.perform({ ...order, now: world.clock.now() });
    const revoked = world.ledger.head().sequence;
    expect(await deniedSince(world, revoked - 1)).toMatchObject([
      { concernsAll: false, audiences: [MCP], subject: { kind: "jwt", jti: token.jti } },
    ]);
    const { sequence } = await world.close(step);
    expect(await deniedSince(world, sequence - 1)).toMatchObject([{ concernsAll: false }]);
  });

  test("a step that never had a credential is not denied; its descendants that had one are", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const root = await world.open(agent);
    const [bare, holder] = [await world.openChild(agent, root), await world.openChild(agent, root)];
    await world.issue(holder);
    const { sequence } = await world.close(root);
    const entries = await deniedSince(world, sequence - 1);
    expect(entries.map((one) => one.subject)).toEqual([
      { kind: "step", stepId: holder.stepId, spiffeId: holder.spiffeId },
    ]);
    // The child's own state, not its ancestor's.
    expect(entries[0]?.state).toBe("CANCELLED");
    expect(bare.stepId).not.toBe(holder.stepId);
  });

  test("a credential that was taken back is denied by what its holder presents", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const jwt = await world.issue(step);
    const x509 = await world.issue(step, { kind: "x509-svid" });
    const before = world.ledger.head().sequence;
    for (const credential of [{ jti: present(jwt.jti) }, { serialNumber: present(x509.serialNumber) }]) {
      const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
      done(await world.ledger.perform({ ...order, now: world.clock.now() }));
    }
    const deniedAt = world.clock.now();
    const common = { reason: "keyCompromise", state: "REVOKED", runEntryId: step.openerEntryId, deniedAt };
    const { serialNumber, authorityId } = x509;
    expect(await deniedSince(world, before)).toEqual([
      {
        ...common,
        sequence: before + 1,
        latestExpiry: jwt.expiresAt,
        audiences: [MCP],
        concernsAll: false,
        subject: { kind: "jwt", jti: jwt.jti },
      },
      {
        ...common,
        sequence: before + 2,
        latestExpiry: x509.expiresAt,
        audiences: [],
        concernsAll: true,
        subject: { kind: "certificate", authorityId, serialNumber },
      },
    ]);
  });

  test("an infrastructure credential that was taken back concerns everyone", async () => {
    const world = worldOf();
    const verifier = await world.verifier();
    const { entryId } = verifier;
    const step = await world.open(await world.agent());
    const record = world.record(step, { kind: "x509-svid", subject: { kind: "infrastructure", entryId } });
    await world.ledger.perform(world.issueAct([record], { entryId }));
    const credential = { serialNumber: present(record.serialNumber) };
    const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
    const { sequence } = done(await world.ledger.perform({ ...order, now: world.clock.now() }));
    expect(await deniedSince(world, sequence - 1)).toMatchObject([
      { concernsAll: true, runEntryId: entryId, subject: { kind: "certificate" } },
    ]);
  });

  test("what an entry was issued for itself is taken back when it is disabled or removed, and nobody else's", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    for (const end of ["disable", "remove"] as const) {
      const [verifier, other] = [await world.verifier(), await world.verifier()];
      const issued = async ({ entryId }: typeof verifier, expiresAt = step.expiresAt) => {
        const record = world.record(step, {
          kind: "x509-svid",
          subject: { kind: "infrastructure", entryId },
          expiresAt,
        });
        done((await world.ledger.perform(world.issueAct([record], { entryId })))[0]);
        return present(record.serialNumber);
      };
      const serials = [await issued(verifier), await issued(verifier)];
      await issued(other);
      await issued(verifier, secondsOf(world.clock.now()));
      const from = world.ledger.head().sequence;
      const { entryId } = verifier;
      const result = done(
        end === "disable"
          ? await world.put({ ...verifier, disabled: true }, 1, "all")
          : await world.ledger.perform({ act: "retire-entry", entryId, by: OPERATOR, now: world.clock.now() }),
      );
      expect(result.sequence).toBe(world.ledger.head().sequence);
      const denied = await deniedSince(world, from);
      expect(denied.map(({ subject }) => subject)).toEqual(
        serials.map((serialNumber) => expect.objectContaining({ kind: "certificate", serialNumber })),
      );
      expect(denied.every(({ reason }) => reason === "privilegeWithdrawn")).toBe(true);
    }
  });

  test("a close of very many steps comes in parts, none of which claims more than was told by then", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const before = world.ledger.head().sequence;
    const root = await world.open(agent);
    const children = Array.from({ length: 1_100 }, () =>
      world
        .openChild(agent, root, { executor: { kind: "any" } }, { openStepsMax: 2_000 })
        .then((step) => world.issue(step)),
    );
    await Promise.all(children);
    await world.close(await world.issue(root).then(() => root));
    const last = await world.open(agent);
    await world.issue(last);
    const closes = [(await world.step(root.stepId)).closedSequence, (await world.close(last)).sequence];
    const { sequence: head } = world.ledger.head();
    const told: DenyEntry[] = [];
    const claims: number[] = [];
    for await (const { entries, through } of world.store.feed.denied(before, head)) {
      told.push(...entries);
      claims.push(through);
      // Whatever has a sequence up to the claim has been told.
      const missing = (await deniedSince(world, before)).filter((one) => one.sequence <= through).length;
      expect(told.filter((one) => one.sequence <= through)).toHaveLength(missing);
    }
    expect(claims.length).toBeGreaterThan(2);
    expect(claims).toEqual(claims.toSorted((a, b) => a - b));
    expect(claims.at(-1)).toBe(head);
    expect(told).toHaveLength(1_102);
    expect(told).toEqual(await deniedSince(world, before));
    expect([...new Set(told.map((one) => one.sequence))]).toEqual(closes);
  });

  test("what is not written yet is never claimed", async () => {
    const world = worldOf();
    const { sequence } = world.ledger.head();
    expect(await world.denied(sequence, sequence + 1_000)).toEqual({ entries: [], through: sequence });
  });

  test("the deny-list in force forgets a step once nobody can accept its last credential any more, and not a second before", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { expiresAt } = await world.issue(step);
    await world.close(step);
    const keptSeconds =
      expiresAt - secondsOf(world.clock.now()) + LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;
    world.clock.advance((keptSeconds - 1) * 1_000);
    expect(await idsInForce(world)).toContain(step.stepId);
    world.clock.advance(1_000);
    expect(await idsInForce(world)).not.toContain(step.stepId);
  });

  test("the deny-list in force holds all that was told and still matters, each once, in however many parts", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const opened = Array.from({ length: 450 }, async (_, index) => {
      const step = await world.open(agent);
      // Many expire in one second, so that a part ends among them.
      await world.issue(step, { expiresAt: addSeconds(secondsOf(world.clock.now()), 150 - (index % 3)) });
      return step;
    });
    for (const step of await Promise.all(opened)) await world.close(step);
    world.clock.advance((149 + LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax) * 1_000);
    const limit = secondsOf(world.clock.now()) - LIMITS.verifierLeewaySeconds - LIMITS.clockSkewSecondsMax;
    const told = (await deniedSince(world, 0)).filter((one) => one.latestExpiry > limit);
    expect(told.length).toBeGreaterThanOrEqual(150);
    const entries = await inForce(world);
    expect(entries.toSorted((a, b) => a.sequence - b.sequence)).toEqual(told);
  });

  test("a step is denied also when its last credential expired before the close", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { expiresAt } = await world.issue(step);
    world.clock.advance((expiresAt - secondsOf(world.clock.now())) * 1_000);
    expect(await world.close(step)).toMatchObject({ credentialsRevoked: 0 });
    // A verifier's leeway would still let it pass.
    expect(await idsInForce(world)).toContain(step.stepId);
  });
}
