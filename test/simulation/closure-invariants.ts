import { closureAfter } from "../../src/close/closure.ts";
import type { IssuanceRecord } from "../../src/domain/issuance.ts";
import { LIMITS } from "../../src/domain/limits.ts";
import { addSeconds, microsOf, type UnixMicros } from "../../src/domain/time.ts";
import { ENTRIES, LEEWAY_SECONDS } from "./cast.ts";
import { note, promise } from "./model-history.ts";
import type { World } from "./world.ts";

/** Longer than anything that is issued lives, and is accepted after that. */
const ALL_OVER_MS = 160_000;

/** Nobody accepts what was said to be accepted by nobody, and no verifier has missed what it is said to have applied. */
export function checkClosures(world: World): void {
  const { model, watchers, toldClosures } = world;
  const now = world.clock.now();
  for (const closedSequence of model.closures.reached) {
    promise(!isAcceptedAnywhere(closedSequence, world), "a closure that is recorded is CLOSED");
  }
  for (const { closure, life } of toldClosures) {
    const { state, closedSequence, latestPossibleAcceptance, reachedAt } = closure;
    if (state !== "CLOSED" && latestPossibleAcceptance > now) continue;
    promise(!isAcceptedAnywhere(closedSequence, world), "nobody accepts what is CLOSED, or after what was told");
    // What a broker that was killed had asked for may be recorded or not; what it told, it had recorded.
    promise(reachedAt === undefined || model.closures.reached.has(closedSequence), `what is told is recorded: ${life}`);
  }
  for (const [entryId, sequence] of model.closures.applied) {
    const own = watchers.filter(({ verifier }) => verifier === model.entries.get(entryId)?.content.name);
    // Where brokers share the ledger, each records what the processes have that are on its own feed.
    if (world.way !== undefined) continue;
    const missing = own.filter((one) => one.isFresh(now) && one.applied < sequence);
    promise(missing.length === 0, "what a verifier has applied all its processes have that accept anything");
  }
  toldClosures.splice(0, Math.max(0, toldClosures.length - 20));
}

/** Every close is CLOSED by itself, for whoever asks and whoever is told. */
export async function checkClosuresInTheEnd(world: World, worlds: readonly World[]): Promise<void> {
  const { model, closureStreams } = world;
  world.clock.advance(ALL_OVER_MS);
  await world.rest();
  // Whoever is told of changes looks again a moment after each.
  await world.pass(2);
  for (const closedSequence of new Set([...model.steps.values()].flatMap(({ closed }) => closed?.sequence ?? []))) {
    for (const { broker } of worlds) {
      const closure = await closureAfter(closedSequence, broker.closurePorts);
      promise(closure?.state === "CLOSED", `a close moves to CLOSED by itself: ${closure?.state}`);
    }
  }
  for (const { life, told, isOver } of closureStreams) {
    if (world.isOver(life)) continue;
    const states = told.map(({ state }) => state);
    promise(isOver && states.at(-1) === "CLOSED", `whoever is told of a close is told that it is CLOSED: ${states}`);
    promise(states.indexOf("CLOSED") === states.length - 1, "and of nothing after that");
    if (states.length > 1) note(model, "closure told as it changed");
  }
}

/** Whether somebody would accept what the steps of a close had. */
function isAcceptedAnywhere(closedSequence: number, { model, delivered, watchers, clock, attended }: World): boolean {
  const now = clock.now();
  return delivered.some(({ delivery, ca }) => {
    const { record, stepId = "" } = model.credentials.get(delivery.issuanceId) ?? {};
    if (record === undefined || model.steps.get(stepId)?.closed?.sequence !== closedSequence) return false;
    return isAcceptedElsewhere(record, attended, now) || watchers.some((one) => one.accepts(record, ca, now));
  });
}

/** By a library that knows keys alone, where no verifier of the broker's has ever been. */
function isAcceptedElsewhere(
  { audiences, expiresAt }: IssuanceRecord,
  attended: ReadonlySet<string>,
  now: UnixMicros,
): boolean {
  const isAttended = (audience: string) =>
    ENTRIES.some((one) => one.kind === "verifier" && attended.has(one.name) && one.audiences.includes(audience));
  const places = audiences.length === 0 ? [undefined] : audiences.filter((one) => !isAttended(one));
  return places.some((place) => {
    const leeway = (place === undefined ? undefined : LEEWAY_SECONDS.get(place)) ?? LIMITS.foreignLeewaySeconds;
    return now < microsOf(addSeconds(expiresAt, leeway));
  });
}
