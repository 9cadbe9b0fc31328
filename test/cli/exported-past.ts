import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import type { OpenedLedger } from "../../src/ports/ledger.ts";
import { done, OPERATOR, worldOf } from "../contract/ledger-world.ts";
import type { Daemon } from "../daemon.ts";
import { withLedger } from "../faults/daemon-ledger.ts";

/** What fits into one commit. */
const GROUP = 500;

/**
 * Fills the ledger of a daemon that does not run with steps and their credentials, by its own acts and in groups: of
 * each tenth step one credential is taken back by itself, each third step is closed, and two calls of the first were asked about. Gives the sequence at which this
 * past ends: the daemon closes the other steps when it starts, since its configuration does not know their agent.
 */
export async function recordPast(
  daemon: Pick<Daemon, "directory">,
  { steps, credentials }: { readonly steps: number; readonly credentials: number },
): Promise<number> {
  return withLedger(daemon, async (store) => {
    await fill(store, steps, credentials);
    return store.ledger.head().sequence;
  });
}

async function fill(store: OpenedLedger, steps: number, credentials: number): Promise<void> {
  const world = worldOf(store, { clock: systemClock(), randomness: systemRandomness() });
  const agent = await world.agent();
  for (let index = 0; index < steps; index += 1) {
    const step = await world.open(agent);
    const records = await inGroups(credentials, () => world.issue(step));
    const [first, second] = records;
    if (index % 10 === 0 && first?.jti !== undefined) {
      const order = { act: "revoke-credential", credential: { jti: first.jti }, reason: "keyCompromise" } as const;
      await world.ledger.perform({ ...order, by: OPERATOR, now: world.clock.now() });
    }
    if (index === 0 && second !== undefined) {
      done(await world.ledger.perform(world.callAct(step, second)));
      done(await world.ledger.perform(world.callAct(step, second)));
    }
    if (index % 3 === 0) await world.close(step);
  }
}

async function inGroups<Value>(count: number, make: () => Promise<Value>): Promise<readonly Value[]> {
  const made: Value[] = [];
  while (made.length < count) {
    made.push(...(await Promise.all(Array.from({ length: Math.min(GROUP, count - made.length) }, make))));
  }
  return made;
}
