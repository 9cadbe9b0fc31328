import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { parse, stringify } from "yaml";
import { eventually } from "../adapters/attestor-unix/peer-processes.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, type DaemonOptions, startDaemon } from "../daemon.ts";
import { STINTD } from "../programs.ts";
import { FILES, SEARCH } from "./entries.ts";
import { type Runtime, runtimeAt } from "./one-user.ts";

/** Several daemons are started one after the other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const selectors = [`unix:uid:${process.getuid?.()}`];
const READ = { type: "mcp_tool", locations: [SEARCH], identifier: "search", actions: ["read"], datatypes: ["public"] };
const WRITE = { ...READ, locations: [FILES], identifier: "put", actions: ["write"] };
const SECRET = { ...READ, identifier: "vault", actions: ["retrieve_secret"] };
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ, WRITE, SECRET] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
];
const BAD = "permit (principal, action, resource)\nwhen { context.nothing == 1 };\n";
const NO_WRITES = '@id("site.no-writes")\nforbid (principal, action == Action::"write", resource);\n';

async function started(options: DaemonOptions = {}): Promise<Daemon> {
  const daemon = await startDaemon({ entries: ENTRIES, ...options });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

/** The same data, with other settings. */
async function restarted(daemon: Daemon, config: DaemonOptions["config"]): Promise<Daemon> {
  await daemon.stop();
  return started({ directory: daemon.directory, ...(config === undefined ? {} : { config }) });
}

const stint = (daemon: Daemon, ...args: readonly string[]) =>
  runStint(["--operator-socket", daemon.operatorSocket, ...args]);

/** What the broker answers to a step with this grant: the step's id, or the reason of the refusal. */
async function opening(runtime: Runtime, ...elements: (typeof READ)[]): Promise<string> {
  try {
    const { stepId } = await runtime.open({ grant: { elements } });
    return stepId;
  } catch (thrown) {
    return (thrown as { readonly info?: { readonly reason: string } }).info?.reason ?? String(thrown);
  }
}

const OPENED = expect.stringMatching(/^step_/);

function siteOf({ directory }: Pick<Daemon, "directory">, files: Readonly<Record<string, string>>): string {
  const site = join(directory, "site");
  mkdirSync(site, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(site, name), text);
  return site;
}

const withSite = (directory: string) => ({ policies: { directory: join(directory, "site") } });

async function reloaded(daemon: Daemon, change: (settings: Record<string, unknown>) => object): Promise<string> {
  const path = join(daemon.directory, "stint.yaml");
  const settings = parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  writeFileSync(path, stringify({ ...settings, ...change(settings) }));
  const outcomes = () => daemon.log.map(({ msg }) => msg ?? "").filter((msg) => /reloaded/.test(msg));
  const before = outcomes().length;
  process.kill(daemon.pid, "SIGHUP");
  await eventually(() => outcomes().length).toBeGreaterThan(before);
  return outcomes().at(-1) ?? "";
}

test("on a new ledger the baseline decides from the first request on, and a restart keeps what is in force", async () => {
  const daemon = await started();
  using runtime = runtimeAt(daemon.workloadSocket);
  expect(await opening(runtime, READ, WRITE)).toEqual(OPENED);
  expect(await opening(runtime, WRITE, SECRET)).toBe("POLICY_DENIED");
  const before = JSON.parse((await stint(daemon, "policy", "list", "-o", "json")).out) as unknown;
  expect(before).toMatchObject([{ version: 1, in_force: true, origin: "config" }]);

  const again = await restarted(daemon, undefined);
  using later = runtimeAt(again.workloadSocket);
  expect(await opening(later, WRITE, SECRET)).toBe("POLICY_DENIED");
  expect(JSON.parse((await stint(again, "policy", "list", "-o", "json")).out)).toEqual(before);
  const decisions = await stint(again, "history", "decisions", "--effect", "deny", "-o", "json");
  expect(JSON.parse(decisions.out)).toMatchObject([
    {
      act: "open",
      policy_version: 1,
      determining_policies: expect.arrayContaining(["baseline.separation"]),
      situation: { depth: 0, risk: { domain: "low" } },
    },
    { policy_version: 1 },
  ]);
});

