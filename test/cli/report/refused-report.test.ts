import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon } from "../../daemon.ts";
import { cliScene } from "../cli-scene.ts";
import { runStint } from "../running.ts";

// A report that can't be made whole is not made at all.

const scene = cliScene();

function folderForTest(): string {
  const folder = mkdtempSync(join(tmpdir(), "stint-report-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Passes on what goes to a socket, until so many pieces have come back; then nobody is there any more. */
async function awayAfter(pieces: number, socket: string): Promise<string> {
  const path = join(folderForTest(), "operator.sock");
  const open = new Set<Socket>();
  let count = 0;
  const server = createServer((client) => {
    const broker = createConnection(socket);
    for (const end of [client, broker]) {
      open.add(end);
      end.on("error", () => undefined);
    }
    client.pipe(broker);
    broker.on("data", (piece) => {
      count += 1;
      if (count <= pieces) client.write(piece);
      else away();
    });
    broker.on("close", () => client.destroy());
    client.on("close", () => broker.destroy());
  });
  function away(): void {
    server.close();
    for (const end of open) end.destroy();
  }
  server.listen(path);
  await once(server, "listening");
  onTestFinished(away);
  return path;
}

test.for([2, 5, 9, 17, 33])("a broker that is away after %i pieces of answers leaves no file", async (pieces) => {
  const folder = folderForTest();
  const socket = await awayAfter(pieces, scene.daemon().operatorSocket);
  const args = ["--operator-socket", socket, "--timeout", "2s", "report", "--framework", "owasp-agentic"];
  const { status, out, err } = await runStint([...args, "--out", join(folder, "report.html")]);
  expect({ status, out }).toEqual({ status: 3, out: "" });
  expect(err).toMatch(/^stint: can't reach the broker at /);
  expect(readdirSync(folder)).toEqual([]);
});

test("a broker that is not there is named", async () => {
  const { status, err } = await runStint(["--operator-socket", "/nowhere.sock", "report", "--framework", "maestro"]);
  expect(status).toBe(3);
  expect(err).toContain("can't reach the broker at /nowhere.sock");
});

test("an operator whose role does not look is refused", async () => {
  const self = [`unix:uid:${process.getuid?.()}`];
  await using daemon = await startDaemon({
    entries: [
      { kind: "operator", name: "watcher", selectors: self, role: "detector" },
      { kind: "operator", name: "root", selectors: ["unix:uid:65530"], role: "admin" },
    ],
  });
  const { status, out, err } = await runStint([
    "--operator-socket",
    daemon.operatorSocket,
    "report",
    "--framework",
    "maestro",
  ]);
  expect({ status, out }).toEqual({ status: 1, out: "" });
  expect(err).toContain("NOT_ENTITLED: ");
});
