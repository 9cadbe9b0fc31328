import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { BrokerError } from "../../src/domain/errors.ts";
import { type CloseRequest, type OpenRequest, Outcome, Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { addService, type HandlersOf, receivedMessage } from "../../src/wire/service-definition.ts";
import { serviceErrorOf } from "../../src/wire/service-error.ts";
import { startDaemon } from "../daemon.ts";
import { STINT } from "../programs.ts";
import { serving } from "../wire/serving.ts";

const STEP_ID = "step_1";
/** Written by a shell, so that a reader never finds half of it. */
const NOTE = 'printf "%s" "$1" >"$2.part" && mv "$2.part" "$2"';

type Running = { readonly child: ChildProcess; out(): string; err(): string; readonly exited: Promise<number | null> };

function start(args: readonly string[], environment: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [STINT, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    // A process group of its own, as a shell with a terminal gives it.
    detached: true,
    env: { ...process.env, ...environment },
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "close").then(([code]) => code as number | null);
  return { child, out: () => out, err: () => err, exited };
}

const runStep = (
  socket: string,
  command: readonly string[],
  environment?: NodeJS.ProcessEnv,
  flags: readonly string[] = [],
) =>
  start(
    ["--socket", socket, "step", "run", "--run", "r", "--step", "s", "--agent", "a", ...flags, "--", ...command],
    environment,
  );

type Seen = {
  open?: OpenRequest;
  /** Command line of the executor while its step was being opened. */
  gate?: string;
  /** The same while it was being closed; empty for a process that is gone. */
  gateAtClose?: string;
  holding: boolean;
  enrolled: number[];
  closes: CloseRequest[];
};

/** A broker of steps that answers as it is told and remembers what it was asked. */
async function brokerOfSteps(answers: {
  readonly open?: () => void;
  readonly closed?: StepState;
  readonly step?: { readonly state?: StepState; readonly expiresAt?: Timestamp };
  /** What closing is refused with. */
  readonly close?: Partial<ServiceError>;
  /** How many times closing finds nobody at first. */
  readonly awayFor?: number;
  /** Whether whoever holds the step hears nothing. */
  readonly isSilent?: true;
  readonly hold?: (call: Parameters<HandlersOf<typeof Steps>["hold"]>[0]) => void;
}): Promise<{ readonly socket: string; readonly seen: Seen }> {
  const seen: Seen = { holding: false, enrolled: [], closes: [] };
  const step = { stepId: STEP_ID, name: { runId: "r", step: "s", attempt: 3 }, state: StepState.OPEN, ...answers.step };
  const unexpected = () => {
    throw new Error("not called in this test");
  };
  const { socket } = await serving((server) =>
    addService(server, Steps, {
      open(call, answer) {
        const request = receivedMessage(call.request);
        Object.assign(seen, { open: request, gate: commandLineOf(request) });
        try {
          answers.open?.();
          answer(null, { step });
        } catch (thrown) {
          answer(serviceErrorOf(thrown));
        }
      },
      hold(call) {
        seen.holding = true;
        if (answers.isSilent !== true) call.write({ step });
        answers.hold?.(call);
      },
      close(call, answer) {
        const request = receivedMessage(call.request);
        seen.closes.push(request);
        seen.gateAtClose = commandLineOf(seen.open);
        if (seen.closes.length <= (answers.awayFor ?? 0)) return answer({ code: status.UNAVAILABLE, details: "" });
        if (answers.close !== undefined) return answer(answers.close);
        const byOutcome = {
          [Outcome.COMPLETED]: StepState.COMPLETED,
          [Outcome.FAILED]: StepState.FAILED,
          [Outcome.CANCELLED]: StepState.CANCELLED,
        };
        const state = answers.closed ?? byOutcome[request.outcome as keyof typeof byOutcome];
        answer(null, { step: { ...step, state } });
      },
      get: unexpected,
      getTree: unexpected,
      watchClosure: unexpected,
      getClosureReceipt: unexpected,
      list: unexpected,
      renew: unexpected,
      enroll(call, answer) {
        seen.enrolled.push(receivedMessage(call.request).pid);
        answer(null, {});
      },
    }),
  );
  return { socket, seen };
}

function commandLineOf(opening: OpenRequest | undefined): string {
  const executor = opening?.executor?.executor;
  const path = `/proc/${executor?.case === "pid" ? executor.value : 0}/cmdline`;
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-run-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

async function appears(path: string): Promise<string> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (existsSync(path)) return readFileSync(path, "utf8");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`${path} did not appear`);
}