test("on a ledger that knew no policies they are recorded and decide nothing until an operator activates them, who sees first what would change", async () => {
  const without = await started({ config: { policies: { baseline: false } } });
  {
    using runtime = runtimeAt(without.workloadSocket);
    expect(await opening(runtime, WRITE, SECRET)).toEqual(OPENED);
    expect(await opening(runtime, READ)).toEqual(OPENED);
  }
  const daemon = await restarted(without, {});
  using runtime = runtimeAt(daemon.workloadSocket);
  expect(await opening(runtime, WRITE, SECRET)).toEqual(OPENED);
  const said = "policies: version 1 is not in force, no policies are; see `stint policy diff 0 1`";
  expect(daemon.log.map(({ msg }) => msg)).toContain(said);
  expect((await stint(daemon, "status")).out).toContain(said);

  const unasked = await stint(daemon, "policy", "activate", "1", "--reason", "looked at");
  expect(unasked).toMatchObject({ status: 2, err: expect.stringContaining("--yes: needed where nobody can be asked") });
  expect(unasked.err).toMatch(/deny +-put -vault +baseline\.separation/);
  expect(unasked.err).toContain("decisions: 3, of which would be others: 2");
  expect(unasked.err).toContain("open steps that it does not permit, and that end: 2");
  expect(await opening(runtime, WRITE, SECRET)).toEqual(OPENED);

  const activated = await stint(daemon, "policy", "activate", "1", "--reason", "looked at", "--yes");
  expect(activated).toMatchObject({ status: 0, err: expect.stringContaining("version 1 is in force") });
  expect(await opening(runtime, WRITE, SECRET)).toBe("POLICY_DENIED");
  expect(await opening(runtime, READ)).toEqual(OPENED);
  expect((await stint(daemon, "status")).out).not.toContain("not in force");
  expect(JSON.parse((await stint(daemon, "policy", "status", "-o", "json")).out)).toMatchObject({
    in_force_version: 1,
    activated_by: "operator",
    reason: "looked at",
  });
});

test("policies that were swapped for one with an error: nothing of a reload is taken, a start refuses, and each says file, line and column", async () => {
  const daemon = await started({
    config: (directory) => {
      siteOf({ directory }, { "site.cedar": NO_WRITES });
      return withSite(directory);
    },
  });
  using runtime = runtimeAt(daemon.workloadSocket);
  expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");

  siteOf(daemon, { "site.cedar": BAD });
  const outcome = await reloaded(daemon, () => ({ log: { level: "debug" } }));
  expect(outcome).toMatch(/^not reloaded, nothing is changed: .*policies/s);
  expect(outcome).toMatch(/site\.cedar:2:8: /);
  expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");
  expect(await opening(runtime, READ)).toEqual(OPENED);

  const put = await stint(daemon, "policy", "put", join(daemon.directory, "site"));
  expect(put).toMatchObject({ status: 1, out: expect.stringMatching(/^site\.cedar:2:8: /) });
  const { stderr, status } = spawnSync(
    process.execPath,
    [STINTD, "validate", "--config", join(daemon.directory, "stint.yaml")],
    { encoding: "utf8" },
  );
  expect({ stderr, status }).toMatchObject({ status: 1, stderr: expect.stringMatching(/^site\.cedar:2:8: /m) });
  await daemon.stop();
  await expect(started({ directory: daemon.directory, config: withSite(daemon.directory) })).rejects.toThrow(
    /site\.cedar:2:8: /,
  );
});

test("a directory that changed is in force after a reload, until an operator has put a set of another origin in force", async () => {
  const daemon = await started({
    config: (directory) => {
      siteOf({ directory }, { "site.cedar": NO_WRITES });
      return withSite(directory);
    },
  });
  using runtime = runtimeAt(daemon.workloadSocket);
  expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");
  siteOf(daemon, { "site.cedar": '@id("site.no-reads")\nforbid (principal, action == Action::"read", resource);\n' });
  expect(await reloaded(daemon, () => ({}))).toBe("reloaded");
  expect(await opening(runtime, WRITE)).toEqual(OPENED);
  expect(await opening(runtime, READ)).toBe("POLICY_DENIED");

  // Back to what it was: the first version is in force again.
  siteOf(daemon, { "site.cedar": NO_WRITES });
  expect(await reloaded(daemon, () => ({}))).toBe("reloaded");
  expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");

  // What an operator went back to stays, as long as the directory says nothing new.
  await stint(daemon, "policy", "activate", "2", "--reason", "drill", "--yes");
  expect(await reloaded(daemon, () => ({}))).toBe("reloaded");
  expect(await opening(runtime, READ)).toBe("POLICY_DENIED");

  const api = join(daemon.directory, "api");
  mkdirSync(api);
  writeFileSync(join(api, "api.cedar"), "permit (principal, action, resource);\n");
  const put = JSON.parse((await stint(daemon, "policy", "put", api, "--no-baseline", "-o", "json")).out) as {
    version: number;
  };
  expect(put).toMatchObject({ version: 3, origin: "api", in_force: false });
  await stint(daemon, "policy", "activate", "3", "--reason", "by hand", "--yes");
  siteOf(daemon, { "more.cedar": '@id("site.more")\nforbid (principal, action == Action::"execute", resource);\n' });
  expect(await reloaded(daemon, () => ({}))).toBe("reloaded");
  expect(daemon.log.map(({ msg }) => msg)).toContain(
    "policies: version 4 is not in force, version 3 is; see `stint policy diff 3 4`",
  );
  expect(await opening(runtime, WRITE, SECRET)).toEqual(OPENED);
  expect(await opening(runtime, READ)).toEqual(OPENED);
});

