import { execFileSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../daemon.ts";
import { runStint } from "./running.ts";

// What a container runtime asks: each way for a broker to be, against a real one, and where none is.

const healthcheck = (socket: string) => runStint(["--socket", socket, "--timeout", "1s", "healthcheck"]);

test("a broker that issues is ready, also to whom no entry knows, and the ledger does not grow by the question", async () => {
  await using daemon = await startDaemon();
  const events = () => runStint(["--operator-socket", daemon.operatorSocket, "-o", "jsonl", "history", "events"]);
  const before = await events();
  expect(await healthcheck(daemon.workloadSocket)).toEqual({
    status: 0,
    out: `ready: ${daemon.workloadSocket}\n`,
    err: "",
  });
  expect(await events()).toEqual(before);
});

test("a broker that serves and may not issue is not ready: its ledger went back in time", async () => {
  await using first = await startDaemon();
  const ledger = join(first.directory, "data/ledger");
  await first.stop();
  // With owners and modes, as a backup is.
  execFileSync("cp", ["--archive", ledger, `${ledger}.kept`]);
  await using second = await first.restart();
  const lost = await runStint(["--operator-socket", second.operatorSocket, "revoke", "--run", "lost", "--bar"]);
  expect(lost.status).toBe(0);
  await second.stop();
  rmSync(ledger, { recursive: true });
  renameSync(`${ledger}.kept`, ledger);
  await using daemon = await first.restart();
  expect(await healthcheck(daemon.workloadSocket)).toEqual({
    status: 1,
    out: "",
    err: `stint: not ready: ${daemon.workloadSocket} answers, and issues nothing; stint status says why\n`,
  });
});

test("one that is not there, was killed, or stands still, is told from one that is not ready", async () => {
  await using daemon = await startDaemon();
  const { workloadSocket: socket, pid } = daemon;
  const unreachable = (why: string, at = socket) => ({
    status: 3,
    out: "",
    err: `stint: can't reach the broker at ${at}: ${why}\n`,
  });
  process.kill(pid, "SIGSTOP");
  expect(await healthcheck(socket)).toEqual(unreachable("no answer in time"));
  await daemon.kill();
  expect(await healthcheck(socket)).toEqual(unreachable("nobody listens there"));
  expect(await healthcheck("/nowhere/workload.sock")).toEqual(
    unreachable("there is no such socket", "/nowhere/workload.sock"),
  );
});

test("a socket that takes connections and says nothing is not waited for longer than was said", async () => {
  const directory = mkdtempSync(join(tmpdir(), "stint-silent-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const socket = join(directory, "workload.sock");
  const server = createServer().listen(socket);
  onTestFinished(() => void server.close());
  expect(await healthcheck(socket)).toMatchObject({ status: 3, err: expect.stringContaining("no answer in time") });
});
