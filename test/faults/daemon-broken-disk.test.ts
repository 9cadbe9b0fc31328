import { statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { decodeJwt } from "jose";
import { describe, expect, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import type { Daemon } from "../daemon.ts";
import { withLedger } from "./daemon-ledger.ts";
import {
  closeStep,
  issueJwt,
  keyIds,
  openStep,
  READY,
  readiness,
  restarted,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";
import { cannotLoop, loopDisk } from "./loop-disk.ts";
import { cannotTrace, tamper } from "./system-calls.ts";

for (const why of [cannotTrace, cannotLoop]) {
  if (why !== undefined) process.stderr.write(`daemon-broken-disk.test.ts: partly skipped, ${why}\n`);
}

const UNAVAILABLE = expect.objectContaining({ codeName: "UNAVAILABLE", reason: "LEDGER_UNAVAILABLE" });

async function issuedTo({ operator }: Session, stepId: string): Promise<readonly string[]> {
  const { issuances } = await operator.history.listIssuances({ filter: { stepId, pageSize: 500 } });
  return issuances.map(({ jti }) => jti);
}

/** That nothing is recorded, neither given nor taken away, that readiness and status say so, and that all else is served. */
async function expectNothingRecorded(daemon: Daemon, session: Session, stepId: string): Promise<void> {
  await expect(issueJwt(session, stepId)).rejects.toEqual(UNAVAILABLE);
  await expect(openStep(session, "late")).rejects.toEqual(UNAVAILABLE);
  // A close that nobody would know of after a restart must not be answered as if it were in force.
  await expect(closeStep(session, stepId)).rejects.toEqual(UNAVAILABLE);
  const why = expect.stringContaining("nothing is recorded until it is reopened and verified (SQLITE_");
  expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
  const shown = await runStint(["--operator-socket", daemon.operatorSocket, "status", "-o", "json"]);
  expect(shown.status).toBe(1);
  expect(JSON.parse(shown.out)).toMatchObject({ ready: false, reasons: [why] });
  expect(await stateOf(session, stepId)).toBe(StepState.OPEN);
  expect(await keyIds(daemon)).toHaveLength(1);
  await eventually(() => daemon.log).toContainEqual(expect.objectContaining({ level: "warn", why }));
}

describe.skipIf(cannotTrace !== undefined).for([
  { what: "each fsync fails with EIO", calls: "fdatasync,fsync", effect: "error=EIO" },
  {
    what: "each write fails with EROFS, as on a file system that is read-only",
    calls: "pwrite64",
    effect: "error=EROFS",
  },
])("while $what", ({ calls, effect }) => {
  test("nothing at all is recorded, reads are served, and once it is over all goes on without a restart", async () => {
    const daemon = await startOwnDaemon();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "kept");
    await issueJwt(session, stepId);

    const heal = await tamper(daemon, calls, effect);
    await expect(issueJwt(session, stepId)).rejects.toEqual(UNAVAILABLE);
    await expectNothingRecorded(daemon, session, stepId);

    await heal();
    await eventually(() => readiness(daemon)).toEqual(READY);
    expect(await issueJwt(session, stepId)).toMatch(/^eyJ/);
    await closeStep(session, stepId);
    expect(await stateOf(session, stepId)).toBe(StepState.COMPLETED);
    await eventually(() => daemon.log.map(({ msg }) => msg)).toContain("the ledger records again");
    expect(await daemon.stop()).toBe(0);
    await withLedger(daemon, async (store) => {
      expect([store.verdict, await store.verifyAll()]).toEqual([{ kind: "trusted" }, { kind: "intact" }]);
    });
  });
});

test.skipIf(cannotTrace !== undefined)(
  "of one fsync that fails, the next ones succeeding, whoever waited for it is refused, and what may be lost is written anew",
  async () => {
    const daemon = await startOwnDaemon();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "kept");
    const before = await issueJwt(session, stepId);
    const log = join(daemon.directory, "data/ledger/ledger.db-wal");
    const { size } = statSync(log);

    const heal = await tamper(daemon, "fdatasync,fsync", "error=EIO:when=1");
    await expect(issueJwt(session, stepId)).rejects.toEqual(UNAVAILABLE);
    await eventually(() => readiness(daemon)).toEqual(READY);
    // The kernel has dropped what it could not write, and says so once: only what is written again is on the disk.
    expect(statSync(log).size).toBeLessThan(size);
    await heal();
    const after = await issueJwt(session, stepId);

    // What was refused may have left its row, marked or not: without a signature it is nobody's credential.
    const rows = await issuedTo(session, stepId);
    for (const token of [before, after]) expect(rows).toContain(decodeJwt(token).jti);
    await closeStep(session, stepId);
    expect(await stateOf(session, stepId)).toBe(StepState.COMPLETED);
    await daemon.kill();
    const again = sessionWith(await restarted(daemon));
    expect(await stateOf(again, stepId)).toBe(StepState.COMPLETED);
    expect(await issuedTo(again, stepId)).toEqual(rows);
  },
);

test.skipIf(cannotLoop !== undefined)(
  "a file system that turns read-only is read from until it is mended, and then nothing that was answered is missing",
  async () => {
    const disk = loopDisk();
    const daemon = await startOwnDaemon({ config: { data_directory: join(disk.path, "data") } });
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "kept");
    await issueJwt(session, stepId);
    const rows = await issuedTo(session, stepId);

    disk.turnReadOnly();
    await expect(issueJwt(session, stepId)).rejects.toEqual(UNAVAILABLE);
    await expectNothingRecorded(daemon, session, stepId);
    expect(await daemon.stop()).toBe(0);

    disk.mend();
    const next = await restarted(daemon);
    const again = sessionWith(next);
    expect(await readiness(next)).toEqual(READY);
    expect(await issuedTo(again, stepId)).toEqual(expect.arrayContaining([...rows]));
    expect(await stateOf(again, stepId)).toBe(StepState.OPEN);
    await issueJwt(again, stepId);
    await closeStep(again, stepId);
    expect(await stateOf(again, stepId)).toBe(StepState.COMPLETED);
  },
);
