import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import type { Daemon } from "../daemon.ts";
import { issueJwt, openStep, READY, readiness, sessionWith, startOwnDaemon } from "./daemon-scene.ts";

const cannotTrace = whyNot();
if (cannotTrace !== undefined) process.stderr.write(`daemon-disk-stall.test.ts: skipped, ${cannotTrace}\n`);

/** Whether a process can be traced here, which needs strace and the right to. */
function whyNot(): string | undefined {
  try {
    execFileSync("strace", ["-qq", "-o", "/dev/null", "-e", "inject=fdatasync:delay_enter=1", "true"]);
    return undefined;
  } catch {
    return "it needs strace, and the right to trace a process";
  }
}

/** Every call that waits for the disk waits from here on, until the returned function lets all of them go on. */
async function stopDiskOf({ pid }: Daemon): Promise<() => Promise<void>> {
  const calls = "fdatasync,fsync";
  const delay = `inject=${calls}:delay_enter=600000000`;
  const tracer = spawn("strace", ["-f", "-o", "/dev/null", "-p", String(pid), "-e", `trace=${calls}`, "-e", delay], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(tracer, "exit");
  onTestFinished(() => void tracer.kill("SIGKILL"));
  let said = "";
  tracer.stderr.on("data", (chunk) => {
    said += String(chunk);
  });
  await eventually(() => said).toContain("attached");
  return async () => {
    tracer.kill("SIGINT");
    await exited;
  };
}

test.skipIf(cannotTrace !== undefined)(
  "while the disk stands still readiness, status and the log say so, and nobody has to restart once it answers",
  async () => {
    const daemon = await startOwnDaemon();
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "waiting");
    const status = () => runStint(["--operator-socket", daemon.operatorSocket, "status"]);
    expect(await status()).toMatchObject({ status: 0 });

    const goOn = await stopDiskOf(daemon);
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
