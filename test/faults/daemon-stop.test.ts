import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as pass } from "node:timers/promises";
import { expect, test } from "vitest";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { isFault } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { startLoad } from "./daemon-load.ts";
import {
  issueJwt,
  openStep,
  READY,
  readiness,
  restarted,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

/** A few seconds; the bound that a service manager would set is far above. */
const STOPPED_WITHIN_MS = 15_000;

/** How a stream ended: every one of the daemon's ends with it. */
async function endOf(messages: AsyncIterable<unknown>): Promise<string> {
  try {
    for await (const _ of messages);
    return "ended";
  } catch (thrown) {
    return (thrown as { codeName: string }).codeName;
  }
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
  });
}

test("told to stop under load it finishes or refuses what is in flight, ends every stream, and exits with 0", async () => {
  const daemon = await startOwnDaemon();
  await using load = startLoad(daemon, 2);
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "held");
  const watch = session.revocations.watch();
  watch.send({ message: { case: "hello", value: { audiences: [SEARCH] } } });
  const streams = [
    session.steps.hold({ stepId }),
    session.operator.history.tailEvents({ afterSequence: 0n }),
    watch.responses,
  ];
  for (const stream of streams) await stream.next();
  await eventually(() => load.received().closed.length).toBeGreaterThan(2);

  const ends = streams.map(endOf);
  const status = await Promise.race([daemon.stop(), pass(STOPPED_WITHIN_MS).then(() => "still running")]);
  expect(status).toBe(0);
  for (const end of await Promise.all(ends)) expect(["ended", "UNAVAILABLE"]).toContain(end);
  expect([daemon.workloadSocket, daemon.operatorSocket].map((path) => existsSync(path))).toEqual([false, false]);
  expect(daemon.log.filter(isFault)).toEqual([]);

  const next = await restarted(daemon);
  await load.stop();
  const received = load.received();
  expect(new Set(received.refusals)).toEqual(new Set(["UNAVAILABLE"]));
  const again = sessionWith(next);
  expect(await readiness(next)).toEqual(READY);
  expect(await stateOf(again, stepId)).toBe(StepState.OPEN);
  const states = await Promise.all(received.closed.map((one) => stateOf(again, one)));
  expect(states.filter((state) => state !== StepState.COMPLETED)).toEqual([]);
});

test("what is in flight is finished, and meanwhile nobody new is let in on either socket", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "closing");
  await issueJwt(session, stepId);
  // The verifier that it waits for is not there, so it waits for as long as it may: nearly the time that stopping takes at most.
  const awaitReceipts = { seconds: 1n, nanos: 900_000_000 };
  let isAnswered = false;
  const closing = session.steps.close({ stepId, outcome: Outcome.COMPLETED, awaitReceipts }).finally(() => {
    isAnswered = true;
  });
  await eventually(() => stateOf(session, stepId)).toBe(StepState.COMPLETED);

  const stopped = daemon.stop();
  await eventually(() => accepts(daemon.operatorSocket)).toBe(false);
  expect(await accepts(daemon.workloadSocket)).toBe(false);
  expect(isAnswered).toBe(false);
  expect(await closing).toMatchObject({ credentialsRevoked: 1, receipts: { expected: 1, applied: 0 } });
  expect(await stopped).toBe(0);
});
