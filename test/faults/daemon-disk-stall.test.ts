import process from "node:process";
import { expect, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import { issueJwt, openStep, READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";
import { cannotTrace, tamper } from "./system-calls.ts";

if (cannotTrace !== undefined) process.stderr.write(`daemon-disk-stall.test.ts: skipped, ${cannotTrace}\n`);

test.skipIf(cannotTrace !== undefined)(
  "while the disk stands still readiness, status and the log say so, and nobody has to restart once it answers",
  async () => {
    const daemon = await startOwnDaemon();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "waiting");
    const status = () => runStint(["--operator-socket", daemon.operatorSocket, "status"]);
    expect(await status()).toMatchObject({ status: 0 });

    const goOn = await tamper(daemon, "fdatasync,fsync", "delay_enter=600000000");
    const waiting = issueJwt(session, stepId).catch((error: unknown) => error);
    const why = "the ledger's disk stands still: whatever is to be recorded waits for it";
    await eventually(() => readiness(daemon)).toEqual({ status: 503, ready: false, reasons: [why] });
    const shown = await status();
    expect(shown).toMatchObject({ status: 1, err: "" });
    expect(shown.out).toMatch(/^ready +no$/m);
    expect(shown.out).toContain(why);
    await eventually(() => daemon.log).toContainEqual(expect.objectContaining({ level: "warn", why }));

    await goOn();
    await eventually(() => readiness(daemon)).toEqual(READY);
    await waiting;
    expect(await issueJwt(session, stepId)).toMatch(/^eyJ/);
    await eventually(() => daemon.log.map(({ msg }) => msg)).toContain("everything is issued again");
  },
);
