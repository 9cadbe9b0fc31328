import { expect, test } from "vitest";
import { cutoffsOf } from "../../src/audit/retention.ts";
import type { LedgerEvent } from "../../src/domain/ledger-event.ts";
import { RETENTION_CLASSES } from "../../src/domain/retention.ts";
import type { Step } from "../../src/domain/step.ts";
import { OPERATOR, type World } from "./ledger-world.ts";

/** A credential of each is past its time then. */
const OVER_MS = 1_000_000;
/** More than a follower reads at once. */
const CREDENTIALS = 70;

/** A ledger's own length: what is over is pruned, and nothing that was proved or answered is another then. */
export function retentionContract(worldOf: () => World): void {
  async function over(world: World, credentials = 1): Promise<Step> {
    const step = await world.open(await world.agent());
    for (let issued = 0; issued < credentials; issued += 1) await world.issue(step);
    await world.close(step);
    world.clock.advance(OVER_MS);
    return step;
  }

  async function prune({ store, clock }: World): Promise<number> {
    await store.retention.takeSnapshot();
    const times = Object.fromEntries(RETENTION_CLASSES.map((name) => [name, 1]));
    return store.retention.prune(cutoffsOf(times, clock.now()));
  }

  test("what is over is pruned behind a snapshot: its place stays proved, and the ledger is intact", async () => {
    const world = worldOf();
    const alive = await world.open(await world.agent());
    const step = await over(world);
    const { tree, history, verifyAll } = world.store;
    const rows = await history.steps({ limit: 10 });
    const sequence = (await tree.sequenceOf({ decisionId: step.decisionId })) ?? 0;
    const before = world.ledger.head().sequence;
    const { hashes } = await tree.inclusion(sequence, before);
    expect(await prune(world)).toBeGreaterThan(3);
    expect(hashes.length).toBeGreaterThan(0);
    await expect(tree.inclusion(sequence, before)).rejects.toMatchObject({ code: "PRUNED" });
    const open = (await tree.sequenceOf({ decisionId: alive.decisionId })) ?? 0;
    expect((await tree.inclusion(open, before)).entry.length).toBeGreaterThan(0);
    expect(await history.steps({ limit: 10 })).toEqual(rows);
    expect(await verifyAll()).toEqual({ kind: "intact" });
  });

  test("nothing of a run that is held is pruned until the hold is lifted", async () => {
    const world = worldOf();
    const { ledger, clock } = world;
    const { runId } = await over(world);
    const by = { reason: "a lawsuit", by: OPERATOR, now: clock.now() } as const;
    const hold = { holdId: "hold_1", scope: "run", value: runId } as const;
    await ledger.perform({ act: "place-hold", hold, ...by });
    expect(await prune(world)).toBe(0);
    await ledger.perform({ act: "lift-hold", holdId: "hold_1", ...by });
    expect(await prune(world)).toBeGreaterThan(0);
  });

  test("snapshots that are asked for at once are taken one after the other", async () => {
    const world = worldOf();
    await over(world);
    const { retention, verifyAll } = world.store;
    const taken = await Promise.all([retention.takeSnapshot(), retention.takeSnapshot()]);
    expect(taken.map(({ kind }) => kind)).not.toContain("damaged");
    expect(await verifyAll()).toEqual({ kind: "intact" });
  });

  test("whoever follows is given what is not pruned, however much is pruned in between", async () => {
    const world = worldOf();
    const from = world.ledger.head().sequence;
    await over(world, CREDENTIALS);
    await prune(world);
    const { sequence } = world.ledger.head();
    const given: LedgerEvent["type"][] = [];
    const take = ({ event }: { readonly event: LedgerEvent }) => void given.push(event.type);
    const following = world.ledger.follow({ name: "one that was away", take }, from);
    await expect.poll(() => following.position()).toBe(sequence);
    following.end();
    expect(given).not.toContain("issuance.recorded");
    expect(given.at(-1)).toBe("events.pruned");
  });
}
