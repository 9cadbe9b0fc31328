import { addMicros } from "../../src/domain/time.ts";
import { note, promise } from "./model-history.ts";
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
