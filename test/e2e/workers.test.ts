import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LIMITS } from "../../src/domain/limits.ts";
import { SpiffeWorkloadAPI } from "../../src/gen/spiffe/workload/workload_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, type Session, sessionWith } from "../faults/daemon-scene.ts";
import { SEARCH } from "./entries.ts";
import { frontPids, frontsOf, isAlive } from "./front-ends.ts";

// Goal: with front ends a broker promises what it promises without: what is closed is refused wherever it is asked for, what is bounded is
// bounded in total, and a process that dies or stands still takes its own callers with it and nobody else.
// Method: a real daemon with two front ends; each session has a connection of its own, and they are given out in turn.

const CONFIG = { workers: 2, limits: { connections_per_uid: 24 } };
const ROUNDS = 12;
/** A start is that of three processes, on a machine that may be busy. */
const STARTS = { timeout: 120_000 } as const;

const startWithFronts = (): Promise<Daemon> => startDaemon({ entries: OWN_ENTRIES, config: CONFIG });
const tokensOf = ({ channel }: Session) =>
  createClient(SpiffeWorkloadAPI, channel, {
    deadlineMs: 15_000,
  }).fetchJWTSVID({ audience: [SEARCH] });

describe("two front ends", () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startWithFronts();
  }, STARTS.timeout);
  afterAll(() => daemon[Symbol.asyncDispose]());

  test("take connections in turn, issue for steps, and send all else on to the daemon", async () => {
    expect(frontPids(daemon)).toHaveLength(2);
    const sessions = [sessionWith(daemon), sessionWith(daemon)];
    for (const [index, session] of sessions.entries()) {
      const { stepId } = await openStep(session, `turn-${index}`);
      await issueJwt(session, stepId);
      await closeStep(session, stepId);
    }
    await expect.poll(() => new Set(frontsOf(daemon, "Credentials.IssueJwtSvid"))).toEqual(new Set([1, 2]));
    await expect.poll(() => frontsOf(daemon, "Steps.Close")).toEqual([undefined, undefined]);
  });

  test("know a step once its opening is answered, and refuse once its close is, whichever of them is asked", async () => {
    const [one, other] = [sessionWith(daemon), sessionWith(daemon)];
    for (let round = 0; round < ROUNDS; round += 1) {
      const { stepId, spiffeId } = await openStep(one, `known-${round}`);
      const known = await Promise.all([one, other].map(tokensOf));
      for (const { svids } of known) expect(svids.map((svid) => svid.spiffeId)).toEqual([spiffeId]);
      await closeStep(round % 2 === 0 ? one : other, stepId);
      for (const session of [one, other]) {
        await expect(issueJwt(session, stepId)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
        await expect(tokensOf(session)).rejects.toMatchObject({ codeName: "PERMISSION_DENIED" });
      }
    }
  });

  test("issue for one step no faster than one process would", async () => {
    const sessions = [sessionWith(daemon), sessionWith(daemon)];
    const { stepId } = await openStep(sessions[0] as Session, "rate");
    const { issuanceBurstPerStep: burst, issuancesPerSecondPerStep: perSecond } = LIMITS;
    const begun = performance.now();
    const asked = sessions.flatMap((session) => Array.from({ length: burst }, () => issueJwt(session, stepId)));
    const outcomes = await Promise.allSettled(asked);
    const seconds = (performance.now() - begun) / 1_000;
    const issued = outcomes.filter(({ status }) => status === "fulfilled").length;
    expect(issued).toBeGreaterThanOrEqual(burst);
    expect(issued).toBeLessThanOrEqual(burst + perSecond * seconds);
    for (const one of outcomes) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ reason: "LIMIT_EXCEEDED" });
    }
  });

  test("record a refusal as one process would: ten a minute one by one, in total", async () => {
    const sessions = [sessionWith(daemon), sessionWith(daemon)];
    const { stepId } = await openStep(sessions[0] as Session, "denials");
    const wanted = { audiences: ["https://other.example"] };
    for (let round = 0; round < LIMITS.denialsRecordedPerMinute; round += 1) {
      for (const { credentials } of sessions) {
        await expect(credentials.issueJwtSvid({ stepId, wanted })).rejects.toMatchObject({
          reason: "AUDIENCE_INVALID",
        });
      }
    }
    const { decisions } = await (sessions[0] as Session).operator.history.listDecisions({ filter: { stepId } });
    const refused = decisions.filter(({ reason }) => reason === "AUDIENCE_INVALID");
    expect(refused).toHaveLength(LIMITS.denialsRecordedPerMinute);
  });

  test("let in no more connections of a user than the configuration says, in total", async () => {
    const before = sessionWith(daemon);
    await openStep(before, "limit");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 25 }, (_, index) => openStep(sessionWith(daemon), `limit-${index}`)),
    );
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(0);
    for (const one of refused) expect(one).toMatchObject({ reason: { reason: "LIMIT_EXCEEDED" } });
  });
});

