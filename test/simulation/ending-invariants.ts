import { parseEntryContent } from "../../src/domain/entry-content.ts";
import { parseSegment } from "../../src/domain/spiffe-id.ts";
import { addMicros } from "../../src/domain/time.ts";
import type { WantedExecutor } from "../../src/open/open-request.ts";
import { OPERATOR } from "./broker.ts";
import { agentContent, chosenOf, ELEMENTS, NAMED, READS_ANYWHERE, READS_INSIDE, READS_PUBLIC } from "./cast.ts";
import { note, promise } from "./model-history.ts";
import { operators } from "./operators.ts";
import type { Told } from "./sites.ts";
import type { World } from "./world.ts";

/** Everybody looks who is there at least as often. */
const LOOKED_WITHIN_MICROS = 3_000_000;

/**
 * What ends by itself is ended by who is to know of it: a step whose hold is up at the broker that keeps it, or whose executor lives where
 * there is a broker, is not ended by another for as long as that broker's lease stands.
 *
 * @param told - not told to the model yet.
 * @param worlds - around each broker.
 */
export function checkEnding({ event, at, standing }: Told, worlds: readonly World[]): void {
  const [world] = worlds;
  if (event.type !== "step.closed" || event.by.kind !== "broker" || world === undefined) return;
  const { step, keeper = step?.keeper } = world.model.steps.get(event.stepId) ?? {};
  if (step === undefined) return;
  if (keeper !== undefined && !standing.has(keeper)) note(world.model, `ended for one that is gone: ${event.by.cause}`);
  /** Whether everybody knows that a broker is there: by a look since, or since it recorded the step itself. */
  const isKnown = (name: string) => {
    const since = standing.get(name);
    return since !== undefined && (addMicros(since, LOOKED_WITHIN_MICROS) <= at || since <= step.openedAt);
  };
  if (event.by.cause === "hold") {
    const isHeld = worlds.some(
      ({ isUp, name, holds }) =>
        isUp && (keeper ?? name) === name && isKnown(name) && [...holds.values()].includes(step.stepId),
    );
    promise(!isHeld, "a step is not ended for want of a hold while it is held where it is kept");
  }
  if (event.by.cause === "executor" && step.executor.kind !== "any") {
    const { process } = step.executor;
    const isSeen = worlds.some(({ machine, name }) => machine.bootId === process.bootId && isKnown(name));
    promise(!isSeen || !world.isAlive(process), "no process is gone that lives where a broker could see it");
  }
}

/** What one that is dead kept is ended by others once its lease has lapsed, and what others keep is not, neither then nor when it is back. */
export async function checkDeadInTheEnd(worlds: readonly World[]): Promise<void> {
  const [world] = worlds;
  const dead = worlds.at(-1);
  if (world === undefined || dead === undefined || worlds.length < 2) return;
  const { model } = dead;
  // An acceptance that was cut short is done again, and ends all steps: before any is opened whose end is told apart.
  for (const { broker, answered } of worlds) if (broker.isSuspended()) await answered(broker.acceptRestore());
  await operators(world).policies({ kind: "policies", set: undefined });
  await world.pass(3);
  const stateOf = (stepId: string) => model.steps.get(stepId)?.state;
  const isNear = dead.machine === world.machine;
  const [lost, kept] = [await heldAt(dead, "a", dead), await heldAt(world, "b", isNear ? dead : world)];
  const left = await openedAt(dead, { run: "c", agent: 1, grant: READS_PUBLIC, executor: { kind: "any" } });
  await dead.kill();
  // Forbids what is public.
  await operators(world).policies({ kind: "policies", set: 1 });
  await dead.pass(16);
  for (const { step, state, held, keeper = step.keeper } of model.steps.values()) {
    promise(state !== "OPEN" || !held || keeper !== dead.name, "what a dead broker held is ended after its lease");
    const { executor } = step;
    if (state !== "OPEN" || executor.kind === "any") continue;
    const isSeen = worlds.some(({ isUp, machine }) => isUp && machine.bootId === executor.process.bootId);
    promise(isSeen, "and what runs where no broker is that could see it");
  }
  promise(stateOf(lost) === "ABANDONED", `as abandoned: ${stateOf(lost)}`);
  promise(stateOf(kept) === "OPEN", `what is held at another is not: ${stateOf(kept)}`);
  promise(stateOf(left.stepId) === "REVOKED", `and what it kept is judged by others: ${stateOf(left.stepId)}`);
  await dead.begin(true);
  promise(dead.isUp, "a broker starts again with tables that it makes anew");
  await dead.pass(40);
  promise(stateOf(kept) === "OPEN", `nor when a broker begins that does not hold it: ${stateOf(kept)}`);
}

/** Holds a new step at a broker. @param at - where it is opened. */
async function heldAt({ kernel, processes, holds, broker, answered }: World, run: string, at: World): Promise<string> {
  const executor = kernel.start(1);
  processes.push(executor);
  const wanted = { kind: "pid", pid: executor.process.pid } as const;
  const { stepId, opener } = await openedAt(at, { run, agent: 0, grant: READS_INSIDE, executor: wanted });
  const { release } = await answered(broker.hold(opener, stepId));
  holds.set(release, stepId);
  return stepId;
}

/** Opens a step at a broker that nothing is in the way of. */
async function openedAt(
  { kernel, processes, broker, answered }: World,
  wanted: { readonly run: string; readonly agent: 0 | 1; readonly grant: number; readonly executor: WantedExecutor },
) {
  const { registry } = broker;
  const { run, agent, grant, executor } = wanted;
  for (const name of NAMED) await answered(registry.enable(name, OPERATOR));
  const ceiling = parseEntryContent(agentContent(agent, [READS_INSIDE, READS_ANYWHERE]));
  await answered(registry.update(NAMED[agent], ceiling, 0, OPERATOR));
  const opener = kernel.start(11);
  processes.push(opener);
  const opened = await answered(
    broker.open(opener, {
      ...{ runId: parseSegment(`run-${run}`, "run_id"), step: parseSegment("ending", "step") },
      ...{ agent: parseSegment(`agent-${agent}`, "agent"), grant: chosenOf(ELEMENTS, [grant]), audiences: [] },
      ...{ executor, allowPartial: false },
    }),
  );
  return { stepId: opened.step.stepId, opener };
}
