import { expect } from "vitest";
import type { LedgerAct } from "../../../src/ports/ledger-acts.ts";
import { openTcpGate, type TcpGate } from "../../exchange/tcp-gate.ts";
import { testWithPostgres as test } from "../../postgres/server.ts";
import { eventually } from "../ledger-sqlite/ledger-directory.ts";
import { caughtUp, type Replica, type Scene, servedLogs } from "./replicas.ts";

// Goal: whatever happens to the way to the log, an act that is answered is in it, one that was refused as not recorded is not, and what
// can't be known is refused. Method: a gate in front of the server loses questions, keeps answers back, or cuts connections.

const { inScene, port } = servedLogs();
/** As it is on the wire: other statements have the word in them too. */
const COMMIT = "COMMIT\0";

/** A replica behind a gate, and one beside it that has the server to itself. */
async function behindGate(work: (parts: { gate: TcpGate; a: Replica; b: Replica; scene: Scene }) => Promise<void>) {
  await inScene(async (scene) => {
    const gate = await openTcpGate(port());
    try {
      const { module, settings } = scene.shared;
      const a = await scene.open({ shared: { module, settings: { ...settings, port: gate.port } } });
      const b = await scene.open();
      await work({ gate, a, b, scene });
      gate.set("through");
      await a.close();
    } finally {
      await gate.close();
    }
  });
}

/** Something that is easy to find again. */
function operation(name: string, { world }: Replica): LedgerAct<"record-operation"> {
  const by = { kind: "broker", cause: "start" } as const;
  return { act: "record-operation", operation: name, target: "target", reason: "reason", by, now: world.clock.now() };
}

async function countOf({ query }: Scene, name: string): Promise<unknown> {
  const [row] = await query(
    `SELECT count(*)::int AS count FROM stint.readable_event WHERE content ->> 'act' = '${name}'`,
  );
  return row?.["count"];
}

test("a commit whose answer was lost is looked for, found, and answered; it is there once", () =>
  behindGate(async ({ gate, a, b, scene }) => {
    gate.set("holding", COMMIT);
    const answer = a.world.ledger.perform(operation("answer-lost", a));
    await gate.held();
    gate.set("down");
    gate.set("through");
    const { sequence } = await answer;
    expect(await countOf(scene, "answer-lost")).toBe(1);
    await caughtUp(b, a);
    expect(b.world.ledger.head()).toEqual(a.world.ledger.head());
    const [event] = await b.world.store.history.events({ after: sequence - 1, limit: 1 });
    expect(event?.type).toBe("operator.acted");
  }));

test("a commit that never arrived is looked for, not found, and refused; the next is recorded", () =>
  behindGate(async ({ gate, a, scene }) => {
    gate.set("losing", COMMIT);
    const answer = a.world.ledger.perform(operation("commit-lost", a));
    const refusal = expect(answer).rejects.toMatchObject({
      code: "LEDGER_UNAVAILABLE",
      message: /nothing was recorded/,
    });
    const waiting = "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'";
    await eventually(async () => (await scene.query(waiting)).length === 0);
    gate.set("through");
    await refusal;
    expect(await countOf(scene, "commit-lost")).toBe(0);
    await a.world.ledger.perform(operation("after-it", a));
    expect(await countOf(scene, "after-it")).toBe(1);
    expect(await a.world.store.verifyAll()).toEqual({ kind: "intact" });
  }));

test("what broke off before its commit is refused, and was not recorded", () =>
  behindGate(async ({ gate, a, b, scene }) => {
    // The statement itself is known to the server by then.
    gate.set("losing", Buffer.from("insert-lost").toString("hex"));
    const refused = { code: "LEDGER_UNAVAILABLE" };
    await expect(a.world.ledger.perform(operation("insert-lost", a))).rejects.toMatchObject(refused);
    gate.set("through");
    expect(await countOf(scene, "insert-lost")).toBe(0);
    await b.world.ledger.perform(operation("of-another", b));
    await a.world.ledger.perform(operation("again", a));
    await caughtUp(b, a);
    expect(b.world.ledger.head()).toEqual(a.world.ledger.head());
  }));

test("without a way to the log nothing is recorded, health says why, and afterwards all goes on", () =>
  behindGate(async ({ gate, a, b }) => {
    const agent = await a.world.agent();
    const step = await a.world.open(agent);
    gate.set("down");
    await expect(a.world.open(agent)).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(a.world.store.health()).toEqual({
      writable: false,
      reasons: ["the ledger's database can't be reached, or does not answer as it should"],
    });
    await expect(a.world.store.confirmed()).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    // Reads go on, of what was known by then.
    expect(await a.world.step(step.stepId)).toMatchObject({ state: "OPEN" });
    await caughtUp(b, a);
    await b.world.close(step);
    gate.set("through");
    await eventually(() => a.world.store.health().writable);
    await a.world.store.confirmed();
    expect(await a.world.step(step.stepId)).toMatchObject({ state: "COMPLETED" });
    await a.world.open(agent);
  }));

test("one that stands still in its turn loses it, and the others go on", () =>
  behindGate(async ({ gate, a, b, scene }) => {
    gate.set("holding", "FOR UPDATE");
    const stopped = a.world.ledger.perform(operation("stands-still", a));
    await gate.held();
    await b.world.ledger.perform(operation("goes-on", b));
    gate.set("down");
    gate.set("through");
    await expect(stopped).rejects.toMatchObject({ code: "LEDGER_UNAVAILABLE" });
    expect(await countOf(scene, "stands-still")).toBe(0);
    await a.world.ledger.perform(operation("after-it", a));
  }));
