import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import { riskScopesOf } from "../../src/domain/risk.ts";
import type { FactScope } from "../../src/domain/run-facts.ts";
import { createKeptRuns } from "../../src/follow/kept-runs.ts";
import { createOpenSteps } from "../../src/follow/open-steps.ts";
import { type KeptSteps, keepStepDirectory } from "../../src/follow/step-directory.ts";
import type { Committed } from "../../src/ports/following.ts";
import { ports, type World, worldOf } from "../contract/ledger-world.ts";
import { openMemoryLedger } from "../memory/memory-ledger.ts";
import { createKernel } from "../simulation/kernel.ts";

let world: World;
let agent: RegistrationEntry;
let directory: KeptSteps;
/** Reads of the database since they were counted last. */
let reads: string[] = [];

beforeEach(async () => {
  const given = ports();
  world = worldOf(await openMemoryLedger(given), given);
  agent = await world.agent();
  const { steps } = world.store;
  const counting = <Asked extends readonly unknown[], Value>(name: string, read: (...asked: Asked) => Value) => {
    return (...asked: Asked) => {
      reads.push(name);
      return read(...asked);
    };
  };
  directory = await keepStepDirectory({
    ...createKernel(),
    ...world.store,
    steps: {
      ...steps,
      runOwner: counting("runOwner", steps.runOwner),
      standingAttempts: counting("standingAttempts", steps.standingAttempts),
      world: counting("world", steps.world),
    },
    failed: (error) => expect.fail(String(error)),
  });
  reads = [];
});
afterEach(() => world.store.close());

const ANY = { executor: { kind: "any" } } as const;

/** All that an opening of a step in a run looks at. */
async function looked(runId: string, step: string) {
  const scope: FactScope = `run:${runId}`;
  const { runs } = directory;
  return {
    entry: (await runs.runOwner(runId))?.entryId,
    attempts: (await runs.standingAttempts(runId, step)).map(({ attempt, state }) => `${attempt} ${state}`),
    world: await runs.world([scope], riskScopesOf(agent.content.name, [scope]), "run"),
  };
}

describe("what is about to be opened in a run that began here", () => {
  test("reads nothing once a step of the run was opened and looked at, and finds each opening and each close", async () => {
    const names = { runId: world.name(), step: world.name() };
    await looked(names.runId, names.step);
    const first = await world.open(agent, { ...ANY, ...names });
    await looked(names.runId, names.step);
    reads = [];
    const second = await world.open(agent, { ...ANY, runId: names.runId });
    const both = await looked(names.runId, second.step);
    expect(both.entry).toBe(agent.entryId);
    expect(both.attempts).toEqual(["1 OPEN"]);
    expect(both.world.together).toEqual({ stepsOpen: 2, steps: 2 });
    expect(both.world.through).toBe(world.ledger.head().sequence);
    await world.close(first);
    const one = await looked(names.runId, first.step);
    expect(one.attempts).toEqual(["1 COMPLETED"]);
    expect(one.world.together).toEqual({ stepsOpen: 1, steps: 2 });
    expect(reads).toEqual([]);
    expect(one.world).toEqual(
      await world.store.steps.world(
        [`run:${names.runId}`],
        riskScopesOf(agent.content.name, [`run:${names.runId}`]),
        "run",
      ),
    );
  });

  test("reads anew what a grant has added to", async () => {
    const runId = world.name();
    await looked(runId, "other");
    await world.open(agent, { ...ANY, runId });
    await looked(runId, "other");
    reads = [];
    const [element] = (await world.open(agent, { ...ANY, runId })).grant;
    await looked(runId, "other");
    expect(reads).toEqual([]);
    if (element === undefined) throw new Error("a grant without elements");
    await world.open(agent, { ...ANY, runId, grant: [{ ...element, datatypes: ["another"] }] });
    expect((await looked(runId, "other")).world.facts).toMatchObject([
      { classes: expect.arrayContaining(["another"]) },
    ]);
    expect(reads).toEqual(["world"]);
  });
});

test("of a run from before nothing is taken for known", async () => {
  const step = await world.open(agent, ANY);
  directory.following.end();
  directory = await keepStepDirectory({ ...createKernel(), ...world.store, failed: () => undefined });
  expect(await looked(step.runId, step.step)).toMatchObject({ entry: agent.entryId, attempts: ["1 OPEN"] });
});

test("of more runs and names of steps than are kept, those that were asked for longest ago are read", async () => {
  const { ledger, steps } = world.store;
  const open = createOpenSteps([]);
  const reads: string[] = [];
  const runOwner: typeof steps.runOwner = (runId) => {
    reads.push(runId);
    return steps.runOwner(runId);
  };
  const position = () => ledger.head().sequence;
  const bounds = { namesMax: 4, runsMax: 2 };
  const kept = createKeptRuns([], { reads: { ...steps, runOwner }, position, isCurrent: () => true }, bounds);
  const take = (committed: Committed) => {
    for (const change of open.take(committed)) kept.take(change, committed.sequence);
  };
  const following = ledger.follow({ name: "runs", take }, position());
  const [first, second, third] = [world.name(), world.name(), world.name()];
  const entriesRead = async (...runIds: readonly string[]) => {
    reads.length = 0;
    for (const runId of runIds) expect(await kept.runOwner(runId)).toEqual(await steps.runOwner(runId));
    return [...reads];
  };
  expect(await entriesRead(first, second)).toEqual([first, second]);
  expect(await entriesRead(first, second)).toEqual([]);
  // A third run takes the place of the one that was asked for longest ago.
  expect(await entriesRead(second, first, third)).toEqual([third]);
  expect(await entriesRead(first, third)).toEqual([]);
  // Five steps are one too many, and `first` is the older.
  await world.open(agent, { ...ANY, runId: first });
  for (let step = 0; step < 4; step += 1) await world.open(agent, { ...ANY, runId: third });
  expect(await entriesRead(third, first)).toEqual([first]);
  following.end();
});
