import { expect, test } from "vitest";
import { startConsole } from "../console/console-scene.ts";
import { startDaemon } from "../daemon.ts";
import { runStint } from "./running.ts";

test("open prints the link alone, and what it is good for beside it", async () => {
  await using scene = await startConsole();
  const stint = (...args: string[]) => runStint(["--operator-socket", scene.daemon().operatorSocket, ...args]);
  const { status, out, err } = await stint("console", "open");
  expect(status).toBe(0);
  expect(out).toMatch(new RegExp(`^${scene.url}/console/#[A-Za-z0-9_-]{43}\\n$`));
  expect(err).toMatch(/^stint: good once, until \S+Z\n$/);
  const asData = await stint("-o", "json", "console", "open");
  expect(JSON.parse(asData.out)).toEqual({
    url: expect.stringContaining("/console/#"),
    expires_at: expect.stringMatching(/Z$/),
  });
});

test("open says that there is no console", async () => {
  await using daemon = await startDaemon();
  const { status, err } = await runStint(["--operator-socket", daemon.operatorSocket, "console", "open"]);
  expect([status, err]).toEqual([1, "stint: NOT_SERVING: no console is configured\n"]);
});
