import fc from "fast-check";
import { expect, test } from "vitest";
import { decidedOn } from "../../src/domain/decision.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import type { IssuanceRow } from "../../src/ports/ledger-reads.ts";
import { CONFIG, done, FILES, GRANT, OPERATOR, present, processOf, type World } from "./ledger-world.ts";

/** What recording, marking and revoking credentials promise. */
export function issuingContract(worldOf: () => World): void {
  const refusal = (code: string) => expect.objectContaining({ kind: "denial", code });

  async function rowOf(world: World, filter: { readonly jti?: string; readonly serialNumber?: string }) {
    const rows = await world.store.history.issuances({ ...filter, now: world.clock.now(), limit: 2 });
    expect(rows).toHaveLength(1);
    return rows[0] as IssuanceRow;
  }

  test("a recorded credential reads back just as it was recorded, with its step", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { runId, attempt, agent } = step;
    const jwt = await world.issue(step);
    const x509 = await world.issue(step, { kind: "x509-svid" });
    const wit = await world.issue(step, { kind: "wit-svid", audiences: [] });
    const txn = await world.issue(step, { kind: "txn-token" });
    const common = { undelivered: false, step: { runId, step: step.step, attempt, agent, state: "OPEN" } };
    for (const record of [jwt, x509, wit, txn]) {
      const { jti, serialNumber } = record;
      const row = await rowOf(world, jti === undefined ? { serialNumber: present(serialNumber) } : { jti });
      expect(row).toEqual({ ...record, ...common, sequence: expect.any(Number) });
      const filter = { toBeSignedSha256: record.toBeSignedSha256, now: world.clock.now(), limit: 10 };
      expect(await world.store.history.issuances(filter)).toEqual([row]);
    }
  });

  test("a batch is answered item by item: what is refused does not hold up the rest", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const [open, closed] = [await world.open(agent), await world.open(agent)];
    await world.close(closed);
    const { sequence } = world.ledger.head();
    const records = [open, closed, open].map((step) => world.record(step));
    const results = await world.ledger.perform(world.issueAct(records, { entryId: agent.entryId }));
    expect(results).toEqual([
      { kind: "sequenced", sequence: sequence + 1 },
      refusal("STEP_CLOSED"),
      { kind: "sequenced", sequence: sequence + 2 },
    ]);
  });

  test("a step that is closed or unknown gets nothing, and the refusal names its state", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const record = world.record(step);
    await world.close(step, { state: "CANCELLED" });
    const act = world.issueAct([record], { entryId: agent.entryId });
    expect(await world.ledger.perform(act)).toEqual([
      expect.objectContaining({ code: "STEP_CLOSED", metadata: { state: "CANCELLED" } }),
    ]);
    const unknown = { ...record, subject: { kind: "step", stepId: "step_none" } } as const;
    expect(await world.ledger.perform(world.issueAct([unknown], { entryId: agent.entryId }))).toEqual([
      refusal("STEP_NOT_FOUND"),
    ]);
  });

  test("credentials that are asked for in the turn in which their step is opened are its own, and none where it is refused", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const together = (own: Parameters<World["openAct"]>[1]) => {
      const opening = world.openAct(agent, own);
      const record = world.record({ ...opening.step, state: "OPEN", openedSequence: 0, held: false });
      return Promise.all([
        world.ledger.perform(opening),
        world.ledger.perform(world.issueAct([record], { entryId: agent.entryId })),
      ]);
    };
    const { sequence } = world.ledger.head();
    const request = { requestId: "once", requestDigest: "d" };
    const [opened, issued] = await together(request);
    expect(opened).toEqual({ kind: "opened", sequence: sequence + 2 });
    expect(issued).toEqual([{ kind: "sequenced", sequence: sequence + 3 }]);
    const [repeated, ofRepeated] = await together(request);
    expect(repeated).toMatchObject({ kind: "existing" });
    expect(ofRepeated).toEqual([refusal("STEP_NOT_FOUND")]);
    const [reused, ofReused] = await together({ ...request, requestDigest: "other" });
    expect(reused).toEqual(refusal("REQUEST_ID_REUSED"));
    expect(ofReused).toEqual([refusal("STEP_NOT_FOUND")]);
    expect(world.ledger.head().sequence).toBe(sequence + 3);
  });

  test.for([
    { name: "ends with its step", afterStep: 0, refused: false },
    { name: "would outlive its step by a second", afterStep: 1, refused: true },
    { name: "has an end that is no number", afterStep: Number.NaN, refused: true },
  ])("a credential that $name", async ({ afterStep, refused }) => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const record = world.record(step, { expiresAt: addSeconds(step.expiresAt, afterStep) });
    const recording = world.ledger.perform(world.issueAct([record], { entryId: agent.entryId }));
    const [result] = await recording.catch(() => [{ kind: "denial" }]);
    expect(result?.kind).toBe(refused ? "denial" : "sequenced");
  });

  test("a step whose time is over gets nothing, though nobody has closed it yet", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent, { expiresAt: addSeconds(secondsOf(world.clock.now()), 10) });
    const record = () => world.record(step, { expiresAt: step.expiresAt });
    const issue = () => world.ledger.perform(world.issueAct([record()], { entryId: agent.entryId }));
    world.clock.advance(9_999);
    expect(await issue()).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    world.clock.advance(1);
    expect(await issue()).toEqual([refusal("STEP_EXPIRING")]);
  });

  test("nothing is issued by an entry that was disabled, changed or removed since", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const issue = (entryRevision: number) => {
      const act = world.issueAct([world.record(step)], { entryId: agent.entryId, entryRevision });
      return world.ledger.perform(act);
    };
    done(await world.put(agent, 1));
    expect(await issue(1)).toEqual([refusal("DECISION_OUTDATED")]);
    expect(await issue(2)).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    done(await world.put({ ...agent, disabled: true }, 2));
    expect(await issue(3)).toEqual([refusal("NOT_ENTITLED")]);
  });

  test("the first issuance pins the executor's program; another program gets nothing", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent, { executor: { kind: "process", process: processOf(5) } });
    const issue = (executable?: string) => {
      const own = { entryId: agent.entryId, ...(executable === undefined ? {} : { executable }) };
      return world.ledger.perform(world.issueAct([world.record(step)], own));
    };
    expect(await issue("/usr/bin/python3")).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    expect((await world.step(step.stepId)).executor).toEqual({
      kind: "process",
      process: processOf(5),
      executable: "/usr/bin/python3",
    });
    expect(await issue("/usr/bin/python3")).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    expect(await issue("/bin/sh")).toEqual([refusal("EXECUTOR_GONE")]);
    expect(await issue()).toEqual([refusal("EXECUTOR_GONE")]);
  });

  test("a batch pins the program with its first item, before its second is judged", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const act = world.issueAct([world.record(step), world.record(step)], { entryId: agent.entryId });
    const [first, second] = act.items;
    const items = [
      { ...present(first), executable: "/a" },
      { ...present(second), executable: "/b" },
    ];
    expect(await world.ledger.perform({ ...act, items })).toEqual([
      expect.objectContaining({ kind: "sequenced" }),
      refusal("EXECUTOR_GONE"),
    ]);
  });

  test("where any process may execute, no program is pinned", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent, { executor: { kind: "any" } });
    for (const executable of ["/a", "/b"]) {
      const act = world.issueAct([world.record(step)], { entryId: agent.entryId, executable });
      expect(await world.ledger.perform(act)).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    }
    expect((await world.step(step.stepId)).executor).toEqual({ kind: "any" });
  });

  test("infrastructure gets credentials without a step, by its own entry alone", async () => {
    const world = worldOf();
    const verifier = await world.verifier();
    const other = await world.verifier();
    const step = await world.open(await world.agent());
    const { entryId } = verifier;
    const record = world.record(step, {
      kind: "x509-svid",
      subject: { kind: "infrastructure", entryId },
      spiffeId: verifier.spiffeId,
      expiresAt: addSeconds(step.expiresAt, 10_000),
    });
    expect(await world.ledger.perform(world.issueAct([record], { entryId: other.entryId }))).toEqual([
      refusal("NOT_ENTITLED"),
    ]);
    // Decided on its own entry and on another: both must stand.
    const onBoth = decidedOn({ entryId, revision: 1 }, { entryId: other.entryId, revision: 1 });
    const both = {
      record: { ...record, issuanceId: world.id("issuance"), serialNumber: "0b".repeat(16) },
      decidedOn: onBoth,
    };
    const [answer] = await world.ledger.perform({ act: "record-issuances", items: [both], now: world.clock.now() });
    expect(answer).toMatchObject({ kind: "sequenced" });
    const act = world.issueAct([record], { entryId });
    expect(await world.ledger.perform(act)).toEqual([expect.objectContaining({ kind: "sequenced" })]);
    const row = await rowOf(world, { serialNumber: present(record.serialNumber) });
    expect(row).toEqual({ ...record, undelivered: false, sequence: expect.any(Number) });
  });

  test("each item of a batch is guarded by the entries that it was decided on, and by no others", async () => {
    const world = worldOf();
    const [fresh, stale] = [await world.agent(), await world.agent()];
    const steps = [await world.open(fresh), await world.open(stale)];
    done(await world.put({ ...stale, disabled: false }, 1));
    const itemOf = (index: number) => {
      const step = present(steps[index]);
      const agent = index === 0 ? fresh : stale;
      return present(world.issueAct([world.record(step)], { entryId: agent.entryId, entryRevision: 1 }).items[0]);
    };
    const { now } = world.issueAct([], {});
    for (const order of [
      [0, 1, 0],
      [1, 0, 1],
    ]) {
      const answers = await world.ledger.perform({ act: "record-issuances", items: order.map(itemOf), now });
      const expected = order.map((index) =>
        index === 0 ? expect.objectContaining({ kind: "sequenced" }) : refusal("DECISION_OUTDATED"),
      );
      expect(answers).toEqual(expected);
    }
  });

  test("only the first issuance to a process pins its program, and none to a step that any process executes", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const { entryId } = agent;
    const executable = "/usr/bin/agent";
    const [bound, any] = [await world.open(agent), await world.open(agent, { executor: { kind: "any" } })];
    const { committed } = world.follow();
    for (const step of [bound, bound, any, any]) {
      done((await world.ledger.perform(world.issueAct([world.record(step)], { entryId, executable })))[0]);
    }
    const batch = world.issueAct([world.record(any), world.record(any)], { entryId, executable: "/usr/bin/other" });
    expect(await world.ledger.perform(batch)).toEqual([
      expect.objectContaining({ kind: "sequenced" }),
      expect.objectContaining({ kind: "sequenced" }),
    ]);
    const pins = committed.map(({ event }) => event.type === "issuance.recorded" && event.executable);
    expect(pins).toEqual([executable, undefined, undefined, undefined, undefined, undefined]);
  });

  test("an id that was used before is refused, and the acts around it are not disturbed", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const record = await world.issue(step);
    const { entryId } = agent;
    const { committed } = world.follow();
    const [before, again, after] = await Promise.allSettled([
      world.ledger.perform(world.issueAct([world.record(step)], { entryId })),
      world.ledger.perform(world.issueAct([world.record(step), { ...record, issuanceId: "iss_other" }], { entryId })),
      world.ledger.perform(world.issueAct([world.record(step)], { entryId })),
    ]);
    expect(before.status).toBe("fulfilled");
    expect(again).toMatchObject({ status: "rejected", reason: { code: "INVALID_FIELD" } });
    expect(after.status).toBe("fulfilled");
    const rows = await world.store.history.issuances({ stepId: step.stepId, now: world.clock.now(), limit: 10 });
    // The first item of the act that failed left no trace either.
    expect(rows).toHaveLength(3);
    // Nor were followers told of it.
    const told = committed.map(({ event }) =>
      event.type === "issuance.recorded" ? event.issuance.issuanceId : event.type,
    );
    expect(told).toEqual(
      rows
        .slice(0, 2)
        .map(({ issuanceId }) => issuanceId)
        .reverse(),
    );
    expect(await world.store.verifyAll()).toEqual({ kind: "intact" });
  });

  test("what can't be recorded whole is refused whole", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const step = await world.open(agent);
    const { sequence } = world.ledger.head();
    const audiences = Array.from({ length: 40 }, (_, index) => `${FILES}/${"a".repeat(2_000)}${index}`);
    const act = world.issueAct([world.record(step), world.record(step, { audiences })], { entryId: agent.entryId });
    await expect(world.ledger.perform(act)).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(world.ledger.head().sequence).toBe(sequence);
  });

  test("what was never delivered says so, once", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { issuanceId, jti } = await world.issue(step);
    const mark = () => world.ledger.perform({ act: "mark-undelivered", issuanceId, now: world.clock.now() });
    const marked = await mark();
    expect(await mark()).toEqual(marked);
    expect(await rowOf(world, { jti: present(jti) })).toMatchObject({ undelivered: true });
    // It never left, so there is nothing to take back.
    expect(await world.close(step)).toMatchObject({ stepsClosed: 1, credentialsRevoked: 0 });
    const unknown = { act: "mark-undelivered", issuanceId: "iss_none", now: world.clock.now() } as const;
    await expect(world.ledger.perform(unknown)).rejects.toMatchObject({ code: "STEP_NOT_FOUND" });
  });

  test("one credential is taken back by jti or serial number, once, and its step stays open", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const jwt = await world.issue(step);
    const x509 = await world.issue(step, { kind: "x509-svid" });
    const kept = await world.issue(step);
    for (const credential of [{ jti: present(jwt.jti) }, { serialNumber: present(x509.serialNumber) }]) {
      const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: OPERATOR } as const;
      const revoked = done(await world.ledger.perform({ ...order, now: world.clock.now() }));
      expect(await rowOf(world, credential)).toMatchObject({
        revokedAt: world.clock.now(),
        revocationReason: "keyCompromise",
        revokedSequence: revoked.sequence,
      });
      world.clock.advance(1_000);
      expect(await world.ledger.perform({ ...order, now: world.clock.now() })).toEqual(revoked);
    }
    expect((await world.step(step.stepId)).state).toBe("OPEN");
    expect((await rowOf(world, { jti: present(kept.jti) })).revokedAt).toBeUndefined();
    expect(await world.close(step)).toMatchObject({ credentialsRevoked: 1 });
  });

  test("what was taken back with its step stays as that recorded it", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const { jti } = await world.issue(step);
    const { sequence } = await world.close(step, { state: "FAILED" });
    const credential = { jti: present(jti) };
    const order = { act: "revoke-credential", credential, reason: "keyCompromise", by: CONFIG } as const;
    const revoked = done(await world.ledger.perform({ ...order, now: world.clock.now() }));
    expect(revoked).toEqual({ kind: "sequenced", sequence });
    expect(await rowOf(world, credential)).toMatchObject({ revocationReason: "cessationOfOperation" });
    expect(world.ledger.head().sequence).toBe(sequence);
    const unknown = { ...order, credential: { jti: "none" }, now: world.clock.now() };
    expect(await world.ledger.perform(unknown)).toEqual(refusal("STEP_NOT_FOUND"));
  });

  test("what expires at the very instant of the close has expired, and is not revoked", async () => {
    const world = worldOf();
    const step = await world.open(await world.agent());
    const now = secondsOf(world.clock.now());
    const [ends, outlives] = [await world.issue(step, { expiresAt: addSeconds(now, 60) }), await world.issue(step)];
    world.clock.advance(60_000);
    expect(await world.close(step)).toMatchObject({ credentialsRevoked: 1 });
    expect((await rowOf(world, { jti: present(ends.jti) })).revokedAt).toBeUndefined();
    expect((await rowOf(world, { jti: present(outlives.jti) })).revokedAt).toBe(world.clock.now());
    const filter = { stepId: step.stepId, now: world.clock.now(), limit: 10 };
    expect(await world.store.history.issuances({ ...filter, state: "expired" })).toHaveLength(1);
    expect(await world.store.history.issuances({ ...filter, state: "revoked" })).toHaveLength(1);
  });

  test("once a close has returned no record of that step succeeds, and the close counts every one before", async () => {
    const world = worldOf();
    const agent = await world.agent({ ceiling: GRANT });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 }), async (batches) => {
        const step = await world.open(agent);
        let recorded = 0;
        let recordedAfterClose = 0;
        let isClosed = false;
        const issue = async (size: number) => {
          const records = Array.from({ length: size }, () => world.record(step));
          const begunAfterClose = isClosed;
          const results = await world.ledger.perform(world.issueAct(records, { entryId: agent.entryId }));
          const count = results.filter((one) => one.kind === "sequenced").length;
          recorded += count;
          if (begunAfterClose) recordedAfterClose += count;
        };
        const half = Math.floor(batches.length / 2);
        const before = batches.slice(0, half).map(issue);
        const closing = world.close(step).then((result) => {
          isClosed = true;
          return result;
        });
        const racing = batches.slice(half).map(issue);
        const { credentialsRevoked, sequence } = await closing;
        await Promise.all([...before, ...racing, ...batches.map(issue)]);

        expect(recordedAfterClose).toBe(0);
        expect(credentialsRevoked).toBe(recorded);
        const rows = await world.store.history.issuances({ stepId: step.stepId, now: world.clock.now(), limit: 100 });
        expect(rows.every((row) => row.sequence < sequence && row.revokedSequence === sequence)).toBe(true);
      }),
      { numRuns: 15 },
    );
  });
}
