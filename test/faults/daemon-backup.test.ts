import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { expect, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { runStint } from "../cli/running.ts";
import {
  closeStep,
  eventsOf,
  issueJwt,
  keyIds,
  openStep,
  READY,
  readiness,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

/** Opens steps, has credentials issued and closes them, until it is told to stop; gives how many. */
async function work(session: Session, name: string, isOver: () => boolean): Promise<number> {
  let steps = 0;
  while (!isOver()) {
    const { stepId } = await openStep(session, `${name}-${steps}`);
    await issueJwt(session, stepId);
    await closeStep(session, stepId);
    steps += 1;
  }
  return steps;
}

test("a backup that was taken under load, put back into a new directory, issues nothing until it is accepted", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, "before");
  const token = await issueJwt(session, stepId);

  let isOver = false;
  const working = Promise.all(["a", "b", "c"].map((name) => work(session, name, () => isOver)));
  const out = join(daemon.directory, "backup");
  const { status, err } = await runStint(["--operator-socket", daemon.operatorSocket, "ledger", "backup", out]);
  isOver = true;
  expect({ status, err }).toEqual({ status: 0, err: expect.stringContaining("verified") });
  expect((await working).every((steps) => steps > 0)).toBe(true);
  const facts = JSON.parse(readFileSync(join(out, "backup.json"), "utf8")) as { readonly sequence: number };
  const head = Number((await session.operator.ledger.get({})).sequence);
  expect(facts.sequence).toBeLessThan(head);
  expect(readdirSync(out).toSorted()).toEqual(["backup.json", "ledger.db"]);
  expect(statSync(join(out, "ledger.db")).mode & 0o777).toBe(0o600);
  expect(readdirSync(join(daemon.directory, "data/ledger")).filter((name) => name.includes("backup"))).toEqual([]);
  // Nothing is written over.
  expect(await runStint(["--operator-socket", daemon.operatorSocket, "ledger", "backup", out])).toMatchObject({
    status: 2,
    err: expect.stringContaining("is there already"),
  });
  // What came behind the backup is forgotten by it.
  const { stepId: lost } = await openStep(session, "lost");
  expect(await daemon.stop()).toBe(0);

  const directory = mkdtempSync(join(tmpdir(), "stint-restored-"));
  const ledger = join(directory, "data/ledger");
  mkdirSync(ledger, { recursive: true, mode: 0o700 });
  cpSync(join(out, "ledger.db"), join(ledger, "ledger.db"));
  const restored = await startOwnDaemon({ directory });
  const again = sessionWith(restored);
  const why = expect.stringMatching(/the ledger went back in time: it is a backup of 20\S+Z, put back/);
  expect(await readiness(restored)).toEqual({ status: 503, ready: false, reasons: [why] });
  expect(await stateOf(again, stepId)).toBe(StepState.OPEN);
  await expect(stateOf(again, lost)).rejects.toMatchObject({ reason: "STEP_NOT_FOUND" });
  await expect(issueJwt(again, stepId)).rejects.toMatchObject({ reason: "NOT_SERVING" });
  await expect(openStep(again, "late")).rejects.toMatchObject({ reason: "NOT_SERVING" });

  const accepted = await again.operator.ledger.acceptRestore({ reason: "the disk was lost" });
  expect(await readiness(restored)).toEqual(READY);
  expect(await stateOf(again, stepId)).toBe(StepState.REVOKED);
  expect(await eventsOf(again, "epoch.started")).toMatchObject([
    { reason: "first start" },
    { reason: "the disk was lost", epoch: accepted.epoch },
  ]);
  // No key of the old ledger vouches for anything, wherever it may be.
  const fresh = await issueJwt(again, (await openStep(again, "after")).stepId);
  expect(await keyIds(restored)).toEqual([decodeProtectedHeader(fresh).kid]);
  expect(await keyIds(restored)).not.toContain(decodeProtectedHeader(token).kid);

  // Accepted once, it is a ledger like any other.
  expect(await restored.stop()).toBe(0);
  const last = await startOwnDaemon({ directory });
  expect(await readiness(last)).toEqual(READY);
});
