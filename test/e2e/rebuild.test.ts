import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { loadDriver } from "../../src/adapters/ledger-sqlite/driver.ts";
import { runStint } from "../cli/running.ts";
import { startDaemon } from "../daemon.ts";
import { STINTD } from "../programs.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

async function rebuild(directory: string): Promise<Ran> {
  const running = promisify(execFile)(process.execPath, [STINTD, "rebuild", "--config", join(directory, "stint.yaml")]);
  return running.then(
    (ran) => ({ code: 0, ...ran }),
    (failed: Ran) => failed,
  );
}

async function tamper(directory: string, sql: string): Promise<void> {
  const database = new (await loadDriver())(join(directory, "data", "ledger", "ledger.db"));
  database.exec(`PRAGMA foreign_keys = OFF; ${sql}`);
  database.close();
}

test("a damaged table is named while the daemon runs, and rebuilt while it does not; a damaged event is not made good", async () => {
  const first = await startDaemon({ entries: OWN_ENTRIES });
  const { directory } = first;
  const runtime = runtimeAt(first.workloadSocket);
  await runtime.open();
  runtime[Symbol.dispose]();
  expect(await rebuild(directory)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("another broker is running"),
  });
  expect(await first.stop()).toBe(0);

  await tamper(directory, "UPDATE issuance SET expires_at_s = expires_at_s + 1 WHERE step_sequence IS NOT NULL");
  const second = await first.restart();
  const verify = (socket: string) => runStint(["--operator-socket", socket, "ledger", "verify"]);
  const damage =
    /^stint: the ledger is damaged: the table issuance is not what follows from the events: its row sequence [0-9]+ was changed$/m;
  expect((await verify(second.operatorSocket)).err).toMatch(damage);
  expect(await second.stop()).toBe(0);
  expect(await rebuild(directory)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^rebuilt from [0-9]+ events\n$/),
  });
  const third = await second.restart();
  expect(await verify(third.operatorSocket)).toMatchObject({ status: 0 });
  expect(await third.stop()).toBe(0);

  const forged =
    "UPDATE event SET canonical = CAST(replace(canonical, 'search', 'serach') AS BLOB) WHERE type = 'step.opened'";
  await tamper(directory, `DROP TRIGGER event_is_never_changed; ${forged}`);
  expect(await rebuild(directory)).toMatchObject({ code: 1, stderr: expect.stringContaining("the ledger is damaged") });
  await third[Symbol.asyncDispose]();
});
