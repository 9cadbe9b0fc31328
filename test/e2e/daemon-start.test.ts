import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import { startDaemon } from "../daemon.ts";
import { STINTD } from "../programs.ts";
import { OWN_ENTRIES } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

/** Where a daemon has run before and stopped: its configuration and all it keeps. */
let ranBefore: string;

beforeAll(async () => {
  const daemon = await startDaemon({ entries: OWN_ENTRIES });
  ranBefore = daemon.directory;
  expect(await daemon.stop()).toBe(0);
});
afterAll(() => rmSync(ranBefore, { recursive: true, force: true }));

type Place = {
  readonly directory: string;
  readonly configPath: string;
  readonly workloadSocket: string;
  readonly operatorSocket: string;
  readonly data: string;
  /** The path of one of the private keys. */
  readonly key: string;
};

/** A copy of it for one test, with owners and modes. */
function place(): Place & Disposable {
  const directory = mkdtempSync(join(tmpdir(), "stint-"));
  execFileSync("cp", ["--archive", `${ranBefore}/.`, directory]);
  const configPath = join(directory, "stint.yaml");
  writeFileSync(configPath, readFileSync(configPath, "utf8").replaceAll(ranBefore, directory));
  const data = join(directory, "data");
  const [key = ""] = readdirSync(join(data, "keys"));
  return {
    directory,
    configPath,
    workloadSocket: join(directory, "workload.sock"),
    operatorSocket: join(directory, "operator.sock"),
    data,
    key: join(data, "keys", key),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Changes what the configuration says. */
function configure(configPath: string, change: (config: Record<string, unknown>) => Record<string, unknown>): void {
  writeFileSync(configPath, stringify(change(parse(readFileSync(configPath, "utf8")))));
}

const ENDED_WITHIN_MS = 20_000;

type Ran = { readonly status: number | null; readonly out: string; readonly err: string };

/** Runs `stintd` to its end; the last line of what it says on standard error is why it ended. */
async function runStintd(command: "run" | "validate", configPath: string, ...flags: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [STINTD, command, "--config", configPath, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  // One that starts although it should not must not outlive the test.
  const timer = setTimeout(() => child.kill("SIGKILL"), ENDED_WITHIN_MS);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const [status] = (await once(child, "close")) as [number | null];
  clearTimeout(timer);
  return { status, out, err: whyOf(err.trimEnd().split("\n").at(-1) ?? "") };
}

/** What a person would be told: a daemon without a terminal says the same in the last line of its log. */
function whyOf(line: string): string {
  if (!line.startsWith("{")) return line;
  const { level, why } = JSON.parse(line) as { readonly level: string; readonly why: string };
  expect(level).toBe("fatal");
  return `stintd: ${why}`;
}

test("a second daemon on the same data directory does not start, whatever its sockets, and the first goes on unharmed", async () => {
  await using first = await startDaemon({ entries: OWN_ENTRIES });
  const configPath = join(first.directory, "stint.yaml");
  const ownSockets = join(first.directory, "second.yaml");
  writeFileSync(ownSockets, readFileSync(configPath));
  configure(ownSockets, (config) => ({
    ...config,
    workload: { socket: join(first.directory, "second.sock") },
    operator: { socket: join(first.directory, "second-operator.sock") },
  }));
  using operator = operatorOf(first.operatorSocket);
  const before = await operator.ledger.get({});
  const why = "stintd: another broker is running on this data directory";
  for (const ran of await Promise.all([runStintd("run", configPath), runStintd("run", ownSockets)])) {
    expect(ran).toEqual({ status: 1, out: "", err: why });
  }
  expect(await operator.ledger.get({})).toEqual(before);
  await operator.entries.disable({ entry: "verifier/mcp-2" });
  expect(existsSync(first.workloadSocket)).toBe(true);
  expect(await first.stop()).toBe(0);
});

test.for([{ nodeFlags: ["--disable-sigusr1"] }, { nodeFlags: [] }])(
  "no signal opens a debugger, whoever started the daemon and how: node $nodeFlags",
  async ({ nodeFlags }) => {
    await using daemon = await startDaemon({ entries: OWN_ENTRIES, nodeFlags });
    expect(daemon.pid).toBe(daemon.child.pid);
    expect(daemon.log.every(({ msg }) => !/warning/i.test(String(msg)))).toBe(true);
    process.kill(daemon.pid, "SIGUSR1");
    using operator = operatorOf(daemon.operatorSocket);
    // Answered after the signal was, which a debugger would have announced by then.
    await operator.ledger.get({});
    await operator.ledger.get({});
    expect(readFileSync(`/proc/${daemon.pid}/cmdline`, "utf8").split("\0")).toContain("--disable-sigusr1");
    expect(daemon.stderr()).not.toContain("Debugger");
    expect(await daemon.stop()).toBe(0);
  },
);

describe("a daemon that was killed", () => {
  test("leaves its sockets behind, and the next takes their place", async () => {
    await using first = await startDaemon({ entries: OWN_ENTRIES });
    await first.kill();
    const left = [first.workloadSocket, first.operatorSocket].map((path) => lstatSync(path));
    expect(left.map((stats) => stats.isSocket())).toEqual([true, true]);
    await using second = await first.restart();
    expect([second.workloadSocket, second.operatorSocket].map((path) => lstatSync(path).ino)).not.toEqual(
      left.map((stats) => stats.ino),
    );
    using operator = operatorOf(second.operatorSocket);
    expect(await operator.ledger.get({})).toMatchObject({ suspendedBecause: [] });
    expect(await second.stop()).toBe(0);
    expect(existsSync(second.workloadSocket)).toBe(false);
  });
});

describe.concurrent("where its socket is to be it does not start, and leaves alone,", () => {
  test.for([
    {
      what: "a file",
      at: "workloadSocket",
      put: (path: string) => writeFileSync(path, "a letter"),
      why: "not a socket",
    },
    {
      what: "a symbolic link",
      at: "operatorSocket",
      put(path: string) {
        writeFileSync(`${path}.target`, "a letter");
        symlinkSync(`${path}.target`, path);
      },
      why: "symbolic link",
    },
    {
      what: "a socket that somebody listens on",
      at: "operatorSocket",
      async put(path: string) {
        const server = createServer().listen(path);
        await once(server, "listening");
        server.unref();
      },
      why: "somebody listens there already",
    },
  ] as const)("$what", async ({ at, put, why }) => {
    using here = place();
    const path = here[at];
    await put(path);
    const before = lstatSync(path);
    const ran = await runStintd("run", here.configPath);
    expect(ran).toMatchObject({ status: 1, out: "" });
    expect(ran.err).toMatch(`stintd: socket ${path}: `);
    expect(ran.err).toContain(why);
    expect(lstatSync(path)).toMatchObject({ ino: before.ino, mode: before.mode, mtimeMs: before.mtimeMs });
    // What it had put in place already is taken away again.
    expect(existsSync(at === "workloadSocket" ? here.operatorSocket : here.workloadSocket)).toBe(false);
  });
});

describe.concurrent("it does not start, and names the path, when", () => {
  test.for([
    {
      what: "its data directory is open to others",
      tamper: ({ data }: Place) => chmodSync(data, 0o755),
      names: ({ data }: Place) => data,
    },
    {
      what: "its data directory is a symbolic link",
      tamper({ data }: Place) {
        renameSync(data, `${data}.real`);
        symlinkSync(`${data}.real`, data);
      },
      names: ({ data }: Place) => data,
    },
    {
      what: "anybody may put another data directory in the place of its own",
      tamper: ({ directory }: Place) => chmodSync(directory, 0o777),
      names: ({ directory }: Place) => directory,
    },
    {
      what: "a key can be read by others",
      tamper: ({ key }: Place) => chmodSync(key, 0o640),
      names: ({ key }: Place) => key,
    },
    {
      what: "a key is a symbolic link",
      tamper({ key, directory }: Place) {
        renameSync(key, join(directory, "moved.pem"));
        symlinkSync(join(directory, "moved.pem"), key);
      },
      names: ({ key }: Place) => key,
    },
    {
      what: "the key of its cursors can be read by others",
      tamper: ({ data }: Place) => chmodSync(join(data, "cursor.key"), 0o644),
      names: ({ data }: Place) => join(data, "cursor.key"),
    },
  ])("$what", async ({ tamper, names }) => {
    using here = place();
    tamper(here);
    const ran = await runStintd("run", here.configPath);
    expect(ran).toMatchObject({ status: 1, out: "" });
    expect(ran.err).toMatch(/^stintd: /);
    expect(ran.err).toContain(`${names(here)}: `);
    expect(existsSync(here.workloadSocket)).toBe(false);
  });
});

describe.concurrent("a configuration that is wrong is told in one line with its place", () => {
  test.for([
    { what: "a key that is none", command: "run", line: "lgo: { level: debug }", says: ": lgo: " },
    {
      what: "a value out of its bounds",
      command: "validate",
      line: "limits: { watchers: 0 }",
      says: ": limits.watchers: ",
    },
    { what: "a key given twice", command: "run", line: "issuer: https://other.example.org", says: "second time" },
    { what: "text that is no YAML", command: "validate", line: "limits: ]", says: "YAML" },
  ] as const)("by $command: $what", async ({ command, line, says }) => {
    using here = place();
    const lines = readFileSync(here.configPath, "utf8").trimEnd().split("\n");
    writeFileSync(here.configPath, [...lines, line, ""].join("\n"));
    const ran = await runStintd(command, here.configPath);
    expect(ran).toMatchObject({ status: 1, out: "" });
    expect(ran.err).toMatch(`stintd: ${here.configPath}:${lines.length + 1}:`);
    expect(ran.err).toContain(says);
  });

  test("a flag that is wrong is a mistake in how it was called: status 2", async () => {
    using here = place();
    expect(await runStintd("run", here.configPath, "--config-file", "x")).toMatchObject({ status: 2, out: "" });
  });
});

test("validate tells what running would create, update and remove, what stands in the way, and changes nothing", async () => {
  await using daemon = await startDaemon({ entries: OWN_ENTRIES });
  const configPath = join(daemon.directory, "next.yaml");
  writeFileSync(configPath, readFileSync(join(daemon.directory, "stint.yaml")));
  using operator = operatorOf(daemon.operatorSocket);
  await operator.entries.create({
    content: {
      name: "archive",
      selectors: ["unix:uid:1"],
      kind: { case: "verifier", value: { audiences: ["https://archive.example/mcp"] } },
    },
  });
  const { sequence } = await operator.ledger.get({});

  const [agent, runtime, verifier] = OWN_ENTRIES;
  configure(configPath, (config) => ({
    ...config,
    entries: [
      { ...agent, jwt_svid_ttl: 60 },
      runtime,
      verifier,
      { ...verifier, name: "mcp-3" },
      { ...verifier, name: "archive" },
    ],
  }));
  const ran = await runStintd("validate", configPath);
  expect(ran.status).toBe(0);
  expect(ran.out.trimEnd().split("\n")).toEqual([
    "valid",
    "would create verifier/mcp-3",
    "would update agent/researcher",
    "would remove verifier/mcp-2, closing its steps",
    "conflict: verifier/archive was made by API and is left alone",
  ]);
  expect((await operator.ledger.get({})).sequence).toBe(sequence);
});

describe("a ledger's trust domain can't be changed", () => {
  const because =
    "trust_domain: expected example.org, which is this ledger's and can't be changed; another trust domain takes a data directory of its own";
  const asFlag = ["--set", "trust_domain=other.example"];

  test.for([{ command: "run" as const }, { command: "validate" as const }])(
    "by a flag: $command says where it is set, and nothing is written",
    async ({ command }) => {
      using at = place();
      const keys = readdirSync(join(at.data, "keys"));
      const ran = await runStintd(command, at.configPath, ...asFlag);
      expect(ran).toEqual({ status: 1, out: "", err: `stintd: flag trust_domain: ${because}` });
      expect(readdirSync(join(at.data, "keys"))).toEqual(keys);
      expect(await runStintd("validate", at.configPath)).toMatchObject({
        status: 0,
        out: "valid\nwould change nothing\n",
      });
    },
  );

  test("by the file", async () => {
    using at = place();
    configure(at.configPath, (config) => ({ ...config, trust_domain: "other.example" }));
    const { status, err } = await runStintd("run", at.configPath);
    expect([status, err]).toEqual([1, `stintd: ${at.configPath}:1:15: ${because}`]);
  });
});

test("an agent under the broker's user that was let in before is told of at the start", async () => {
  await using first = await startDaemon({ entries: [] });
  using operator = operatorOf(first.operatorSocket);
  const uid = `unix:uid:${process.geteuid?.()}`;
  await operator.entries.create({
    content: { name: "old", selectors: [uid], kind: { case: "agent", value: { ceiling: { elements: [] } } } },
  });
  await first.stop();
  const config = { development: false };
  await using second = await startDaemon({ entries: [], config, directory: first.directory });
  expect(second.log.map(({ msg }) => msg)).toContain(
    "entries: agent/old is under the broker's user or an operator's: take it back",
  );
  using next = operatorOf(second.operatorSocket);
  await next.entries.disable({ entry: "agent/old" });
  await expect(next.entries.enable({ entry: "agent/old" })).rejects.toMatchObject({ reason: "INVALID_FIELD" });
});
