import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { decodeProtectedHeader } from "jose";
import { expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { Daemon } from "../daemon.ts";
import { openTcpGate } from "../exchange/tcp-gate.ts";
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
  resume,
  type Session,
  sessionWith,
  startOwnDaemon,
  stateOf,
} from "./daemon-scene.ts";
import {
  copied,
  machines,
  metricOf,
  newDirectory,
  reasonsOf,
  startPrimary,
  startStandby,
  stintd,
} from "./standby-scene.ts";

/** Opens steps, has credentials issued and closes them until nobody answers. */
function keepBusy(session: Session) {
  let steps = 0;
  let isOver = false;
  const working = (async () => {
    while (!isOver) {
      const { stepId } = await openStep(session, `run-${steps}`);
      await issueJwt(session, stepId);
      await closeStep(session, stepId);
      steps += 1;
    }
  })().catch(() => undefined);
  return {
    steps: () => steps,
    async stop() {
      isOver = true;
      await working;
    },
  };
}

async function sequenceOf({ operator }: Session): Promise<number> {
  return Number((await operator.ledger.get({})).sequence);
}

async function isIntact({ operator }: Session): Promise<boolean | undefined> {
  for await (const { message } of operator.ledger.verify({})) {
    if (message.case === "finding") return message.value.intact;
  }
  return undefined;
}

/** The secrets that an operator brings along. */
function bring(primary: Daemon, directory: string): void {
  mkdirSync(join(directory, "data"), { mode: 0o700 });
  for (const file of ["cursor.key", "principals.salt"]) {
    cpSync(join(primary.directory, "data", file), join(directory, "data", file));
  }
}

test("a primary is killed under load: its standby is promoted, has all that it had taken over, and begins a new epoch; the old primary finds out", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  const session = sessionWith(primary);
  const closed = await openStep(session, "closed");
  const token = await issueJwt(session, closed.stepId);
  const directory = newDirectory();
  bring(primary, directory);
  const standby = await startStandby(primary, of, { directory });
  // The first copy has what was recorded before, the stream what comes then.
  await closeStep(session, closed.stepId);
  const open = await openStep(session, "open");
  const load = keepBusy(session);
  await expect.poll(load.steps).toBeGreaterThan(20);
  const cursor = new Uint8Array(await cursorNow(session));
  const head = await session.operator.ledger.get({});
  await copied(standby, Number(head.sequence));
  expect(await reasonsOf(standby)).toEqual([]);
  expect(await metricOf(standby, "following")).toBe(1);
  expect(standby.log.filter(({ level }) => level === "warn")).toMatchObject([{ why: "a whole copy is being taken" }]);

  await primary.kill();
  await load.stop();
  await expect.poll(() => reasonsOf(standby)).not.toEqual([]);
  // Nobody starts a broker on it, or promotes it, while it is a standby.
  expect(await stintd("promote", "--config", standby.configPath)).toMatchObject({ status: 1 });
  expect(await standby.stop()).toBe(0);
  for (const command of ["run", "migrate"]) {
    const refused = await stintd(command, "--config", standby.configPath);
    expect({ command, ...refused }).toMatchObject({ status: 1 });
  }
  expect((await stintd("run", "--config", standby.configPath)).err).toContain("is a standby's");
  const promoted = await stintd("promote", "--config", standby.configPath);
  expect(promoted).toMatchObject({ status: 0, out: expect.stringContaining(`of ${head.epoch}`) });
  expect(promoted.out).toContain(`127.0.0.1:${of.brokerPort} was heard last at 20`);

  const broker = await startOwnDaemon({ directory, entries: of.entries });
  const again = sessionWith(broker);
  const why = expect.stringMatching(/the ledger went back in time: it is a backup of 20\S+Z, put back/);
  expect(await readiness(broker)).toEqual({ status: 503, ready: false, reasons: [why] });
  expect(await stateOf(again, closed.stepId)).toBe(StepState.COMPLETED);
  expect(await stateOf(again, open.stepId)).toBe(StepState.OPEN);
  await expect(issueJwt(again, open.stepId)).rejects.toEqual(NOT_SERVING);

  const accepted = await again.operator.ledger.acceptRestore({ reason: "the primary is gone" });
  expect(accepted.epoch > head.epoch).toBe(true);
  expect(await readiness(broker)).toEqual(READY);
  expect(await stateOf(again, open.stepId)).toBe(StepState.REVOKED);
  expect(await stateOf(again, closed.stepId)).toBe(StepState.COMPLETED);
  expect(await eventsOf(again, "epoch.started")).toMatchObject([
    { reason: "first start", epoch: head.epoch },
    { reason: "the primary is gone", epoch: accepted.epoch },
  ]);
  expect(await keyIds(broker)).not.toContain(decodeProtectedHeader(token).kid);
  expect(await isIntact(again)).toBe(true);
  // A verifier that was at the old primary begins anew, with the whole deny-list.
  expect(await resume(again, cursor)).toBe("snapshot");
  const later = new Uint8Array(await cursorNow(again));

  const back = await startPrimary(of, primary.directory);
  const old = sessionWith(back);
  expect(await readiness(back)).toEqual(READY);
  await expect(resume(old, later)).rejects.toEqual(NOT_SERVING);
  const over = expect.stringContaining(`a later epoch, ${accepted.epoch}`);
  expect(await readiness(back)).toMatchObject({ status: 503, reasons: [over] });
  await expect(openStep(old, "of-the-old-one")).rejects.toEqual(NOT_SERVING);
});