test("a directory that holds no policies is a mistake: nothing is recorded, a reload keeps what the site forbids, and a start refuses", async () => {
  const daemon = await started({
    config: (directory) => {
      siteOf({ directory }, { "site.cedar": NO_WRITES });
      return withSite(directory);
    },
  });
  using runtime = runtimeAt(daemon.workloadSocket);
  const site = join(daemon.directory, "site");
  rmSync(join(site, "site.cedar"));

  const says = (instead: string) => ({
    ...{ status: 2, out: "", err: `stint: ${site}: holds no file *.cedar; to have the baseline alone, ${instead}\n` },
  });
  expect(await stint(daemon, "policy", "put", site)).toEqual(says("give no directory"));
  expect(await stint(daemon, "policy", "replay", "--policies", site)).toEqual(
    says("record it (stint policy put) and give its version (--policy-version)"),
  );
  expect(JSON.parse((await stint(daemon, "policy", "list", "-o", "json")).out)).toHaveLength(1);
  expect(await stint(daemon, "policy", "put", "--no-baseline")).toMatchObject({ status: 2 });
  const baseline = JSON.parse((await stint(daemon, "policy", "put", "-o", "json")).out) as object;
  expect(baseline).toMatchObject({ version: 2, origin: "api", in_force: false });
  expect(await stint(daemon, "policy", "replay", "--policy-version", "2")).toMatchObject({ status: 0 });

  const finding = `${site}:1:1: holds no file *.cedar; a site without policies of its own leaves policies.directory out`;
  expect(await reloaded(daemon, () => ({ log: { level: "debug" } }))).toContain(finding);
  expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");
  await daemon.stop();
  await expect(started({ directory: daemon.directory, config: withSite(daemon.directory) })).rejects.toThrow(finding);
});

test("an activation under load is seen whole: each decision names one version, and decides as that version does", async () => {
  const daemon = await started({ config: { policies: { baseline: true } } });
  const api = siteOf(daemon, { "site.cedar": NO_WRITES });
  await stint(daemon, "policy", "put", api);
  using runtime = runtimeAt(daemon.workloadSocket);
  let isOver = false;
  const answers: string[] = [];
  const load = Array.from({ length: 4 }, async () => {
    while (!isOver) answers.push(await opening(runtime, WRITE));
  });
  for (const version of ["2", "1", "2"]) {
    const before = answers.length;
    await eventually(() => answers.length).toBeGreaterThan(before + 4);
    await stint(daemon, "policy", "activate", version, "--reason", "drill", "--yes");
    // In force means for everybody: not one step more is opened under the version before.
    if (version === "2") expect(await opening(runtime, WRITE)).toBe("POLICY_DENIED");
    else expect(await opening(runtime, WRITE)).toEqual(OPENED);
  }
  isOver = true;
  await Promise.all(load);
  // What was opened by the version before may have been judged anew, and have ended, before its caller had the answer.
  const isOpened = (answer: string) => answer.startsWith("step_") || answer === "STEP_CLOSED";
  expect(new Set(answers.map((answer) => (isOpened(answer) ? "opened" : answer)))).toEqual(
    new Set(["opened", "POLICY_DENIED"]),
  );
  const listed = await stint(daemon, "history", "decisions", "--limit", "5000", "-o", "json");
  const decisions = JSON.parse(listed.out) as { policy_version: number; effect: string; count: number }[];
  expect(decisions.length).toBeGreaterThan(15);
  expect(new Set(decisions.map(({ policy_version: version, effect }) => `${version} ${effect}`))).toEqual(
    new Set(["1 allow", "2 deny"]),
  );
});

