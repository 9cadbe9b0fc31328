import { join } from "node:path";
import { expect, test } from "vitest";
import { openSqliteLedger } from "../../src/adapters/ledger-sqlite/ledger-sqlite.ts";
import { systemClock } from "../../src/adapters/system/system-clock.ts";
import { systemRandomness } from "../../src/adapters/system/system-randomness.ts";
import { checkpointsIn } from "../contract/checkpoints-in.ts";
import type { Daemon } from "../daemon.ts";
import { issueJwt, openStep, READY, readiness, restarted, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

/** Leaves an event in a stopped daemon's ledger, recorded by a clock that is ahead by so much. */
async function recordAhead(daemon: Daemon, seconds: number): Promise<void> {
  const clock = systemClock({ wallMs: () => Date.now() + seconds * 1_000, monotonicMs: () => performance.now() });
  const data = join(daemon.directory, "data");
  const store = await openSqliteLedger({
    directory: join(data, "ledger"),
    checkpoints: await checkpointsIn(data),
    clock,
    randomness: systemRandomness(),
    reserveBytes: 1_048_576,
    diskFreeBytesMin: 1_048_576,
    failed: (error) => expect.unreachable(String(error)),
  });
  const what = { operation: "confirm-clock", target: "clock", reason: "" } as const;
  await store.ledger.perform({
    act: "record-operation",
    ...what,
    by: { kind: "broker", cause: "start" },
    now: clock.now(),
  });
  await store.close();
}

test("a start with a clock behind the newest event issues nothing until an operator confirms it, and then for good", async () => {
  const first = await startOwnDaemon();
  const { stepId } = await openStep(sessionWith(first), "before");
  expect(await first.stop()).toBe(0);
  await recordAhead(first, 3_600);

  const daemon = await restarted(first);
  const session = sessionWith(daemon);
  const why = expect.stringMatching(
    /^the clock is 3(600|599|59\d) s behind the newest event; set it right, or confirm it$/,
  );
  expect(await readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
  await expect(issueJwt(session, stepId)).rejects.toEqual(expect.objectContaining({ reason: "NOT_SERVING" }));

  await session.operator.authorities.confirmClock({});
  expect(await readiness(daemon)).toEqual(READY);
  expect(await daemon.stop()).toBe(0);
  expect(await readiness(await restarted(daemon))).toEqual(READY);
});

test("a start with a clock that is behind by less than verifiers bear is an ordinary one", async () => {
  const first = await startOwnDaemon();
  expect(await first.stop()).toBe(0);
  await recordAhead(first, 3);
  expect(await readiness(await restarted(first))).toEqual(READY);
});
