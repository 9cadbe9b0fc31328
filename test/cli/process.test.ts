import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { stintProgram } from "../../src/cli/program.ts";
import { systemContext } from "../../src/cli/system-context.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { STINT, STINTD } from "../programs.ts";
import { runStint } from "./running.ts";

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

function start(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

async function run(program: string, args: readonly string[], environment?: NodeJS.ProcessEnv) {
  const child = start(program, args, environment);
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { status, out, err };
}

function commandsOf(command: Command): readonly Command[] {
  const shown = command.createHelp().visibleCommands(command);
  return [command, ...shown.filter((one) => one.name() !== "help").flatMap(commandsOf)];
}

describe("the exit status", () => {
  const here = (args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);

  test.for([
    { is: "0 when it is done", args: ["ledger", "show"], status: 0 },
    { is: "0 for help that was asked for", args: ["history", "--help"], status: 0 },
    { is: "1 when it is refused", args: ["step", "show", "step_none"], status: 1 },
    { is: "2 for an unknown command", args: ["unknown"], status: 2 },
    { is: "2 for an unknown flag", args: ["ledger", "show", "--unknown"], status: 2 },
    { is: "2 for a format that is none", args: ["-o", "xml", "ledger", "show"], status: 2 },
    {
      is: "2 for a socket that is none",
      args: ["--operator-socket", "tcp://127.0.0.1:1", "ledger", "show"],
      status: 2,
    },
    { is: "2 without a command", args: [], status: 2 },
    {
      is: "3 when nobody is there",
      args: ["--operator-socket", "/nowhere/operator.sock", "ledger", "show"],
      status: 3,
    },
  ])("is $is", async ({ args, status }) => {
    const ran = await here(args);
    expect(ran.status).toBe(status);
    // Data and nothing else on standard output; why not, in one's own name, on the other.
    if (status !== 0) expect(ran).toMatchObject({ out: "", err: expect.stringMatching(/^(stint: |Usage: stint)/) });
  });

  test("is the process's own", async () => {
    expect(await run(STINT, ["--operator-socket", "/nowhere/operator.sock", "ledger", "show"])).toEqual({
      status: 3,
      out: "",
      err: "stint: can't reach the broker at /nowhere/operator.sock: there is no such socket\n",
    });
  });
});

describe("a flag", () => {
  test("wins over its variable, which wins over the default", async () => {
    const environment = { STINT_OPERATOR_SOCKET: daemon.operatorSocket, STINT_OUTPUT: "jsonl" };
    const byVariable = await run(STINT, ["ledger", "show"], environment);
    expect(byVariable.out).toMatch(/^\{"epoch":/);
    const byFlag = await run(STINT, ["-o", "csv", "ledger", "show"], environment);
    expect(byFlag.out).toMatch(/^epoch,sequence,root_hash,suspended_because\r\n/);
    const byDefault = await run(STINT, ["ledger", "show"], { ...environment, STINT_OUTPUT: undefined });
    expect(byDefault.out).toMatch(/^epoch +epoch_/);
  });

  test("that says what to revoke is not taken from what is set for every command that runs as a step", async () => {
    const environment = { STINT_OPERATOR_SOCKET: daemon.operatorSocket, STINT_STEP_ID: "step_1" };
    expect((await run(STINT, ["revoke"], environment)).status).toBe(2);
  });

  test("for one step is not taken from what is set for every command that runs as a step", async () => {
    const environment = {
      STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      STINT_STEP_ID: "step_1",
      STINT_OUTPUT: "jsonl",
    };
    const { status, out } = await run(STINT, ["history", "events"], environment);
    expect([status, out.includes("epoch.started")]).toEqual([0, true]);
  });

  test.for([
    { said: "false", keeps: false },
    { said: "0", keeps: false },
    { said: "", keeps: false },
    { said: "true", keeps: true },
    { said: "1", keeps: true },
  ])("without a value is on or off as its variable says: $said", async ({ said, keeps }) => {
    const environment = { STINT_OPERATOR_SOCKET: daemon.operatorSocket, STINT_OUTPUT: "jsonl", STINT_DRY_RUN: said };
    const { status, out } = await run(STINT, ["revoke", "--run", `run-${said}`, "--bar"], environment);
    expect([status, JSON.parse(out)]).toEqual([0, expect.objectContaining({ dry_run: keeps })]);
  });

  // The second is a member of every object.
  test.for(["no", "constructor"])("without a value is refused where its variable says neither: %s", async (said) => {
    const environment = { STINT_OPERATOR_SOCKET: daemon.operatorSocket, STINT_AUTHORITY_FORCE: said };
    const { status, err } = await run(STINT, ["authority", "activate", "authority_1"], environment);
    expect([status, err]).toEqual([
      2,
      "stint: environment STINT_AUTHORITY_FORCE: expected true or false\n(--help tells how it is called)\n",
    ]);
  });

  test("that takes a value is not set by an empty variable", async () => {
    const environment = { STINT_OPERATOR_SOCKET: daemon.operatorSocket, STINT_OUTPUT: "", STINT_LIMIT: "" };
    expect(await run(STINT, ["history", "events"], environment)).toMatchObject({ status: 0, err: "" });
  });

  test("that is negated has no variable: false for the flag says the same", async () => {
    const { out } = await run(STINT, ["entry", "create", "--help"]);
    expect(out).not.toContain("STINT_NO_");
    const flags = ["--selector", "unix:uid:1", "--ceiling", "[]"];
    const environment = {
      STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      STINT_OUTPUT: "jsonl",
      STINT_MAY_OPEN: "false",
    };
    const created = await run(STINT, ["entry", "create", "agent/a", ...flags], environment);
    expect([created.status, JSON.parse(created.out)]).toEqual([0, expect.objectContaining({ may_open: false })]);
    const wins = await run(STINT, ["entry", "create", "agent/b", ...flags, "--may-open"], environment);
    expect(JSON.parse(wins.out)).toMatchObject({ may_open: true });
  });

  test("is told by the help of every command in one style, and so is what has to be given", async () => {
    const flags: string[] = [];
    for (const command of commandsOf(await stintProgram(systemContext(), ["completion"]))) {
      const help = command.createHelp();
      const where = command.name();
      const parts = [...command.registeredArguments, ...command.options];
      for (const text of [command.description(), ...parts.map(({ description }) => description)]) {
        expect(text, `${where}: ${parts.map((part) => part.name()).join(", ")}`).toMatch(/^[^A-Z].*[^.]$/);
      }
      for (const option of command.options) {
        if (option.mandatory && option.defaultValue === undefined) flags.push(`${where} ${option.long}`);
        expect(help.optionDescription(option).includes("required"), `${where} ${option.long}`).toBe(
          option.mandatory && option.defaultValue === undefined,
        );
      }
    }
    expect(flags).toContain("run --step");
  });

  test("for reading steps chooses the endpoint that was named", async () => {
    const nowhere = { STINT_OPERATOR_SOCKET: undefined, SPIFFE_ENDPOINT_SOCKET: `unix://${daemon.workloadSocket}` };
    expect((await run(STINT, ["step", "list"], nowhere)).err).not.toContain("operator.sock");
  });
});

describe("data", () => {
  test("that nobody reads any more ends the command, without a word", async () => {
    const child = start(STINT, ["-o", "jsonl", "history", "events", "--follow", "--after", "0"], {
      STINT_OPERATOR_SOCKET: daemon.operatorSocket,
    });
    const closed = once(child, "close") as Promise<[number | null]>;
    let err = "";
    child.stderr.on("data", (chunk) => {
      err += String(chunk);
    });
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    expect(JSON.parse(line)).toMatchObject({ sequence: 1, type: "epoch.started" });
    child.stdout.destroy();
    // Something more to write, so that the command notices.
    const flags = ["--selector", "unix:uid:1", "--audience", "urn:a"];
    await runStint(["--operator-socket", daemon.operatorSocket, "entry", "create", "verifier/v", ...flags]);
    const [status] = await closed;
    expect([status, err]).toEqual([0, ""]);
  });

  test("of events comes as they are recorded", async () => {
    const child = start(
      STINT,
      ["-o", "jsonl", "history", "events", "--follow", "--after", "0", "--type", "entry.retired"],
      {
        STINT_OPERATOR_SOCKET: daemon.operatorSocket,
      },
    );
    const line = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
    const operator = ["--operator-socket", daemon.operatorSocket, "entry"];
    const flags = ["--selector", "unix:uid:1", "--audience", "urn:b"];
    expect((await runStint([...operator, "create", "verifier/w", ...flags])).status).toBe(0);
    expect((await runStint([...operator, "delete", "verifier/w"])).status).toBe(0);
    const [text] = await line;
    expect(JSON.parse(text)).toMatchObject({ type: "entry.retired", event: { by: { kind: "operator" } } });
  });
});

test.for(["bash", "fish"])("completion for %s is a script that asks stint itself", async (shell) => {
  const script = await run(STINT, ["completion", shell]);
  expect(script.status).toBe(0);
  expect(script.out).toContain("stint complete --");
});

test("completion knows the commands and the choices of a flag", async () => {
  const complete = async (...words: readonly string[]) => (await run(STINT, ["complete", "--", ...words])).out;
  expect(await complete("history", "")).toMatch(/^issuances\t/m);
  expect(await complete("history", "issuances", "--kind", "")).toMatch(/^jwt\t/m);
});

test.for([
  { program: "stint", file: STINT },
  { program: "stintd", file: STINTD },
])("$program --version is the package's", async ({ file }) => {
  expect(await run(file, ["--version"])).toEqual({
    status: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    err: "",
  });
});

describe("stintd", () => {
  const config = () => `${daemon.directory}/stint.yaml`;

  test("validate tells what running with the file would change", async () => {
    expect(await run(STINTD, ["validate", "--config", config()])).toMatchObject({
      status: 0,
      out: "valid\nwould change nothing\n",
    });
  });

  test("validate warns with the place", async () => {
    await using warned = await startDaemon({
      entries: [{ kind: "verifier", name: "v", selectors: ["unix:uid:4321"], audiences: ["urn:a:b"] }],
    });
    const file = `${warned.directory}/stint.yaml`;
    const { status, err } = await run(STINTD, ["validate", "--config", file]);
    expect([status, err.split("\n")]).toEqual([0, expect.arrayContaining([expect.stringContaining("every program")])]);
    expect(err).toMatch(
      new RegExp(`^stintd: warning: ${file}:\\d+:\\d+: entries\\[0\\]\\.selectors: every program`, "m"),
    );
  });

  test("validate tells what is wrong, with its place, and exits with 1", async () => {
    const ran = await run(STINTD, ["validate", "--config", config(), "--set", "log.level=loud"]);
    expect(ran).toMatchObject({ status: 1, out: "" });
    expect(ran.err).toMatch(/^stintd: flag log\.level: log\.level: expected one of /);
  });

  test.for([{ key: "log.levle" }, { key: "entries" }, { key: "federation" }])(
    "refuses --set $key, which is no setting that a flag can say",
    async ({ key }) => {
      const ran = await run(STINTD, ["validate", "--config", config(), "--set", `${key}=debug`]);
      expect(ran).toEqual({
        status: 1,
        out: "",
        err: `stintd: flag ${key}: expected the key of a setting that is no list, as in the file\n`,
      });
    },
  );

  test.for([
    { what: "a file that is not there", args: ["--config", "/nowhere/stint.yaml"], status: 1 },
    { what: "a setting without a value", args: ["--set", "log.level"], status: 2 },
  ])("does not run with $what", async ({ args, status }) => {
    const ran = await run(STINTD, ["run", ...args]);
    // What was typed is answered by a sentence; what the daemon found is the first and last line of its log.
    const err = expect.stringMatching(status === 2 ? /^stintd: / : /^\{"level":"fatal",.*"why":"[^"]+.*"\}\n$/);
    expect(ran).toMatchObject({ status, out: "", err });
  });
});
