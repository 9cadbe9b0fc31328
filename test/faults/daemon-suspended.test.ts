import process from "node:process";
import { setTimeout as pass } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { ToolUse } from "../../src/sdk/verifier/index.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { SEARCH } from "../e2e/entries.ts";
import { watchFeed } from "../e2e/feed-watch.ts";
import { startVerifier } from "../e2e/verifier-process.ts";
import {
  eventsOf,
  issueJwt,
  openStep,
  READY,
  readiness,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

const STALENESS_SECONDS = 2;
const LEASE_SECONDS = 5;
const USE: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };

test("a daemon that stood still for longer than leases and bounds gives nothing to whom it would have refused, and goes on", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const verifier = await startVerifier({
    endpoint: daemon.workloadSocket,
    audiences: [SEARCH],
    maxStalenessSeconds: { read: STALENESS_SECONDS, default: STALENESS_SECONDS },
  });
  onTestFinished(() => verifier[Symbol.asyncDispose]());
  const watcher = watchFeed(session.channel, { audiences: [SEARCH] });
  await watcher.first("snapshot");

  const held = await openStep(session, "held");
  const hold = session.steps.hold({ stepId: held.stepId });
  await hold.next();
  const kept = await issueJwt(session, held.stepId);
  await eventually(() => verifier.judge(kept, USE)).toBe("accepted");
  const leased = await openStep(session, "leased", { lease: { seconds: BigInt(LEASE_SECONDS), nanos: 0 } });
  const lost = await issueJwt(session, leased.stepId);

  process.kill(daemon.pid, "SIGSTOP");
  onTestFinished(() => void process.kill(daemon.pid, "SIGCONT"));
  const asked = issueJwt(session, held.stepId);
  await eventually(() => verifier.judge(kept, USE)).toBe("STALE");
  const overAt = Number(leased.leaseExpiresAt?.seconds) * 1_000 + Number(leased.leaseExpiresAt?.nanos) / 1e6;
  await pass(Math.max(0, overAt - Date.now()) + 100);
  process.kill(daemon.pid, "SIGCONT");

  expect(await asked).toMatch(/^eyJ/);
  await eventually(() => stateOf(session, leased.stepId)).toBe(StepState.ABANDONED);
  await expect(issueJwt(session, leased.stepId)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
  expect(await watcher.denied(leased.stepId)).toMatchObject({ state: StepState.ABANDONED });
  await eventually(() => verifier.judge(kept, USE)).toBe("accepted");
  expect(await verifier.judge(lost, USE)).toBe("REVOKED");
  expect(await stateOf(session, held.stepId)).toBe(StepState.OPEN);
  expect(await readiness(daemon)).toEqual(READY);
  await issueJwt(session, held.stepId);
  expect(await eventsOf(session, "step.closed")).toHaveLength(1);
});
