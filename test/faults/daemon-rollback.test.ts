import { execFileSync } from "node:child_process";
import { readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { describe, expect, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { Daemon } from "../daemon.ts";
import {
  closeStep,
  cursorNow,
  eventsOf,
  issueJwt,
  keyIds,
  NOT_SERVING,
  openStep,
  READY,
  readiness,
  restarted,
  resume,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

/** Stops the daemon, runs it on, and puts back what was kept of its data. */
async function runOnAndPutBack(
  daemon: Daemon,
  what: string,
  runOn: (session: Session) => Promise<void>,
): Promise<Daemon> {
  const path = join(daemon.directory, what);
  const copy = `${path}.kept`;
  expect(await daemon.stop()).toBe(0);
  // With owners and modes, as a backup is.
  execFileSync("cp", ["--archive", path, copy]);
  const later = await restarted(daemon);
  await runOn(sessionWith(later));
  expect(await later.stop()).toBe(0);
  rmSync(path, { recursive: true });
  renameSync(copy, path);
  return restarted(later);
}

function kidOf(token: string): string {
  return decodeProtectedHeader(token).kid ?? "";
}

describe("a ledger that was put back in time, its checkpoint staying", () => {
  test("is served from, and not issued from, until an operator accepts it: then all steps are closed and all keys new", async () => {
    const first = await startOwnDaemon();
    const { stepId } = await openStep(sessionWith(first), "before");
    const oldToken = await issueJwt(sessionWith(first), stepId);
    let lost = "";
    const daemon = await runOnAndPutBack(first, "data/ledger", async (session) => {
      ({ stepId: lost } = await openStep(session, "lost"));
      await issueJwt(session, lost);
      await closeStep(session, stepId);
    });
    const session = sessionWith(daemon);

    const why = expect.stringContaining("the ledger went back in time");
    expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
    expect((await session.operator.ledger.get({})).suspendedBecause).toEqual([why]);
    // The step that was closed is open again, and that is why nothing may be issued.
    expect(await stateOf(session, stepId)).toBe(StepState.OPEN);
    await expect(stateOf(session, lost)).rejects.toMatchObject({ reason: "STEP_NOT_FOUND" });
    await expect(issueJwt(session, stepId)).rejects.toEqual(NOT_SERVING);
    await expect(openStep(session, "late")).rejects.toEqual(NOT_SERVING);

    // Nor does another start make it forget.
    expect(await daemon.stop()).toBe(0);
    const again = await restarted(daemon);
    const operated = sessionWith(again);
    expect(await readiness(again)).toMatchObject({ status: 503, reasons: [why] });
    const { epoch } = await operated.operator.ledger.get({});
    await expect(operated.operator.ledger.acceptRestore({ reason: "" })).rejects.toMatchObject({
      reason: "INVALID_FIELD",
    });
    const accepted = await operated.operator.ledger.acceptRestore({ reason: "the backup of Monday" });
    expect(accepted.stepsClosed).toBe(1);
    expect(accepted.epoch).not.toBe(epoch);

    expect(await readiness(again)).toEqual(READY);
    expect(await stateOf(operated, stepId)).toBe(StepState.REVOKED);
    expect(await eventsOf(operated, "epoch.started")).toMatchObject([
      { reason: "first start" },
      { reason: "the backup of Monday", epoch: accepted.epoch },
    ]);
    const fresh = await issueJwt(operated, (await openStep(operated, "after")).stepId);
    expect(await keyIds(again)).toEqual([kidOf(fresh)]);
    expect(kidOf(fresh)).not.toBe(kidOf(oldToken));
    expect(readdirSync(join(again.directory, "data/keys")).filter((name) => name.includes(kidOf(oldToken)))).toEqual(
      [],
    );

    expect(await again.stop()).toBe(0);
    const last = await restarted(again);
    expect(await readiness(last)).toEqual(READY);
    expect(await keyIds(last)).toEqual([kidOf(fresh)]);
  });
});

describe("a data directory that was put back in time as a whole", () => {
  test("is found out by the first watcher that has seen more", async () => {
    const first = await startOwnDaemon();
    const { stepId } = await openStep(sessionWith(first), "before");
    let cursor = new Uint8Array();
    const daemon = await runOnAndPutBack(first, "data", async (session) => {
      for (const run of ["a", "b", "c", "d"]) await closeStep(session, (await openStep(session, run)).stepId);
      cursor = new Uint8Array(await cursorNow(session));
    });
    const session = sessionWith(daemon);
    expect(await readiness(daemon)).toEqual(READY);

    // A cursor that nobody gave proves nothing.
    const forged = cursor.with(cursor.length - 1, (cursor.at(-1) ?? 0) ^ 1);
    await expect(resume(session, forged)).rejects.toMatchObject({ reason: "INVALID_FIELD" });
    expect(await readiness(daemon)).toEqual(READY);

    await expect(resume(session, cursor)).rejects.toEqual(NOT_SERVING);
    expect(await readiness(daemon)).toMatchObject({
      status: 503,
      reasons: [expect.stringContaining("a watcher has seen")],
    });
    await expect(issueJwt(session, stepId)).rejects.toEqual(NOT_SERVING);
    await expect(openStep(session, "late")).rejects.toEqual(NOT_SERVING);

    await session.operator.ledger.acceptRestore({ reason: "the machine was restored" });
    expect(await readiness(daemon)).toEqual(READY);
    expect(await stateOf(session, stepId)).toBe(StepState.REVOKED);
    // In the new epoch its cursor names no place: it begins anew.
    expect(await resume(session, cursor)).toBe("snapshot");
    await issueJwt(session, (await openStep(session, "after")).stepId);
  });
});