test("a replay lists what other policies would have decided and changes nothing; what is suggested permits what was granted", async () => {
  const daemon = await started();
  using runtime = runtimeAt(daemon.workloadSocket);
  expect(await opening(runtime, READ, WRITE)).toEqual(OPENED);
  expect(await opening(runtime, WRITE, SECRET)).toBe("POLICY_DENIED");
  const head = (await stint(daemon, "status", "-o", "json")).out;

  const site = siteOf(daemon, { "site.cedar": NO_WRITES });
  const replayed = await stint(daemon, "policy", "replay", "--policies", site, "-o", "json", "--fail-on-flips");
  expect(replayed.status).toBe(1);
  expect(JSON.parse(replayed.out)).toMatchObject({
    decisions: 2,
    skipped: 0,
    flips_count: 1,
    flips: [
      {
        agent: "researcher",
        before: "allow",
        after: "deny",
        determining_policies: ["site.no-writes"],
        reconstructed: false,
      },
    ],
    counts: [
      { agent: "researcher", tool: "put", lost: 1, gained: 0 },
      { agent: "researcher", tool: "search", lost: 1, gained: 0 },
    ],
  });
  // Without any policy what the baseline refused would have been granted.
  const ceilings = await stint(daemon, "policy", "replay", "--policy-version", "0", "-o", "jsonl");
  expect(JSON.parse(ceilings.out)).toMatchObject({
    before: "deny",
    after: "allow",
    gained: [{ identifier: "put" }, { identifier: "vault" }],
  });
  expect(await stint(daemon, "policy", "replay", "--policy-version", "1", "--fail-on-flips")).toMatchObject({
    status: 0,
    out: "",
  });

  const suggested = await stint(daemon, "policy", "suggest", "--agent", "researcher", "-o", "json");
  const { policies, ...others } = JSON.parse(suggested.out) as { policies: string };
  expect(others).toMatchObject({
    decisions: 2,
    denied: 0,
    ceiling: [
      { identifier: "put", locations: [FILES], actions: ["write"], datatypes: ["public"] },
      { identifier: "search", locations: [SEARCH], actions: ["read"], datatypes: ["public"] },
    ],
    unused: [],
  });
  const own = siteOf(daemon, { "site.cedar": policies });
  expect(await stint(daemon, "policy", "replay", "--policies", own, "--no-baseline", "--fail-on-flips")).toMatchObject({
    status: 0,
  });
  expect(JSON.parse((await stint(daemon, "status", "-o", "json")).out).sequence).toBe(JSON.parse(head).sequence);

  siteOf(daemon, { "site.cedar": BAD });
  expect(await stint(daemon, "policy", "replay", "--policies", site)).toMatchObject({
    status: 1,
    err: expect.stringContaining("site.cedar:2:8: "),
  });
});

test("what decides can be read: the text of a policy, what two versions differ in, and that none decides any more", async () => {
  const daemon = await started();
  const site = siteOf(daemon, { "site.cedar": NO_WRITES });
  expect((await stint(daemon, "policy", "put", site)).out).toMatch(/^version +2$/m);
  expect((await stint(daemon, "policy", "put", site)).out).toMatch(/^version +2$/m);
  expect(await stint(daemon, "policy", "show", "2", "site.no-writes")).toEqual({
    status: 0,
    out: NO_WRITES,
    err: "stint: site.cedar:1\n",
  });
  const diff = await stint(daemon, "policy", "diff", "1", "2", "-o", "json");
  expect(JSON.parse(diff.out)).toMatchObject([
    { change: "added", kind: "policy", name: "site.no-writes", before: null },
  ]);
  expect((await stint(daemon, "policy", "diff", "2", "0")).out).toMatch(/^removed +data_class +public$/m);

  using runtime = runtimeAt(daemon.workloadSocket);
  expect((await stint(daemon, "policy", "activate", "0", "--reason", "drill", "--yes")).status).toBe(2);
  expect(await stint(daemon, "policy", "activate", "7", "--reason", "drill", "--yes")).toMatchObject({
    status: 1,
    err: expect.stringContaining("INVALID_FIELD: version: one that the broker has"),
  });
  expect(await opening(runtime, WRITE, SECRET)).toBe("POLICY_DENIED");
  await stint(daemon, "policy", "activate", "0", "--none", "--reason", "drill", "--yes");
  expect(await opening(runtime, WRITE, SECRET)).toEqual(OPENED);
});
