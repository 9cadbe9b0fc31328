import type { RegistrationEntry } from "../../src/domain/registration-entry.ts";
import type { Step } from "../../src/domain/step.ts";
import type { Clock } from "../../src/ports/clock.ts";
import type { World } from "../../test/contract/ledger-world.ts";

const STEPS_AT_A_TIME = 64;
const CREDENTIALS_PER_STEP = 14;

/** A ledger that grows by its own acts, many in each commit: steps that are opened, given credentials, and closed. */
export type FilledLedger = {
  /** Goes on until there are so many events. */
  fill(events: number): Promise<void>;
  first(): Step | undefined;
};

/**
 * @param agentOf - whose the step with this number is.
 * @param afterEach - done after each commit's worth of steps, as is turning a clock that does not turn by itself.
 */
export function fillLedger<C extends Clock>(
  world: World<C>,
  agentOf: (step: number) => RegistrationEntry,
  afterEach: () => void = () => undefined,
): FilledLedger {
  let first: Step | undefined;
  let steps = 0;

  async function issueSome(step: Step): Promise<void> {
    const records = Array.from({ length: CREDENTIALS_PER_STEP }, () => world.record(step));
    await world.ledger.perform(world.issueAct(records, { entryId: step.agentEntryId }));
  }

  return {
    async fill(events) {
      const startedMs = performance.now();
      while (world.ledger.head().sequence < events) {
        const opening = Array.from({ length: STEPS_AT_A_TIME }, () => world.open(agentOf(steps++)));
        const opened = await Promise.all(opening);
        first ??= opened[0];
        await Promise.all(opened.map(issueSome));
        await Promise.all(opened.map((step) => world.close(step)));
        afterEach();
      }
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0);
      process.stderr.write(`filled up to ${events} events in ${seconds} s\n`);
    },
    first: () => first,
  };
}
