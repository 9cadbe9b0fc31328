import { describe, expect, test } from "vitest";
import type { Authority } from "../../src/domain/authority.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { PutAuthoritiesAct } from "../../src/ports/ledger-acts.ts";
import { done, MCP, OPERATOR, present, type World } from "./ledger-world.ts";

/** What the ledger promises of authorities: their rows change together, and what a tainted one signed is taken back whole. */
export function authoritiesContract(worldOf: () => World): void {
  const put = (world: World, ...authorities: readonly Authority[]) => change(world, { authorities });
  const change = (world: World, given: Omit<PutAuthoritiesAct, "act" | "now">) =>
    world.ledger.perform({ act: "put-authorities", ...given, now: world.clock.now() });
  const taint = (world: World, { authorityId }: Authority) =>
    change(world, { authorities: [], taints: { authorityId, reason: "cACompromise", by: OPERATOR } });

  async function read(world: World, { authorityId }: Authority): Promise<Authority> {
    return present((await world.authorities()).find((one) => one.authorityId === authorityId));
  }
  const rowOf = async (world: World, { jti, serialNumber }: IssuanceRecord) => {
    const name = jti === undefined ? { serialNumber: present(serialNumber) } : { jti };
    return present((await world.store.history.issuances({ ...name, now: world.clock.now(), limit: 1 }))[0]);
  };

  test("authorities read back with their bytes, in the order in which they came, in their last state", async () => {
    const world = worldOf();
    const jwt = world.authority();
    const certificate = new Uint8Array([48, 0]);
    const upstream = [new Uint8Array([48, 1, 0]), new Uint8Array([255])];
    const x509 = world.authority({ family: "x509-svid", state: "prepared", certificate, upstream });
    await put(world, jwt, x509);
    await put(world, { ...jwt, state: "old" });
    const all = await world.authorities();
    expect(all.filter((one) => [jwt, x509].some(({ authorityId }) => authorityId === one.authorityId))).toEqual([
      { ...jwt, state: "old" },
      x509,
    ]);
  });

  test("one that an earlier version recorded has no instant of its state", async () => {
    const world = worldOf();
    const { stateSince: _, ...before } = world.authority();
    await put(world, before);
    expect(await read(world, before)).toEqual(before);
  });

  test("several change in one commit, with the order that an operator gave", async () => {
    const world = worldOf();
    const [one, other] = [world.authority(), world.authority({ state: "prepared" })];
    await put(world, one, other);
    const order = { operation: "authority-activate", target: other.authorityId, reason: "planned", by: OPERATOR };
    const before = world.ledger.head().sequence;
    const result = await change(world, {
      authorities: [
        { ...other, state: "active" },
        { ...one, state: "old" },
      ],
      order,
    });
    expect(result).toEqual({ kind: "sequenced", sequence: before + 3, credentialsRevoked: 0 });
    const [event] = await world.store.history.events({ type: "operator.acted", limit: 1 });
    const { operation, ...rest } = order;
    expect(JSON.parse(Buffer.from(present(event).canonical).toString())).toMatchObject({ act: operation, ...rest });
  });

  test("what was removed stays removed, whatever is put", async () => {
    const world = worldOf();
    const authority = world.authority();
    await put(world, authority);
    await put(world, { ...authority, state: "removed" });
    await put(world, authority);
    expect((await read(world, authority)).state).toBe("removed");
  });

  describe("tainting an authority", () => {
    test("takes back all that it signed and a verifier may still accept, in one commit, and nothing else", async () => {
      const world = worldOf();
      const [tainted, other] = [world.authority(), world.authority()];
      await put(world, tainted, other);
      const { authorityId } = tainted;
      const agent = await world.agent();
      const step = await world.open(agent);
      const now = secondsOf(world.clock.now());
      const jwt = await world.issue(step, { authorityId });
      const x509 = await world.issue(step, { authorityId, kind: "x509-svid" });
      // Expired, and by the leeway and the skew that a verifier may have still acceptable for a second.
      const lenience = LIMITS.verifierLeewaySeconds + LIMITS.clockSkewSecondsMax;
      const expired = await world.issue(step, { authorityId, expiresAt: addSeconds(now, 1 - lenience) });
      const over = await world.issue(step, { authorityId, expiresAt: addSeconds(now, -lenience) });
      const others = await world.issue(step, { authorityId: other.authorityId });
      const undelivered = await world.issue(step, { authorityId });
      const { issuanceId } = undelivered;
      await world.ledger.perform({ act: "mark-undelivered", issuanceId, now: world.clock.now() });
      const closed = await world.open(agent);
      const ended = await world.issue(closed, { authorityId });
      await world.close(closed);

      const before = world.ledger.head().sequence;
      const result = await taint(world, tainted);
      expect(result).toEqual({ kind: "sequenced", sequence: before + 1, credentialsRevoked: 3 });
      expect(await read(world, tainted)).toEqual({ ...tainted, tainted: true });
      expect(await read(world, other)).toEqual(other);

      const { entries } = await world.denied(before, result.sequence);
      const common = { sequence: result.sequence, reason: "cACompromise", state: "REVOKED" };
      expect(entries).toMatchObject([
        { ...common, subject: { kind: "jwt", jti: jwt.jti }, audiences: [MCP], latestExpiry: jwt.expiresAt },
        {
          ...common,
          subject: { kind: "certificate", authorityId, serialNumber: x509.serialNumber },
          concernsAll: true,
        },
        { ...common, subject: { kind: "jwt", jti: expired.jti } },
      ]);
      for (const one of [jwt, x509, expired]) {
        expect(await rowOf(world, one)).toMatchObject({
          revokedSequence: result.sequence,
          revocationReason: "cACompromise",
        });
      }
      for (const one of [over, others, undelivered]) expect((await rowOf(world, one)).revokedAt).toBeUndefined();
      expect((await rowOf(world, ended)).revocationReason).toBe("cessationOfOperation");
      expect((await world.step(step.stepId)).state).toBe("OPEN");
    });

    test("finds what was signed an hour ago for an hour, and is in the history of its step", async () => {
      const world = worldOf();
      const tainted = world.authority();
      await put(world, tainted);
      const { authorityId } = tainted;
      const verifier = await world.verifier();
      const ttl = LIMITS.svidTtlSecondsMax;
      const subject = { kind: "infrastructure", entryId: verifier.entryId } as const;
      const issued = {
        ...world.record(await world.open(await world.agent()), { authorityId, kind: "x509-svid" }),
        subject,
      };
      const record = { ...issued, expiresAt: addSeconds(secondsOf(world.clock.now()), ttl) };
      done((await world.ledger.perform(world.issueAct([record], { entryId: verifier.entryId })))[0]);
      world.clock.advance(ttl * 1_000);
      const step = await world.open(await world.agent());
      await world.issue(step, { authorityId });
      const { sequence, credentialsRevoked } = await taint(world, tainted);
      expect(credentialsRevoked).toBe(2);
      const events = await world.store.history.events({ stepId: step.stepId, limit: 10 });
      expect(events.map((one) => one.sequence)).toContain(sequence);
    });

    test("that nobody knows is refused, and leaves no trace", async () => {
      const world = worldOf();
      const { sequence } = world.ledger.head();
      await expect(taint(world, world.authority())).rejects.toMatchObject({ code: "INVALID_FIELD" });
      expect(world.ledger.head().sequence).toBe(sequence);
    });
  });

  describe("nothing is recorded under an authority", () => {
    test.for([
      { name: "that is tainted", own: { state: "old" }, isTainted: true },
      { name: "that was removed", own: { state: "removed" }, isTainted: false },
      { name: "before it is active", own: { state: "prepared" }, isTainted: false },
    ] as const)("$name", async ({ own, isTainted }) => {
      const world = worldOf();
      const authority = world.authority(own);
      await put(world, authority);
      if (isTainted) await taint(world, authority);
      const step = await world.open(await world.agent());
      const record = world.record(step, { authorityId: authority.authorityId });
      const answers = await world.ledger.perform(world.issueAct([record], { entryId: step.agentEntryId }));
      expect(answers).toMatchObject([{ kind: "denial", code: "AUTHORITY_UNAVAILABLE" }]);
    });

    test("but what was drafted before its successor signed still is: it stays published for that long", async () => {
      const world = worldOf();
      const authority = world.authority({ state: "old" });
      await put(world, authority);
      const step = await world.open(await world.agent());
      await world.issue(step, { authorityId: authority.authorityId });
    });
  });
}
