import process from "node:process";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import type { Daemon } from "../daemon.ts";
import { fakeClock, LIBRARY } from "./daemon-fake-clock.ts";
import {
  closeStep,
  eventsOf,
  issueJwt,
  NOT_SERVING,
  openStep,
  READY,
  readiness,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

if (LIBRARY === undefined)
  process.stderr.write("daemon-clock.test.ts: skipped, it needs libfaketime or a C compiler\n");

const HOUR = 3_600;
const TTL_SECONDS = 120;
const LEASE = { lease: { seconds: 3n, nanos: 0 } };

async function daemonWithClock(): Promise<{ daemon: Daemon; session: Session; setClock(offsetSeconds: number): void }> {
  const clock = fakeClock();
  const daemon = await startOwnDaemon({ environment: clock.environment });
  return { daemon, session: sessionWith(daemon), setClock: clock.set };
}

async function expectSuspended(daemon: Daemon, session: Session, stepId: string): Promise<void> {
  const why = expect.stringMatching(/^the wall clock departs by 3(600|599|601) s from the time since start/);
  expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
  expect((await session.operator.ledger.get({})).suspendedBecause).toEqual([why]);
  const shown = await runStint(["--operator-socket", daemon.operatorSocket, "status"]);
  expect(shown).toMatchObject({
    status: 1,
    out: expect.stringMatching(/^because +the wall clock departs by 3\d\d\d s/m),
  });
  await expect(issueJwt(session, stepId)).rejects.toEqual(NOT_SERVING);
  await expect(openStep(session, "late")).rejects.toEqual(NOT_SERVING);
}

/** Issues, and expects a token that begins now by a clock that is off by so much, and lasts no longer than ever. */
async function expectIssued(session: Session, stepId: string, offset: number): Promise<void> {
  const { iat = 0, exp = 0 } = decodeJwt(await issueJwt(session, stepId));
  const issuedAt = iat + LIMITS.jwtBackdateSeconds;
  expect(exp - issuedAt).toBe(TTL_SECONDS);
  expect(Math.abs(issuedAt - offset - Date.now() / 1_000)).toBeLessThan(5);
}

describe.skipIf(LIBRARY === undefined)("a wall clock that jumps by an hour", () => {
  test("forward or back, stops issuing, and neither ends a step early nor lets one live longer", async () => {
    const { daemon, session, setClock } = await daemonWithClock();
    const lasting = await openStep(session, "lasting");
    const told = (msg: string) => daemon.log.filter((line) => line.msg === msg);
    let times = 0;
    for (const offset of [HOUR, -HOUR]) {
      const closing = await openStep(session, `closing-${offset}`);
      await issueJwt(session, closing.stepId);
      const leased = await openStep(session, `leased-${offset}`, LEASE);

      setClock(offset);
      await expectSuspended(daemon, session, lasting.stepId);
      expect(await closeStep(session, closing.stepId)).toMatchObject({ credentialsRevoked: 1 });
      expect(await stateOf(session, leased.stepId)).toBe(StepState.OPEN);
      await eventually(() => stateOf(session, leased.stepId)).toBe(StepState.ABANDONED);
      expect(Date.now() / 1_000).toBeGreaterThanOrEqual(Number(leased.leaseExpiresAt?.seconds));
      expect(await stateOf(session, lasting.stepId)).toBe(StepState.OPEN);

      // Set right, it is believed again without anybody's word.
      setClock(0);
      expect(await readiness(daemon)).toEqual(READY);
      await expectIssued(session, lasting.stepId, 0);
      // Told when it began and when it was over, and not every time that somebody looked.
      times += 1;
      await eventually(() => told("everything is issued again").length).toBe(times);
      expect(told("issuance is suspended")).toHaveLength(times);
    }
  });

  test("and is confirmed by an operator is the time from there on, by which nothing lives longer than it was to", async () => {
    const { daemon, session, setClock } = await daemonWithClock();
    const leased = await openStep(session, "leased", LEASE);

    setClock(-HOUR);
    await expectSuspended(daemon, session, leased.stepId);
    const { changedSeconds } = await session.operator.authorities.confirmClock({});
    expect(changedSeconds).toBeCloseTo(-HOUR, -1);
    expect(await readiness(daemon)).toEqual(READY);
    const opened = await openStep(session, "opened-an-hour-ago");
    await expectIssued(session, opened.stepId, -HOUR);
    expect(await eventsOf(session, "operator.acted")).toMatchObject([
      { act: "confirm-clock", by: { kind: "operator" } },
    ]);
    await eventually(() => stateOf(session, leased.stepId)).toBe(StepState.ABANDONED);

    // And forward again: by the new time the step that was opened before is long over.
    setClock(0);
    await expectSuspended(daemon, session, opened.stepId);
    expect(await stateOf(session, opened.stepId)).toBe(StepState.OPEN);
    await session.operator.authorities.confirmClock({});
    expect(await readiness(daemon)).toEqual(READY);
    await eventually(() => stateOf(session, opened.stepId)).toBe(StepState.EXPIRED);
    await expectIssued(session, (await openStep(session, "now")).stepId, 0);
  });
});
