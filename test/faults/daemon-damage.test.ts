import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import type { Daemon } from "../daemon.ts";
import {
  closeStep,
  issueJwt,
  NOT_SERVING,
  openStep,
  READY,
  readiness,
  restarted,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";

function ledgerFile(daemon: Daemon, name: string): string {
  return join(daemon.directory, "data/ledger", name);
}

/** Turns over one bit of a file, wherever this says. */
function flipBit(path: string, placeIn: (bytes: Buffer) => number): void {
  const bytes = readFileSync(path);
  const at = placeIn(bytes);
  const file = openSync(path, "r+");
  writeSync(file, Buffer.of((bytes[at] ?? 0) ^ 1), 0, 1, at);
  closeSync(file);
}

/** In the newest event that names this run. */
function inEventOf(runId: string): (bytes: Buffer) => number {
  return (bytes) => {
    const at = bytes.indexOf(`"runId":"${runId}"`);
    expect(at).toBeGreaterThan(0);
    return at + `"runId":"`.length;
  };
}

/** The newest head is kept beside the ledger, which is done once a second. */
async function headIsKept(daemon: Daemon, { operator }: Session): Promise<void> {
  const { sequence } = await operator.ledger.get({});
  const keptSequence = () => Number(readFileSync(join(daemon.directory, "data/checkpoint"), "utf8").split("\n")[1]);
  await eventually(keptSequence).toBeGreaterThanOrEqual(Number(sequence));
}

test("a write-ahead log that was damaged while the daemon was down is a ledger that went back in time: nothing is issued from it", async () => {
  const first = await startOwnDaemon();
  const { stepId } = await openStep(sessionWith(first), "kept");
  expect(await first.stop()).toBe(0);
  // What is in the log from here on is work, and all else in the database.
  const second = await restarted(first);
  const session = sessionWith(second);
  for (let count = 0; count < 20; count += 1) await issueJwt(session, stepId);
  await closeStep(session, stepId);
  await headIsKept(second, session);
  await second.kill();

  flipBit(ledgerFile(second, "ledger.db-wal"), (bytes) => Math.floor(bytes.length / 2));
  const daemon = await restarted(second);
  const again = sessionWith(daemon);
  const why = expect.stringContaining("the ledger went back in time");
  expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
  // SQLite takes the log up to the damage, without a word: the close is behind it.
  expect(await stateOf(again, stepId)).toBe(StepState.OPEN);
  await expect(issueJwt(again, stepId)).rejects.toEqual(NOT_SERVING);
  await expect(openStep(again, "late")).rejects.toEqual(NOT_SERVING);

  await again.operator.ledger.acceptRestore({ reason: "the disk was at fault" });
  expect(await readiness(daemon)).toEqual(READY);
  expect(await stateOf(again, stepId)).toBe(StepState.REVOKED);
  await issueJwt(again, (await openStep(again, "after")).stepId);
});

test("a database of which one bit of an event is another is refused at the start, without its path, and left as it was", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  for (let count = 0; count < 20; count += 1) await openStep(session, `run-${count}`);
  expect(await daemon.stop()).toBe(0);
  const path = ledgerFile(daemon, "ledger.db");
  flipBit(path, inEventOf("run-19"));
  const before = readFileSync(path);

  const refused = await daemon.restart().then(
    () => expect.unreachable("it started"),
    (error: unknown) => String(error),
  );
  const [, why = ""] = /"level":"fatal".*"why":"([^"]*)/.exec(refused) ?? [];
  expect(why).toMatch(/^the ledger is damaged: /);
  expect(why).not.toContain(daemon.directory);
  expect(readFileSync(path).equals(before)).toBe(true);
});

test("the same under a running daemon is found by its verification, which has read those pages before", async () => {
  const daemon = await startOwnDaemon();
  const session = sessionWith(daemon);
  for (let count = 0; count < 20; count += 1) await openStep(session, `run-${count}`);
  expect(await daemon.stop()).toBe(0);
  const running = await restarted(daemon);
  const verify = () => runStint(["--operator-socket", running.operatorSocket, "ledger", "verify"]);
  expect(await verify()).toMatchObject({ status: 0 });
  flipBit(ledgerFile(daemon, "ledger.db"), inEventOf("run-19"));
  expect(await verify()).toMatchObject({
    status: 1,
    err: expect.stringMatching(/^stint: the ledger is damaged: the event \d+ is not/),
  });
});