describe("stint step run", () => {
  test("opens the step for the command's own process, before there is a command, and tells it which step it is", async () => {
    const { socket, seen } = await brokerOfSteps({});
    const script =
      'echo "$$ $STINT_RUN_ID $STINT_STEP_NAME $STINT_STEP_ATTEMPT $STINT_STEP_ID $STINT_STEP_AGENT $SPIFFE_ENDPOINT_SOCKET $name"';
    // A variable that a gate written carelessly would take for itself.
    const ran = runStep(socket, ["sh", "-c", script], { name: "kept" });
    expect(await ran.exited).toBe(0);
    const pid = seen.open?.executor?.executor.value;
    expect(ran.out()).toBe(`${String(pid)} r s 3 ${STEP_ID} a unix://${socket} kept\n`);
    expect(ran.err()).toBe("");
    expect(seen.gate).toContain("stint-gate");
    expect(seen.holding).toBe(true);
    expect(seen.open).toMatchObject({ runId: "r", step: "s", agent: "a" });
  });

  test.for([
    { ends: "well", script: "exit 0", status: 0, outcome: Outcome.COMPLETED },
    { ends: "badly", script: "exit 7", status: 7, outcome: Outcome.FAILED },
    { ends: "by a signal", script: "kill -KILL $$", status: 137, outcome: Outcome.FAILED },
  ])("closes the step as the command ends: $ends", async ({ script, status, outcome }) => {
    const { socket, seen } = await brokerOfSteps({});
    const ran = runStep(socket, ["sh", "-c", script]);
    expect(await ran.exited).toBe(status);
    expect(seen.closes).toMatchObject([{ stepId: STEP_ID, outcome }]);
    expect(ran.err()).toBe("");
  });

  test("goes on to close while the broker is away", async () => {
    const { socket, seen } = await brokerOfSteps({ awayFor: 2 });
    const run = runStep(socket, ["true"]);
    expect([await run.exited, run.err()]).toEqual([0, ""]);
    expect(seen.closes).toMatchObject(Array.from({ length: 3 }, () => ({ outcome: Outcome.COMPLETED })));
  });

  test("says so when the command can't be found, and closes the step as failed", async () => {
    const { socket, seen } = await brokerOfSteps({});
    const ran = runStep(socket, ["/nowhere/no-such-command"]);
    expect(await ran.exited).toBe(127);
    expect(ran.err()).toBe("stint: can't run /nowhere/no-such-command: there is no such program\n");
    expect(seen.closes).toMatchObject([{ outcome: Outcome.FAILED }]);
  });

  test("runs nothing when the step is refused", async () => {
    const proof = join(scratch(), "ran");
    const { socket, seen } = await brokerOfSteps({
      open() {
        throw new BrokerError("POLICY_DENIED", "above the ceiling", { metadata: { decision_id: "dec_1" } });
      },
    });
    const ran = runStep(socket, ["touch", proof]);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toBe("stint: POLICY_DENIED: above the ceiling (dec_1)\n");
    expect(existsSync(proof)).toBe(false);
    expect(seen.closes).toEqual([]);
  });

  test("runs nothing when the broker is not there", async () => {
    const directory = scratch();
    const ran = runStep(join(directory, "none.sock"), ["touch", join(directory, "ran")]);
    expect(await ran.exited).toBe(3);
    expect(existsSync(join(directory, "ran"))).toBe(false);
  });

  test.for([
    {
      when: "closes",
      close: undefined,
      status: 1,
      says: () => "the step is CANCELLED: interrupted (SIGTERM); the command has not run",
    },
    {
      when: "can't be reached",
      close: { code: 14, details: "going away" },
      status: 3,
      says: (socket: string) => `can't reach the broker at ${socket}: no connection`,
    },
    {
      when: "refuses to close",
      close: serviceErrorOf(new BrokerError("NOT_ENTITLED", "for somebody else")),
      status: 1,
      says: () => "NOT_ENTITLED: for somebody else",
    },
  ])("cancels the step of a command that a signal comes before, at a broker that $when", async (the) => {
    const proof = join(scratch(), "ran");
    const { socket, seen } = await brokerOfSteps({
      step: { state: StepState.PENDING_APPROVAL },
      ...(the.close !== undefined && { close: the.close }),
      hold: () => void ran.child.kill("SIGTERM"),
    });
    const ran = runStep(socket, ["touch", proof], {}, ["--accept-pending"]);
    expect(await ran.exited).toBe(the.status);
    expect(ran.err().split("\n").slice(1)).toEqual([`stint: ${the.says(socket)}`, ""]);
    expect(seen.closes).toMatchObject([{ stepId: STEP_ID, outcome: Outcome.CANCELLED }]);
    expect(existsSync(proof)).toBe(false);
  });

  test("cancels a step that is not held yet when a signal comes, and never runs the command", async () => {
    const proof = join(scratch(), "ran");
    const { socket, seen } = await brokerOfSteps({ isSilent: true, hold: () => void ran.child.kill("SIGINT") });
    const ran = runStep(socket, ["touch", proof]);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toBe("stint: the step is CANCELLED: interrupted (SIGINT); the command has not run\n");
    expect(seen.closes).toMatchObject([{ outcome: Outcome.CANCELLED }]);
    expect(existsSync(proof)).toBe(false);
  });

  test.for(["SIGHUP", "SIGINT", "SIGQUIT"] as const)(
    "cancels its step while the executor still stands when a terminal sends %s to all: else it would be abandoned",
    async (signal) => {
      const { socket, seen } = await brokerOfSteps({
        step: { state: StepState.PENDING_APPROVAL },
        hold: () => void process.kill(-(ran.child.pid ?? 0), signal),
      });
      const ran = runStep(socket, ["true"], {}, ["--accept-pending"]);
      expect(await ran.exited).toBe(1);
      expect(seen.closes).toMatchObject([{ outcome: Outcome.CANCELLED }]);
      expect(seen.gateAtClose).toBe(seen.gate);
      expect(seen.gate).not.toBe("");
    },
  );

  test("enrolls the command before there is one, where it is asked to, and else enrolls nobody", async () => {
    const { socket, seen } = await brokerOfSteps({});
    expect(await runStep(socket, ["true"]).exited).toBe(0);
    expect(seen.enrolled).toEqual([]);
    const proof = join(scratch(), "pid");
    const ran = runStep(socket, ["sh", "-c", `echo $$ > ${proof}`], {}, ["--enroll"]);
    expect(await ran.exited).toBe(0);
    expect(seen.enrolled).toEqual([Number(readFileSync(proof, "utf8"))]);
  });

  test("runs nothing when the step can't be held", async () => {
    const proof = join(scratch(), "ran");
    const { socket } = await serving((server) =>
      addService(server, Steps, {
        open: (_call, answer) => answer(null, { step: { stepId: STEP_ID } }),
        hold: (call) => void call.emit("error", serviceErrorOf(new BrokerError("STEP_CLOSED", "the step is REVOKED"))),
        close: (_call, answer) => answer(null, {}),
        get: (_call, answer) => answer(null, {}),
        getTree: (_call, answer) => answer(null, {}),
        watchClosure: (call) => void call.end(),
        getClosureReceipt: (_call, answer) => answer(null, {}),
        list: (_call, answer) => answer(null, {}),
        enroll: (_call, answer) => answer(null, {}),
        renew: (_call, answer) => answer(null, {}),
      }),
    );
    const ran = runStep(socket, ["touch", proof]);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toBe("stint: STEP_CLOSED: the step is REVOKED\n");
    expect(existsSync(proof)).toBe(false);
  });

  test("passes standard input on, and signals, and gives the command's own answer to them", async () => {
    const file = join(scratch(), "started");
    const { socket, seen } = await brokerOfSteps({});
    const script = `trap 'exit 33' TERM; ${NOTE.replace('"$1"', '"$(cat)"').replaceAll("$2", file)}; while :; do sleep 0.05; done`;
    const ran = runStep(socket, ["sh", "-c", script]);
    ran.child.stdin?.end("what came in");
    expect(await appears(file)).toBe("what came in");
    ran.child.kill("SIGTERM");
    expect(await ran.exited).toBe(33);
    expect(seen.closes).toMatchObject([{ outcome: Outcome.FAILED }]);
  });

  /** A step that ends when `end` is called, which is when its command has shown that it runs. */
  async function endingStep(
    script: (file: string) => string,
    flags: readonly string[] = [],
    step: { readonly state?: StepState; readonly expiresAt?: Timestamp } = {},
  ) {
    const file = join(scratch(), "runs");
    const held = Promise.withResolvers<Parameters<HandlersOf<typeof Steps>["hold"]>[0]>();
    const { socket, seen } = await brokerOfSteps({ hold: held.resolve, step });
    const run = ["step", "run", "--run", "r", "--step", "s", "--agent", "a", ...flags];
    const ran = start(["--socket", socket, ...run, "--", "sh", "-c", script(file)]);
    await appears(file);
    const call = await held.promise;
    return { ran, seen, call, file };
  }
  const end = (call: Parameters<HandlersOf<typeof Steps>["hold"]>[0], state: StepState) => {
    call.write({ step: { stepId: STEP_ID, state } });
    call.end();
  };

  test.for([
    { state: StepState.EXPIRED, says: "the step is EXPIRED: its time was over" },
    {
      state: StepState.REVOKED,
      says: "the step is REVOKED: an operator took it back, or policies no longer permit it",
    },
    { state: StepState.COMPLETED, says: "the step is COMPLETED: another process closed it" },
  ])("ends the command when the step ends under it, says why, and is no success: $says", async ({ state, says }) => {
    // A command that puts its things away and then calls itself content.
    const { ran, seen, call } = await endingStep(
      (file) => `trap 'exit 0' TERM; touch ${file}; while :; do sleep 0.05; done`,
    );
    end(call, state);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toBe(
      `stint: ${says}; the command has no credentials any more, and is ended: SIGTERM, and SIGKILL in 10 s\n`,
    );
    expect(seen.closes).toEqual([]);
  });

  test("kills a command that stays when its step has ended", async () => {
    const { ran, call } = await endingStep(
      (file) => `trap '' TERM; touch ${file}; while :; do sleep 0.05; done`,
      ["--end-grace", "0s"],
    );
    end(call, StepState.EXPIRED);
    expect(await ran.exited).toBe(137);
  });

  test("leaves a command alone that shall go on, and is no success all the same", async () => {
    const { ran, call, file } = await endingStep(
      (file) => `touch ${file}; while [ ! -e ${file}.go ]; do sleep 0.02; done`,
      ["--on-end", "ignore"],
    );
    const said = once(ran.child.stderr as NodeJS.ReadableStream, "data");
    end(call, StepState.REVOKED);
    expect(String(await said)).toContain("; the command has no credentials any more\n");
    writeFileSync(`${file}.go`, "");
    expect(await ran.exited).toBe(1);
  });

  test("ends the command when the broker does not let it hold the step any more", async () => {
    const { ran, call } = await endingStep((file) => `touch ${file}; while :; do sleep 0.05; done`);
    call.emit("error", serviceErrorOf(new BrokerError("NOT_ENTITLED", "the step belongs to another entry's run")));
    expect(await ran.exited).toBe(143);
    expect(ran.err()).toContain(
      "the step can't be held any more: NOT_ENTITLED: the step belongs to another entry's run;",
    );
  });

  test("ends the command when nobody answers and the step's time is over", async () => {
    const { ran, call } = await endingStep((file) => `touch ${file}; while :; do sleep 0.05; done`, [], {
      expiresAt: timestampFromMs(0),
    });
    call.emit("error", { code: 14, details: "going away" });
    expect(await ran.exited).toBe(143);
    expect(ran.err()).toContain("the step's time is over, and the broker can't be reached;");
  });

  test("runs nothing when the step has ended before the command could begin", async () => {
    const proof = join(scratch(), "ran");
    const { socket } = await brokerOfSteps({ step: { state: StepState.REVOKED } });
    const ran = runStep(socket, ["touch", proof]);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toMatch(/^stint: the step is REVOKED: .*; the command has not run\n$/);
    expect(existsSync(proof)).toBe(false);
  });

  test("is no success when the step turns out to have ended before its command", async () => {
    const { socket } = await brokerOfSteps({ closed: StepState.EXPIRED });
    const ran = runStep(socket, ["true"]);
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toBe("stint: the step is EXPIRED: its time was over, before the command ended\n");
  });

  test("holds on to its step over a connection that breaks", async () => {
    let holds = 0;
    const file = join(scratch(), "go");
    const { socket, seen } = await brokerOfSteps({
      hold(call) {
        holds += 1;
        // A server that goes away, the first time.
        if (holds === 1) call.emit("error", { code: 14, details: "going away" });
        else writeFileSync(file, "");
      },
    });
    const ran = runStep(socket, ["sh", "-c", `while [ ! -e '${file}' ]; do sleep 0.02; done`]);
    expect(await ran.exited).toBe(0);
    expect(holds).toBe(2);
    expect(seen.closes).toMatchObject([{ outcome: Outcome.COMPLETED }]);
  });
});

