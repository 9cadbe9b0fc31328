import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { callErrorOf } from "../../src/wire/call-error.ts";
import { isFault } from "../daemon.ts";
import { callerAs } from "../e2e/as-user.ts";
import { READ_SEARCH, SEARCH, UID } from "../e2e/entries.ts";
import { amountOf } from "./amounts.ts";
import { peakBytesOf } from "./daemon-process.ts";
import { closeStep, openStep, READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

// Goal: a runtime that opens steps without end gets as many as its entry may have open, each further one is refused by that limit, and
// another runtime does not notice.

const ASKED = amountOf("STINT_STEPS_ASKED", { quick: 400, full: 100_000 });
/** A tenth of it, as the default of 10,000 is of 100,000. */
const OPEN_MAX = ASKED / 10;
const AT_ONCE = 64;

/** As long as a step may be by default: were one over before all are asked for, it would make room. */
const STEP_SECONDS = 900;
/** Executors have limits of their own, so it is anybody. */
const LASTING = {
  executor: { executor: { case: "any", value: {} } },
  expiresAt: { seconds: BigInt(Math.floor(Date.now() / 1_000) + STEP_SECONDS), nanos: 0 },
} as const;

const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write("daemon-many-steps.test.ts: skipped, it needs root, for a second user\n");

const agent = (name: string, uid: number) => ({
  ...{ kind: "agent", name, selectors: [`unix:uid:${uid}`], ceiling: [READ_SEARCH], allow_any_executor: true },
});
const ENTRIES = [
  agent("worker", 0),
  { kind: "runtime", name: "endless", selectors: ["unix:uid:0"], agents: ["worker"], open_steps_max: OPEN_MAX },
  agent("reader", UID.otherRuntime),
  {
    kind: "runtime",
    name: "other",
    selectors: [`unix:uid:${UID.otherRuntime}`],
    agents: ["reader"],
    allow_descendants: true,
  },
];

test.skipIf(!isRoot)(
  `of ${ASKED} steps that one runtime opens, ${OPEN_MAX} are open, and others are served all the while`,
  {
    timeout: 60_000 + ASKED * 20,
  },
  async () => {
    const daemon = await startOwnDaemon({ entries: ENTRIES });
    const session = sessionWith(daemon);
    const other = await callerAs({ uid: UID.otherRuntime }, daemon.workloadSocket);
    onTestFinished(() => other[Symbol.asyncDispose]());
    const before = peakBytesOf(daemon);

    const opened: string[] = [];
    const refusals = new Map<string, number>();
    let asked = 0;
    async function openOn(): Promise<void> {
      for (; asked < ASKED; ) {
        asked += 1;
        try {
          const { stepId } = await openStep(session, `run-${asked}`, {
            ...LASTING,
          });
          opened.push(stepId);
        } catch (thrown) {
          const { reason, message } = callErrorOf(thrown);
          const why = `${reason}: ${message}`;
          refusals.set(why, (refusals.get(why) ?? 0) + 1);
        }
      }
    }
    let isOver = false;
    const flooding = Promise.all(Array.from({ length: AT_ONCE }, openOn)).finally(() => {
      isOver = true;
    });

    /** What the other runtime does meanwhile: a step with a credential, opened and closed. */
    async function workOfOther(runId: string): Promise<number> {
      const from = performance.now();
      const name = { runId, step: "s", agent: "reader", grant: { elements: [READ_SEARCH] } };
      const credentials = { jwtSvids: [{ audiences: [SEARCH] }] };
      const { step, jwtSvids } = await other.call("Steps", "open", { ...name, credentials });
      expect(jwtSvids[0].svid.svid).toMatch(/^eyJ/);
      await other.call("Steps", "close", { stepId: step.stepId, outcome: "OUTCOME_COMPLETED" });
      return performance.now() - from;
    }
    const times: number[] = [];
    do times.push(await workOfOther(`other-${times.length}`));
    while (!isOver);
    await flooding;

    expect(opened).toHaveLength(OPEN_MAX);
    const why = `LIMIT_EXCEEDED: at most ${OPEN_MAX} open steps for one registration entry`;
    expect([...refusals]).toEqual([[why, ASKED - OPEN_MAX]]);
    await closeStep(session, opened[0] ?? "");
    await openStep(session, "room-again", LASTING);
    await expect(openStep(session, "no-more", LASTING)).rejects.toMatchObject({ reason: "LIMIT_EXCEEDED" });
    expect(await readiness(daemon)).toEqual(READY);
    const target = { target: { case: "agent", value: "worker" } } as const;
    expect(await session.operator.revocations.revoke(target)).toMatchObject({ stepsClosedCount: OPEN_MAX });
    await workOfOther("after");
    expect(daemon.log.filter(isFault)).toEqual([]);
    const [median = 0, longest = 0] = [
      times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)],
      Math.max(...times),
    ];
    const mebibytes = (peakBytesOf(daemon) - before) / 1_024 / 1_024;
    process.stdout.write(
      `${OPEN_MAX} of ${ASKED} steps opened, ${mebibytes.toFixed(0)} MiB more; another runtime's step with its credential, opened and closed ${times.length} times: ${median.toFixed(1)} ms (median), ${longest.toFixed(1)} ms (longest)\n`,
    );
  },
);
