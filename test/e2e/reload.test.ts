import { spawn } from "node:child_process";
import { chmodSync, chownSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { parse, stringify } from "yaml";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { STINTD } from "../programs.ts";
import { OWN_ENTRIES, runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

type Settings = Record<string, unknown> & { entries: Record<string, unknown>[] };

async function started(): Promise<Daemon & { readonly configPath: string }> {
  const daemon = await startDaemon({ entries: OWN_ENTRIES });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return { ...daemon, configPath: join(daemon.directory, "stint.yaml") };
}

function configure(configPath: string, change: (settings: Settings) => object): void {
  const settings = parse(readFileSync(configPath, "utf8")) as Settings;
  writeFileSync(configPath, stringify({ ...settings, ...change(settings) }));
}

/** The lines by which the daemon says what came of being told to reload. */
function outcomes({ log }: Daemon): readonly (string | undefined)[] {
  return log.map(({ msg }) => msg).filter((msg) => /reloaded/.test(msg ?? ""));
}

async function reloaded(daemon: Daemon): Promise<string> {
  const before = outcomes(daemon).length;
  process.kill(daemon.pid, "SIGHUP");
  await eventually(() => outcomes(daemon).length).toBeGreaterThan(before);
  return String(outcomes(daemon).at(-1));
}

test("entries come, change and go, as ledger events of the configuration, and an open step stays open on its connection", async () => {
  const daemon = await started();
  using runtime = runtimeAt(daemon.workloadSocket);
  using operator = operatorOf(daemon.operatorSocket);
  const { stepId } = await runtime.open();
  configure(daemon.configPath, ({ entries }) => ({
    log: { level: "debug" },
    entries: [
      ...entries
        .filter(({ name }) => name !== "mcp-2")
        .map((one) => (one["name"] === "mcp-1" ? { ...one, max_staleness: 30 } : one)),
      { ...entries.find(({ name }) => name === "mcp-2"), name: "mcp-3" },
    ],
  }));
  expect(await reloaded(daemon)).toBe("reloaded");
  expect(daemon.log.at(-1)).toMatchObject({
    logLevel: "debug",
    entriesCreated: 1,
    entriesUpdated: 1,
    entriesRemoved: 1,
  });
  const names = (await operator.entries.list({})).entries.map(({ content }) => content?.name);
  expect(names).toContain("mcp-3");
  expect(names).not.toContain("mcp-2");
  expect((await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state).toBe(StepState.OPEN);
  const { events } = await operator.history.listEvents({ filter: { pageSize: 500 } });
  const made = events.map(
    ({ canonical }) => JSON.parse(Buffer.from(canonical).toString()) as { readonly by?: unknown },
  );
  // At the first start four and the broker's own two, and the policies with their activation; by the reload three.
  expect(made.filter(({ by }) => JSON.stringify(by) === '{"cause":"config","kind":"broker"}')).toHaveLength(11);
  // Still over the connections of before.
  await runtime.open();
  expect(await daemon.stop()).toBe(0);
});

test("a hangup while the daemon starts is heeded once it serves", async () => {
  const before = await started();
  await before.stop();
  const args = ["--disable-sigusr1", STINTD, "run", "--config", before.configPath];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const said: unknown[] = [];
  const reloading = Promise.withResolvers<void>();
  createInterface({ input: child.stderr }).on("line", (line) => {
    said.push(JSON.parse(line).msg);
    if (said.at(-1) === "reloaded") reloading.resolve();
  });
  // SIGHUP is the first signal of the mask: from here on it is caught, as the very first thing.
  await eventually(() => /SigCgt:.*[13579bdf]$/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8"))).toBe(true);
  expect(said).toEqual([]);
  child.kill("SIGHUP");
  await reloading.promise;
  expect(said).toContain("serving");
});

test("the log's level takes effect: above info, calls are logged no more", async () => {
  const daemon = await started();
  using operator = operatorOf(daemon.operatorSocket);
  configure(daemon.configPath, () => ({ log: { level: "error" } }));
  process.kill(daemon.pid, "SIGHUP");
  const requests = () => daemon.log.filter(({ msg }) => msg === "request").length;
  await eventually(async () => {
    const before = requests();
    await operator.ledger.get({});
    await operator.ledger.get({});
    // A line of the log is written after the answer, so a refusal, which error lets through, comes after both.
    writeFileSync(daemon.configPath, "no: [");
    await reloaded(daemon);
    return requests() - before;
  }).toBe(0);
});

test.for<{ readonly what: string; readonly spoil: (configPath: string) => void; readonly says: string }>([
  { what: "is missing", spoil: (path) => rmSync(path), says: "can't be read (ENOENT)" },
  {
    what: "is invalid",
    spoil: (path) => configure(path, () => ({ limits: { watchers: 0 } })),
    says: "limits.watchers",
  },
  {
    what: "can be written by a group",
    spoil: (path) => chmodSync(path, 0o664),
    says: "others than root and the daemon's user may write to it",
  },
  {
    what: "changes what needs a restart, whatever else it changes",
    spoil: (path) =>
      configure(path, () => ({
        issuer: "https://other.example.org",
        wit_svid: false,
        policies: { external: { opa: { url: "https://opa.example.org" } } },
        http: { listen: "127.0.0.1:1", plain_on_loopback: true },
        entries: [],
      })),
    says: "needs a restart: issuer, http.listen, wit_svid, policies.external",
  },
  {
    what: "leaves no admin",
    spoil: (path) =>
      configure(path, ({ entries }) => ({
        entries: [...entries, { kind: "operator", name: "eve", selectors: ["unix:uid:4321"], role: "viewer" }],
      })),
    says: "no admin would be in force",
  },
])("a file that $what changes nothing, and the log says why", async ({ spoil, says }) => {
  const daemon = await started();
  using operator = operatorOf(daemon.operatorSocket);
  const before = await operator.ledger.get({});
  spoil(daemon.configPath);
  expect(await reloaded(daemon)).toMatch(/^not reloaded, nothing is changed: /);
  expect(outcomes(daemon).at(-1)).toContain(says);
  expect(await operator.ledger.get({})).toEqual(before);
});

test.runIf(process.geteuid?.() === 0)("a file of another user than root and the daemon's changes nothing", async () => {
  const daemon = await started();
  chownSync(daemon.configPath, 4_321, 0);
  expect(await reloaded(daemon)).toContain("others than root and the daemon's user may write to it");
});

test("many hangups at once are folded, and none ends the daemon", async () => {
  const daemon = await started();
  for (let count = 0; count < 50; count += 1) process.kill(daemon.pid, "SIGHUP");
  await eventually(() => outcomes(daemon).length).toBeGreaterThan(0);
  using operator = operatorOf(daemon.operatorSocket);
  await operator.ledger.get({});
  expect(new Set(outcomes(daemon))).toEqual(new Set(["reloaded"]));
  expect(outcomes(daemon).length).toBeLessThanOrEqual(50);
  expect(await daemon.stop()).toBe(0);
});
