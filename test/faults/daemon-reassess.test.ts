import { expect, test } from "vitest";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { addSeconds, secondsOf } from "../../src/domain/time.ts";
import { RiskLevel } from "../../src/gen/stint/v1/risk_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { done } from "../contract/ledger-world.ts";
import type { Daemon } from "../daemon.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { OPERATOR } from "../simulation/broker.ts";
import { activateBaseline, withLedger } from "./daemon-ledger.ts";
import { restarted, type Session, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

const STEPS = 20;

/** A daemon with the baseline in force and steps of long ago. */
async function withSteps(): Promise<{ readonly daemon: Daemon; readonly session: Session }> {
  const first = await startOwnDaemon();
  await first.stop();
  await activateBaseline(first);
  const daemon = await restarted(first);
  const session = sessionWith(daemon);
  for (let step = 0; step < STEPS; step += 1) {
    const name = { runId: `run-${step}`, step: "look-up", agent: "worker", grant: { elements: [READ_SEARCH] } };
    await session.steps.open({ ...name, executor: { executor: { case: "any", value: {} } } });
  }
  return { daemon, session };
}

async function statesAfter(daemon: Daemon): Promise<ReadonlySet<StepState>> {
  const { operator } = sessionWith(daemon);
  const states = async () => {
    const { steps } = await operator.steps.list({ pageSize: 500 });
    return new Set(steps.map(({ state }) => state));
  };
  await expect.poll(async () => (await states()).has(StepState.OPEN), { timeout: 20_000 }).toBe(false);
  return states();
}

test("killed as soon as a rise of risk is on record, the broker judges open steps when it starts again", async () => {
  const { daemon, session } = await withSteps();
  await session.operator.risk.set({ scope: "domain", level: RiskLevel.HIGH, reason: "an alarm" });
  await daemon.kill();
  expect(await statesAfter(await restarted(daemon))).toEqual(new Set([StepState.REVOKED]));
});

test("a rise that no running broker has seen is judged at the next start", async () => {
  const { daemon } = await withSteps();
  await daemon.kill();
  await withLedger(daemon, async ({ ledger }) => {
    const now = systemClock().now();
    const expiresAt = addSeconds(secondsOf(now), 3_600);
    const of = { scope: "agent:worker", level: "high", expiresAt, reason: "an alarm", by: OPERATOR, now } as const;
    done(await ledger.perform({ act: "set-risk", ...of }));
  });
  expect(await statesAfter(await restarted(daemon))).toEqual(new Set([StepState.REVOKED]));
});