test("a command that runs as a step of a real broker is its executor and fetches its credentials", async () => {
  const self = [`unix:uid:${process.getuid?.()}`];
  const resource = "https://mcp.example.org";
  await using daemon = await startDaemon({
    entries: [
      {
        kind: "agent",
        name: "a",
        selectors: self,
        ceiling: [
          { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["x"] },
        ],
      },
      { kind: "runtime", name: "graph", selectors: self, agents: ["a"] },
    ],
  });
  const script = join(scratch(), "agent.ts");
  const source = new URL("../../src/", import.meta.url).href;
  writeFileSync(
    script,
    `import { Credentials } from "${source}gen/stint/v1/credentials_pb.js";
     import { openChannel } from "${source}wire/channel.ts";
     import { createClient } from "${source}wire/client.ts";
     const channel = openChannel(process.env.SPIFFE_ENDPOINT_SOCKET);
     const stepId = process.env.STINT_STEP_ID;
     const wanted = { audiences: ["${resource}"] };
     const { svid } = await createClient(Credentials, channel).issueJwtSvid({ stepId, wanted });
     console.log(JSON.stringify({ pid: process.pid, spiffeId: svid.spiffeId }));
     channel.close();`,
  );
  const grant = JSON.stringify([
    { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["x"] },
  ]);
  const ran = start([
    ...["--socket", daemon.workloadSocket, "step", "run", "--run", "r", "--step", "s", "--agent", "a"],
    ...["--grant", grant, "--", process.execPath, script],
  ]);
  const status = await ran.exited;
  expect([status, status === 0 ? "" : ran.err()]).toEqual([0, ""]);
  const said = JSON.parse(ran.out()) as { pid: number; spiffeId: string };
  expect(said.spiffeId).toBe("spiffe://example.org/agent/a/run/r/step/s/1");

  const shown = start(["--operator-socket", daemon.operatorSocket, "-o", "json", "step", "show", "r/s"]);
  expect(await shown.exited).toBe(0);
  const step = JSON.parse(shown.out()) as { executor: { pid: number }; state: string };
  expect(step.executor.pid).toBe(said.pid);
  expect(step.state).not.toBe("OPEN");
});
