import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import type { Daemon } from "../daemon.ts";
import { operatorOf } from "../e2e/operator.ts";
import { STINTD } from "../programs.ts";
import { startOwnDaemon } from "./daemon-scene.ts";
import { fullPipe } from "./full-pipe.ts";

const STREAM_CHILD = fileURLToPath(new URL("stream-child.ts", import.meta.url));
const ENDING_CHILD = fileURLToPath(new URL("ending-child.ts", import.meta.url));
/** Room for a machine that is busy: what is tested would stand still for ever. */
const ENDED = { timeout: 60_000 };

/** The daemon of a directory where one ran before, with this standard error, once somebody accepts connections. */
async function startedWith({ directory, operatorSocket }: Daemon, standardError: number): Promise<ChildProcess> {
  const args = ["--disable-sigusr1", STINTD, "run", "--config", join(directory, "stint.yaml")];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", standardError] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await eventually(
    () =>
      new Promise((resolve) => {
        const socket = connect(operatorSocket, () => resolve(true)).once("error", () => resolve(false));
        socket.once("connect", () => socket.destroy());
      }),
  ).toBe(true);
  return child;
}

test("nobody reads standard error: calls are answered, and told to end the daemon ends in order", ENDED, async () => {
  const before = await startOwnDaemon();
  await before.stop();
  const { writeEnd, readEnd } = fullPipe(before.directory);
  const child = await startedWith(before, writeEnd);
  const exited = once(child, "exit");
  {
    using operator = operatorOf(before.operatorSocket);
    for (let call = 0; call < 20; call += 1) await operator.ledger.get({});
  }
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  closeSync(readEnd);
  closeSync(writeEnd);
});

test("a reader of standard error that comes late gets the lines, and one that goes ends nothing", ENDED, async () => {
  const before = await startOwnDaemon();
  await before.stop();
  const { writeEnd, readEnd, read } = fullPipe(before.directory);
  const child = await startedWith(before, writeEnd);
  const exited = once(child, "exit");
  closeSync(writeEnd);
  let text = "";
  await eventually(() => {
    text += read();
    return text;
  }).toContain('"msg":"serving"');

  closeSync(readEnd);
  using operator = operatorOf(before.operatorSocket);
  for (let call = 0; call < 5; call += 1) await operator.ledger.get({});
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

test.for([
  { what: "takes no data, and stays connected", windowBytes: 0, isStopped: false },
  { what: "stands still itself", windowBytes: 65_535, isStopped: true },
])(
  "a stream's client that $what keeps the daemon from ending in order no longer than others",
  ENDED,
  async (client) => {
    const daemon = await startOwnDaemon();
    const args = [STREAM_CHILD, daemon.operatorSocket, String(client.windowBytes)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    await once(child.stdout, "data");
    if (client.isStopped) child.kill("SIGSTOP");
    expect(await daemon.stop()).toBe(0);
    // Not cut off by the limit for what stands still, but by the time that streams are given.
    expect(daemon.log.at(-1)?.msg).toBe("stopping");
  },
);

test.for([
  { what: "does not end by itself is ended within the limit", again: false, says: "not everything had stopped" },
  { what: "is asked a second time, a second later, ends at once", again: true, says: "asked to end a second time" },
])("a process of which a thread stands still and that $what", ENDED, async ({ again, says }) => {
  const child = spawn(process.execPath, [ENDING_CHILD], { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => lines.push(line));
  const ended = once(child, "close");
  await eventually(() => lines).toContain("ready");
  child.kill("SIGTERM");
  await eventually(() => lines).toContain("stopping");
  // One signal that arrives twice, as from a terminal and a shell, is one wish; so the second has to come later.
  const asking = again ? setInterval(() => child.kill("SIGINT"), 1_100) : undefined;
  onTestFinished(() => clearInterval(asking));
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect(lines.at(-1)).toContain(says);
});
