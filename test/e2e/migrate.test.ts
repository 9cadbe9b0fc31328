import { execFile } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { runStint } from "../cli/running.ts";
import { startDaemon } from "../daemon.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { STINTD } from "../programs.ts";
import { SEARCH } from "./entries.ts";
import { startOidcIssuer } from "./oidc-issuer.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

const AUDIENCE = "https://broker.example.org";

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };
type Log = Awaited<ReturnType<Awaited<ReturnType<typeof startSharedLogs>>["newLog"]>>;

async function stintd(verb: string, directory: string): Promise<Ran> {
  const running = promisify(execFile)(process.execPath, [STINTD, verb, "--config", join(directory, "stint.yaml")]);
  return running.then(
    (ran) => ({ code: 0, ...ran }),
    (failed: Ran) => failed,
  );
}

/** Has the configuration of a daemon name a log. */
function setLog(directory: string, log: Log | undefined): void {
  const path = join(directory, "stint.yaml");
  const config = parse(readFileSync(path, "utf8"));
  delete config.ledger.postgres;
  if (log !== undefined) {
    const { host, port, database, user, passwordFile } = log.settings;
    const place = { replica: "a", host, port, database, user, password_file: passwordFile };
    config.ledger.postgres = { ...place, plain_on_loopback: true };
  }
  writeFileSync(path, stringify(config));
}

const configIn = (directory: string) => ({ ledger: parse(readFileSync(join(directory, "stint.yaml"), "utf8")).ledger });

async function newestAt(socket: string): Promise<number> {
  const operator = operatorOf(socket);
  const { events } = await operator.history.listEvents({ filter: { pageSize: 1 } });
  operator[Symbol.dispose]();
  return Number(events[0]?.sequence ?? 0);
}

describeWithPostgres("stintd migrate", () => {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs();
  });
  afterAll(() => logs.close());

  test("moves a ledger with its open steps, the tree is the same, and no broker goes on with the one that was left", async () => {
    const issuer = await startOidcIssuer();
    onTestFinished(() => void issuer.close());
    const principals = { issuers: [{ issuer: issuer.url, audience: AUDIENCE }] };
    await using first = await startDaemon({ entries: OWN_ENTRIES, config: { principals } });
    const { directory } = first;
    const runtime = runtimeAt(first.workloadSocket);
    const step = await runtime.open({ principalToken: await issuer.token({ sub: "ada" }, AUDIENCE) });
    const sequence = await newestAt(first.operatorSocket);
    runtime[Symbol.dispose]();
    setLog(directory, await logs.newLog());
    expect(await stintd("migrate", directory)).toMatchObject({ code: 1, stderr: /another broker is running/ });
    expect(await first.stop()).toBe(0);

    // What would leave a ledger behind is refused, by either way.
    expect(await stintd("run", directory)).toMatchObject({ code: 1, stderr: /has a ledger of its own: move it first/ });
    const moved = await stintd("migrate", directory);
    expect(moved).toMatchObject({ code: 0, stderr: "" });
    const [, events, root] = /^moved ([0-9]+) events; .* the root ([0-9a-f]{64}),/.exec(moved.stdout) ?? [];
    expect(Number(events)).toBe(sequence + 1);
    // Whoever is erased from now on must not be readable by what stayed here.
    const stayed = readdirSync(join(directory, "data"), { recursive: true }).map(String);
    expect(stayed.filter((name) => /principals[./]/.test(name))).toEqual([]);
    // Once more is the same: nothing was lost where it was cut short.
    expect((await stintd("migrate", directory)).stdout).toContain(root);

    await using second = await startDaemon({
      directory,
      entries: OWN_ENTRIES,
      config: { ...configIn(directory), principals },
    });
    const back = runtimeAt(second.workloadSocket);
    expect(decodeJwt(await back.token(step, SEARCH))["principal"]).toMatchObject({ iss: issuer.url, sub: "ada" });
    await back.close(step);
    back[Symbol.dispose]();
    const verified = await runStint(["--operator-socket", second.operatorSocket, "ledger", "verify"]);
    expect(verified).toMatchObject({ status: 0 });
    expect(await newestAt(second.operatorSocket)).toBeGreaterThan(Number(events));
    expect(await second.stop()).toBe(0);

    setLog(directory, undefined);
    expect(await stintd("run", directory)).toMatchObject({ code: 1, stderr: /was moved to PostgreSQL/ });
  });
});