test(
  "a front end that is killed takes its callers' calls with it and nothing else, and is started again",
  STARTS,
  async () => {
    await using daemon = await startWithFronts();
    const sessions = [sessionWith(daemon), sessionWith(daemon)];
    const [one, other] = sessions as [Session, Session];
    const { stepId } = await openStep(one, "killed");
    await Promise.all(sessions.map((session) => issueJwt(session, stepId)));
    const [killed = 0, left = 0] = frontPids(daemon);
    process.kill(killed, "SIGKILL");
    await eventually(() => isAlive(killed)).toBe(false);
    expect(isAlive(left)).toBe(true);
    // Whoever was connected to it connects anew, to one that is there.
    await eventually(() => issueJwt(one, stepId)).toMatch(/^ey/);
    await eventually(() => issueJwt(other, stepId)).toMatch(/^ey/);
    await eventually(() => frontPids(daemon)).toHaveLength(2);
    await eventually(() => daemon.log.filter(({ msg }) => msg?.startsWith("a front end ended") === true)).toHaveLength(
      1,
    );
    await closeStep(one, stepId);
  },
);

test("an opening is answered when no front end is left that does not know the step", STARTS, async () => {
  await using daemon = await startWithFronts();
  const session = sessionWith(daemon);
  await issueJwt(session, (await openStep(session, "first")).stepId);
  await eventually(() => frontsOf(daemon, "Credentials.IssueJwtSvid")).toHaveLength(1);
  // They were started one after the other.
  const inOrder = frontPids(daemon).toSorted((one, other) => one - other);
  const still = inOrder[2 - Number(frontsOf(daemon, "Credentials.IssueJwtSvid")[0])] ?? 0;
  process.kill(still, "SIGSTOP");
  await openStep(session, "second");
  expect(isAlive(still)).toBe(false);
});

test(
  "front ends that stand still are killed within their time, and a close does not wait for longer",
  STARTS,
  async () => {
    await using daemon = await startWithFronts();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "still");
    await issueJwt(session, stepId);
    const still = frontPids(daemon);
    for (const pid of still) process.kill(pid, "SIGSTOP");
    // The operator socket is the daemon's own.
    await session.operator.steps.close({ stepId, outcome: 2 });
    expect(still.filter(isAlive)).toEqual([]);
    const why = "it did not follow the ledger within a second";
    await eventually(() => daemon.log.filter((line) => line["why"] === why)).toHaveLength(2);
    await eventually(() => issueJwt(session, stepId).catch(({ reason }: { reason: string }) => reason)).toBe(
      "STEP_CLOSED",
    );
  },
);

test("a daemon that is killed leaves no front end behind", STARTS, async () => {
  await using daemon = await startWithFronts();
  // Callers that are connected would keep them going.
  const sessions = [sessionWith(daemon), sessionWith(daemon)];
  for (const [index, session] of sessions.entries()) await openStep(session, `left-${index}`);
  const fronts = frontPids(daemon);
  expect(fronts).toHaveLength(2);
  await daemon.kill();
  await eventually(() => fronts.filter(isAlive)).toEqual([]);
});

test("a daemon that is asked to end lets calls in flight finish, and its front ends end with it", STARTS, async () => {
  await using daemon = await startWithFronts();
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "ending");
  const fronts = frontPids(daemon);
  // Signals go to all processes of a service; a front end leaves them to the daemon.
  for (const pid of fronts) process.kill(pid, "SIGTERM");
  const issued = Promise.all(Array.from({ length: 20 }, () => issueJwt(session, stepId)));
  await issued;
  expect(await daemon.stop()).toBe(0);
  expect(fronts.filter(isAlive)).toEqual([]);
  expect(daemon.stderr()).not.toContain("killed");
});