test("connections that break off, and a standby that is killed, leave no gap", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  const session = sessionWith(primary);
  const gate = await openTcpGate(of.brokerPort);
  onTestFinished(() => gate.close());
  const load = keepBusy(session);
  const through = { of: `127.0.0.1:${gate.port}` };
  let standby = await startStandby(primary, of, through);
  for (let round = 0; round < 3; round += 1) {
    await copied(standby, await sequenceOf(session));
    gate.set("down");
    gate.set("through");
    await copied(standby, await sequenceOf(session));
    await standby.kill();
    standby = await startStandby(primary, of, { ...through, directory: standby.directory });
  }
  await load.stop();
  const { epoch, sequence } = await session.operator.ledger.get({});
  await copied(standby, Number(sequence));
  // A page is taken over only where its tree is the primary's.
  expect(await metricOf(standby, "behind_events")).toBe(0);
  expect(await standby.stop()).toBe(0);
  await primary.kill();
  // The gate takes connections still.
  const { out } = await stintd("promote", "--while-primary-answers", "--config", standby.configPath);
  const [, newest, newestEpoch] = /ends at event (\d+) of (\S+)/.exec(out) ?? [];
  expect({ epoch: newestEpoch, hasAll: Number(newest) >= Number(sequence) }).toEqual({ epoch, hasAll: true });
  const broker = await startOwnDaemon({ directory: standby.directory, entries: of.entries });
  const again = sessionWith(broker);
  await again.operator.ledger.acceptRestore({ reason: "the primary is gone" });
  expect(await isIntact(again)).toBe(true);
});

