import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { decodeJwt } from "jose";
import { describe, expect, onTestFinished, test } from "vitest";
import { IssuanceState, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import type { Daemon } from "../daemon.ts";
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

const NEEDS_ROOT = "needs root, to mount a small file system";
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write(`daemon-disk.test.ts: skipped, it ${NEEDS_ROOT}\n`);

const MEBIBYTE = 1_024 * 1_024;
const RESERVE_BYTES = MEBIBYTE;

/** A file system in memory of 16 MiB; gone with the test, whoever still uses it. */
function smallDisk(): string {
  const path = mkdtempSync(join(tmpdir(), "stint-disk-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs", path]);
  onTestFinished(() => {
    execFileSync("umount", ["--lazy", path]);
    rmSync(path, { recursive: true });
  });
  return path;
}

/** Takes all room but this much. */
function fill(disk: string, leaveBytes: number): void {
  const { bavail, bsize } = statfsSync(disk);
  const file = openSync(join(disk, "other"), "a");
  const chunk = Buffer.alloc(bsize, 1);
  try {
    for (let blocks = bavail - Math.ceil(leaveBytes / bsize); blocks > 0; blocks -= 1) writeSync(file, chunk);
  } finally {
    closeSync(file);
  }
}

/** The other user of the disk goes away. */
function empty(disk: string): void {
  rmSync(join(disk, "other"));
}

type Setting = { readonly disk: string; readonly daemon: Daemon; readonly session: Session };

async function daemonOn(diskFreeBytesMin: number): Promise<Setting> {
  const disk = smallDisk();
  const daemon = await startOwnDaemon({
    config: {
      data_directory: join(disk, "data"),
      ledger: { reserve_bytes: RESERVE_BYTES, disk_free_bytes_min: diskFreeBytesMin },
    },
  });
  expect(await readiness(daemon)).toEqual(READY);
  return { disk, daemon, session: sessionWith(daemon) };
}

async function issuancesOf({ operator }: Session, stepId: string) {
  return (await operator.history.listIssuances({ filter: { stepId, pageSize: 500 } })).issuances;
}

const UNAVAILABLE = expect.objectContaining({ codeName: "UNAVAILABLE", reason: "LEDGER_UNAVAILABLE" });

describe.skipIf(!isRoot).for([
  {
    when: "the disk has less room than the limit",
    diskFreeBytesMin: 4 * MEBIBYTE,
    leaveBytes: 2 * MEBIBYTE,
    says: "less free space",
  },
  { when: "the disk is full", diskFreeBytesMin: 0, leaveBytes: 0, says: "disk is full" },
])("while $when", ({ diskFreeBytesMin, leaveBytes, says }) => {
  test("nothing is opened or issued, what is taken away is recorded, reads are served; room again needs no restart", async () => {
    const { disk, daemon, session } = await daemonOn(diskFreeBytesMin);
    const [kept, closing, revoked] = await Promise.all(
      ["kept", "closing", "revoked"].map((run) => openStep(session, run)),
    );
    const keptId = kept?.stepId ?? "";
    const token = await issueJwt(session, closing?.stepId ?? "");
    const { jti = "" } = decodeJwt(await issueJwt(session, keptId));
    await issueJwt(session, revoked?.stepId ?? "");

    fill(disk, leaveBytes);
    // Where no limit stops it before, only a commit that finds no room shows that the disk is full.
    await eventually(() =>
      issueJwt(session, keptId).then(
        () => "issued",
        (error: unknown) => error,
      ),
    ).toEqual(UNAVAILABLE);
    const before = await issuancesOf(session, keptId);

    await expect(issueJwt(session, keptId)).rejects.toEqual(UNAVAILABLE);
    await expect(openStep(session, "late")).rejects.toEqual(UNAVAILABLE);
    expect(await issuancesOf(session, keptId)).toHaveLength(before.length);
    expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [expect.stringContaining(says)] });
    const shown = await runStint(["--operator-socket", daemon.operatorSocket, "status", "-o", "json"]);
    expect(shown.status).toBe(1);
    expect(JSON.parse(shown.out)).toMatchObject({
      ready: false,
      reasons: [expect.stringContaining(says)],
      disk_free_bytes_min: diskFreeBytesMin,
    });
    await eventually(() => daemon.log).toContainEqual(
      expect.objectContaining({ level: "warn", why: expect.stringContaining(says) }),
    );

    expect(await closeStep(session, closing?.stepId ?? "")).toMatchObject({ credentialsRevoked: 1 });
    const byStep = { target: { case: "stepId", value: revoked?.stepId ?? "" } } as const;
    expect(await session.operator.revocations.revoke(byStep)).toMatchObject({ stepsClosedCount: 1 });
    const byJti = { target: { case: "jti", value: jti } } as const;
    expect(await session.operator.revocations.revoke(byJti)).toMatchObject({ credentialsRevokedCount: 1 });
    expect(await stateOf(session, closing?.stepId ?? "")).toBe(StepState.COMPLETED);
    expect(await stateOf(session, revoked?.stepId ?? "")).toBe(StepState.REVOKED);
    expect((await session.operator.history.listEvents({ filter: { pageSize: 500 } })).events.length).toBeGreaterThan(0);
    expect(await keyIds(daemon)).toHaveLength(1);

    empty(disk);
    await eventually(() => readiness(daemon)).toEqual(READY);
    expect(await issueJwt(session, keptId)).toMatch(/^eyJ/);
    await eventually(() => daemon.log.map(({ msg }) => msg)).toContain("the ledger records again");
    await openStep(session, "late");

    await daemon.kill();
    const again = sessionWith(await restarted(daemon));
    expect(await stateOf(again, closing?.stepId ?? "")).toBe(StepState.COMPLETED);
    const found = await issuancesOf(again, closing?.stepId ?? "");
    expect(found).toMatchObject([{ state: IssuanceState.REVOKED, jti: decodeJwt(token).jti }]);
    const kepts = await issuancesOf(again, keptId);
    expect(kepts.filter((one) => one.jti === jti)).toMatchObject([{ state: IssuanceState.REVOKED }]);
  });
});

test.skipIf(!isRoot)(
  "started on a full disk it serves and closes, says what it can't do, and does it once there is room",
  async () => {
    const { disk, daemon, session } = await daemonOn(0);
    const { stepId } = await openStep(session, "before");
    fill(disk, 0);
    await eventually(() =>
      openStep(session, "more").then(
        () => "opened",
        (error: unknown) => error,
      ),
    ).toEqual(UNAVAILABLE);

    await daemon.kill();
    const next = await restarted(daemon);
    const again = sessionWith(next);
    expect(await readiness(next)).toMatchObject({ status: 503 });
    await expect(issueJwt(again, stepId)).rejects.toEqual(UNAVAILABLE);
    await closeStep(again, stepId);
    expect(await stateOf(again, stepId)).toBe(StepState.COMPLETED);

    empty(disk);
    await eventually(() => readiness(next)).toEqual(READY);
    await openStep(again, "after");
  },
);
