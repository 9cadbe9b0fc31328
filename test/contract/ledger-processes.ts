import { expect, test } from "vitest";
import { formatProcess, remoteProcess } from "../../src/domain/process.ts";
import { CONFIG, done, processOf, type World } from "./ledger-world.ts";

/** What the ledger promises of processes: who ever opened a step is found again, and so is who was enrolled. */
export function processesContract(worldOf: () => World): void {
  let pid = 70_000;
  const unused = () => {
    pid += 1;
    return processOf(pid);
  };
  const known = async (world: World, ...among: ReturnType<typeof processOf>[]) =>
    (await world.store.projections.stepProcesses(among)).value;

  test("a process that opened a step is known as an opener, also once its steps are closed; nobody else is", async () => {
    const world = worldOf();
    const [opener, executor] = [unused(), unused()];
    const step = await world.open(await world.agent(), { opener, executor: { kind: "process", process: executor } });
    await world.close({ kind: "steps", stepIds: [step.stepId] });
    expect(await known(world, opener, executor)).toEqual({ openers: [opener], enrolled: [] });
  });

  test("a caller on a network, which has no process, is not", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const opener = remoteProcess(agent.entryId);
    await world.open(agent, { opener, executor: { kind: "any" } });
    expect(await known(world, opener)).toEqual({ openers: [], enrolled: [] });
  });

  test("a process is enrolled once, by whom is on record, and it is no opener by that", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const process = unused();
    const by = { kind: "entry", entryId: agent.entryId, process: formatProcess(unused()) } as const;
    const act = { act: "enroll-process", process, by, now: world.clock.now() } as const;
    const decidedOn = { entries: [{ entryId: agent.entryId, revision: agent.revision }] };
    const { sequence } = done(await world.ledger.perform({ ...act, decidedOn }));
    expect(done(await world.ledger.perform({ ...act, decidedOn })).sequence).toBe(0);
    expect(await known(world, process)).toEqual({ openers: [], enrolled: [process] });
    const [newest] = await world.store.history.events({ limit: 1 });
    expect(newest?.sequence).toBe(sequence);
    expect(JSON.parse(Buffer.from(newest?.canonical ?? []).toString())).toMatchObject({
      type: "process.enrolled",
      process: formatProcess(process),
      by,
    });
  });

  test("nobody is enrolled by an entry that has changed meanwhile", async () => {
    const world = worldOf();
    const agent = await world.agent();
    const process = unused();
    const enrolling = {
      act: "enroll-process",
      process,
      by: CONFIG,
      decidedOn: { entries: [{ entryId: agent.entryId, revision: agent.revision + 1 }] },
      now: world.clock.now(),
    } as const;
    expect(await world.ledger.perform(enrolling)).toMatchObject({ kind: "denial", code: "DECISION_OUTDATED" });
    expect((await known(world, process)).enrolled).toEqual([]);
  });
}