test("a primary whose data was put back finds out by its standby; accepted and gone on, it is refused, and the copy is promoted", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  const first = sessionWith(primary);
  await openStep(first, "kept");
  expect(await primary.stop()).toBe(0);
  const data = join(primary.directory, "data");
  // With owners and modes, as a backup is.
  execFileSync("cp", ["--archive", data, `${data}.kept`]);
  const second = await startPrimary(of, primary.directory);
  const session = sessionWith(second);
  let standby = await startStandby(second, of);
  const { stepId } = await openStep(session, "lost");
  await closeStep(session, stepId);
  await copied(standby, await sequenceOf(session));
  expect(await second.stop()).toBe(0);
  rmSync(data, { recursive: true });
  renameSync(`${data}.kept`, data);

  const third = await startPrimary(of, primary.directory);
  // Its checkpoint was put back too: nothing but what the standby was shown tells.
  await expect
    .poll(() => readiness(third))
    .toMatchObject({
      status: 503,
      reasons: [expect.stringMatching(/^a standby was shown a checkpoint of event \d+, and the ledger ends at \d+$/)],
    });
  await expect(openStep(sessionWith(third), "late")).rejects.toEqual(NOT_SERVING);
  await sessionWith(third).operator.ledger.acceptRestore({ reason: "the machine was restored" });
  // Its keys are new, and so is its bundle, which an operator brings.
  expect(await standby.stop()).toBe(0);
  rmSync(join(standby.directory, "bundle.json"));
  standby = await startStandby(third, of, { directory: standby.directory });
  await expect.poll(() => reasonsOf(standby)).toEqual([expect.stringContaining("went back in time, or is another")]);
  const had = await metricOf(standby, "sequence");
  // It goes on, past where the copy ends.
  const forked = sessionWith(third);
  for (const run of ["a", "b", "c", "d", "e", "f"]) await closeStep(forked, (await openStep(forked, run)).stepId);
  expect(await sequenceOf(forked)).toBeGreaterThan(had);
  const refusal = `up to event ${had} it is not what this copy of it is`;
  await expect.poll(() => reasonsOf(standby)).toEqual([expect.stringContaining(refusal)]);
  expect(await metricOf(standby, "sequence")).toBe(had);
  expect(await standby.stop()).toBe(0);
  // A person may mean another machine.
  expect(await stintd("promote", "--config", standby.configPath)).toMatchObject({
    status: 1,
    err: expect.stringContaining(`127.0.0.1:${of.brokerPort} answers`),
  });
  const meant = ["promote", "--while-primary-answers", "--config", standby.configPath];
  expect(await stintd(...meant)).toMatchObject({ status: 0 });
  const broker = await startOwnDaemon({ directory: standby.directory, entries: of.entries });
  expect(await stateOf(sessionWith(broker), stepId)).toBe(StepState.COMPLETED);
});

test("whoever has another certificate, or another role, is told nothing; and nothing can be promoted then", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  for (const [name, reason] of [
    ["stranger", "NO_IDENTITY"],
    ["viewer", "NOT_ENTITLED"],
  ] as const) {
    const standby = await startStandby(primary, of, { identity: of.certificateOf(name) });
    await expect.poll(() => reasonsOf(standby)).toEqual([expect.stringContaining(reason)]);
    expect(await metricOf(standby, "sequence")).toBe(0);
    expect(await standby.stop()).toBe(0);
    expect(readdirSync(join(standby.directory, "data/ledger"))).not.toContain("ledger.db");
    expect(await stintd("promote", "--config", standby.configPath)).toMatchObject({
      status: 1,
      err: expect.stringContaining("the standby's first copy was never whole"),
    });
  }
});

test("a standby that is no one's any more: its entry is taken back, and the stream ends at once", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  const session = sessionWith(primary);
  const standby = await startStandby(primary, of);
  await copied(standby, await sequenceOf(session));
  await session.operator.entries.disable({ entry: "operator/standby" });
  await expect.poll(() => reasonsOf(standby)).toEqual([expect.stringMatching(/NO_IDENTITY|NOT_ENTITLED/)]);
  const before = await metricOf(standby, "sequence");
  await closeStep(session, (await openStep(session, "after")).stepId);
  expect(await metricOf(standby, "sequence")).toBe(before);
});

test("a directory with a ledger of its own is no standby's, and is neither followed into nor promoted", async () => {
  const of = await machines();
  const primary = await startPrimary(of);
  const other = await startOwnDaemon();
  expect(await other.stop()).toBe(0);
  await expect(startStandby(primary, of, { directory: other.directory })).rejects.toThrow("no standby's");
  const configPath = join(other.directory, "stint.yaml");
  expect(await stintd("promote", "--config", configPath)).toMatchObject({
    status: 1,
    err: expect.stringContaining("the data directory is no standby's"),
  });
  expect(existsSync(join(other.directory, "data/standby.json"))).toBe(false);
  writeFileSync(join(other.directory, "data/standby.json"), "{", { mode: 0o600 });
  expect(await stintd("promote", "--config", configPath)).toMatchObject({ status: 1 });
});
