import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { decodeJwt } from "jose";
import { createStint, type Grant, type Stint } from "stint-sdk/runtime";
import { startDevBroker } from "stint-sdk/testing";
import { createVerifier } from "stint-sdk/verifier";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadConfig } from "../../src/config/load-config.ts";
import { parseSpiffeId } from "../../src/domain/spiffe-id.ts";
import { pythonIsMissing, pythonWithPackages } from "../conformance/python/python-environment.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import {
  ambient,
  delegate,
  enroll,
  explain,
  interrupted,
  openByHand,
  takeUp,
  withTls,
  workRemotely,
} from "./runtime-snippets.ts";
import { answer } from "./verifier-snippet.ts";

const folder = import.meta.dirname;
const scripts = resolve(folder, "../../scripts");
const run = promisify(execFile);
/** A dozen commands, each a process that loads what it needs. */
const SCRIPT_MS_MAX = 120_000;
/** Time to download and unpack Python's packages, once. */
const INSTALL_MS_MAX = 300_000;

let daemon: Daemon;
let stint: Stint;
/** A resource that is no MCP server: it answers everything, and says what it was brought. */
let plain: Server;
let resource: string;
let mcpResource: string;
let environment: NodeJS.ProcessEnv;
let endpoint: string;

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function freeOrigin(): Promise<string> {
  const reserved = createServer();
  const origin = await listening(reserved);
  await new Promise((closed) => reserved.close(closed));
  return origin;
}

function mayRead(location: string, ...datatypes: readonly string[]): Grant {
  return [{ type: "mcp_tool", locations: [location], identifier: "search", actions: ["read"], datatypes }];
}

beforeAll(async () => {
  plain = createServer((request, response) => response.end(request.headers.authorization?.slice("Bearer ".length)));
  resource = await listening(plain);
  mcpResource = `${await freeOrigin()}/mcp`;
  const selectors = [`unix:uid:${process.getuid?.()}`];
  const ceiling = [...mayRead(resource, "internal", "public"), ...mayRead(mcpResource, "internal")];
  daemon = await startDaemon({
    entries: [
      // The process of the tests is every runtime here, and starts the scripts, which are meant to be nobody's children.
      { kind: "runtime", name: "flow", selectors, agents: ["researcher", "reader"], allow_descendants: true },
      { kind: "runtime", name: "records", selectors, agents: ["archivist"], allow_descendants: true },
      { kind: "agent", name: "archivist", selectors, ceiling },
      { kind: "agent", name: "researcher", selectors, ceiling, allow_any_executor: true },
      { kind: "agent", name: "reader", selectors, ceiling },
      { kind: "verifier", name: "library", selectors, audiences: [resource, mcpResource] },
    ],
    config: {
      broker: {
        listen: "127.0.0.1:0",
        callers: [
          {
            spiffe_id: "spiffe://example.org/runtime/flow",
            references: [{ type: "stint.v1.WorkflowStepReference", allow_over_tcp: true }],
          },
        ],
      },
    },
  });
  endpoint = `unix://${daemon.workloadSocket}`;
  stint = createStint({ endpoint, agent: "researcher" });
  environment = {
    ...process.env,
    PATH: `${scripts}${delimiter}${process.env["PATH"] ?? ""}`,
    NODE_ENV: "development",
    SPIFFE_ENDPOINT_SOCKET: endpoint,
    STINT_OPERATOR_SOCKET: daemon.operatorSocket,
    RESOURCE: mcpResource,
  };
});

afterAll(async () => {
  stint?.close();
  plain?.close();
  await daemon?.[Symbol.asyncDispose]();
});

async function script(name: string, variables: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout } = await run("sh", [join(folder, name)], { env: { ...environment, ...variables } });
  return stdout;
}

describe("the code of the documentation", () => {
  test("makes an MCP server and an agent runtime that work together", async () => {
    const server = spawn(process.execPath, [fileURLToPath(new URL("./mcp-server.ts", import.meta.url))], {
      env: environment,
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void server.kill("SIGKILL"));
    await once(createInterface({ input: server.stdout }), "line");
    const { stdout } = await run(process.execPath, [fileURLToPath(new URL("./agent-runtime.ts", import.meta.url))], {
      env: environment,
    });
    expect(stdout).toContain("owls, for report-7/search");
    const status = await new Promise<number | undefined>((resolved, reject) => {
      const rebound = request(mcpResource, { headers: { host: "page.example.com" } });
      rebound.on("response", (response) => resolved(response.resume().statusCode)).on("error", reject);
      rebound.end();
    });
    expect(status).toBe(403);
  });

  test("hands a part of a step to another runtime, which works below it once", async () => {
    const start = (program: URL, variables: NodeJS.ProcessEnv) => {
      const child = spawn(process.execPath, [fileURLToPath(program)], {
        env: { ...environment, RESOURCE: resource, ...variables },
        stdio: ["ignore", "pipe", "inherit"],
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      return createInterface({ input: child.stdout });
    };
    const receiving = start(new URL("./receiving-runtime.ts", import.meta.url), { PORT: "0" });
    const [receiver] = (await once(receiving, "line")) as [string];
    const delegating = start(new URL("./delegating-runtime.ts", import.meta.url), { RECEIVER: receiver });
    const [told] = (await once(delegating, "line")) as [string];
    const [, token = ""] = /^200 (\S+)$/.exec(told) ?? [];
    expect(decodeJwt(token)).toMatchObject({
      sub: "spiffe://example.org/agent/archivist/run/archive-1/step/store/1",
      parent_step_id: expect.any(String),
      authorization_details: mayRead(resource, "public"),
    });
    // A JWT-SVID of a step is no token to delegate by.
    const refused = await fetch(receiver, { method: "POST", body: token });
    expect(refused.status).toBe(403);
  });

  test("works against a throw-away broker as the README says", async () => {
    const audience = `${await freeOrigin()}/mcp`;
    await using broker = await startDevBroker({ agents: ["researcher"], audiences: [audience] });
    const env = { ...process.env, ...broker.environment, RESOURCE: audience };
    const server = spawn(process.execPath, [join(folder, "mcp-server.ts")], {
      env: { ...env, NODE_ENV: "development" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void server.kill("SIGKILL"));
    await once(createInterface({ input: server.stdout }), "line");
    const { stdout } = await run(process.execPath, [join(folder, "agent-runtime.ts")], { env });
    expect(stdout).toContain("owls, for report-7/search");
  });

  test("opens, delegates, takes up and closes steps as the guide says", async () => {
    const grant = mayRead(resource, "internal", "public");
    const stepId = await openByHand(stint, "by-hand", grant, `${resource}/papers`);
    expect(stepId).toMatch(/^step_/);
    await expect(stint.resumeStep({ stepId })).rejects.toMatchObject({
      reason: "STEP_CLOSED",
      metadata: { state: "COMPLETED" },
    });

    const parent = await stint.openStep({ runId: "delegation", step: "review", grant });
    const child = await delegate(parent, process.pid, mayRead(resource, "public"));
    const taken = await takeUp(stint, child.stepId);
    expect((await taken.jwtSvid(resource)).spiffeId).toContain("/agent/reader/run/delegation/step/skim/1");
    expect((await withTls(taken)).listening).toBe(false);
    await parent.close();
    expect(taken.signal.aborted || child.signal.aborted).toBe(true);
  });

  test("enrolls a child as the guide says", async () => {
    const directory = mkdtempSync(join(tmpdir(), "stint-worker-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const program = join(directory, "worker.mjs");
    writeFileSync(program, "process.stdin.resume();");
    const worker = await enroll(stint, program);
    onTestFinished(() => void worker.kill());
    expect(worker.exitCode).toBeNull();
  });

  test("reaches the broker over a network as the guide says", async () => {
    const brokerEndpoint = `tcp://127.0.0.1:${daemon.brokerPort}`;
    const work = { runId: "remote", grant: mayRead(resource, "public"), url: `${resource}/papers` };
    const token = await workRemotely({ endpoint, brokerEndpoint }, work);
    expect(decodeJwt(token).sub).toContain("/agent/researcher/run/remote/step/look-up/1");
  });

  test("sees refusals, interrupts and ambient steps as the guide says", async () => {
    expect(await explain(stint, "refused", mayRead("https://elsewhere.example.org", "internal"))).toMatch(
      /^denied: .+ \(ceiling\); approval can't help: dec_/,
    );
    expect(await explain(stint, "permitted", mayRead(resource, "public"))).toBe("published");
    const ends = [() => ({ __interrupt__: [{ value: "sure?" }] }), () => ({ finishReason: "suspended" })];
    for (const [index, end] of ends.entries()) {
      await interrupted(endpoint, `interrupt-${index}`, end);
      await expect(stint.resumeStep({ runId: `interrupt-${index}`, step: "ask" })).rejects.toMatchObject({
        metadata: { state: "CANCELLED" },
      });
    }
    expect(await ambient(stint, "thread 7/b", mayRead(resource, "public"), `${resource}/papers`)).toMatch(
      /^200 as spiffe:\/\/example.org\/agent\/researcher\/run\/thread-7-b--[a-z2-7]{26}\/step\/search\/1$/,
    );
  });

  test("verifies outside of MCP as the guide says, and stops when the step ends", async () => {
    await using verifier = createVerifier({ endpoint, audiences: [resource], development: true });
    await verifier.ready();
    const step = await stint.openStep({ runId: "verified", step: "s", grant: mayRead(resource, "internal") });
    const token = (await step.jwtSvid(resource)).svid();
    expect(await answer(verifier, token, async () => "done")).toBe("done for verified");
    const stopped = answer(verifier, token, async (signal) => {
      await step.close();
      if (!signal.aborted) await once(signal, "abort");
      throw signal.reason;
    });
    await expect(stopped).rejects.toMatchObject({ code: "REVOKED", metadata: { state: "COMPLETED" } });
  });

  test("runs a command as a step", async () => {
    expect(await script("run-as-step.sh")).toMatch(/^indexing as step_/);
  });

  test("gets credentials in a shell, as a token and as files", async () => {
    const directory = mkdtempSync(join(tmpdir(), "stint-shell-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, "password"), "changeit\n", { mode: 0o600 });
    const variables = { grant: JSON.stringify(mayRead(resource, "public")), resource };
    const env = { ...environment, ...variables };
    const { stdout } = await run("sh", [join(folder, "shell.sh")], { cwd: directory, env });
    expect(decodeJwt(stdout.split("\n")[0] ?? "").sub).toContain("/run/nightly/step/print/1");
    const files = readdirSync(join(directory, "svid")).toSorted();
    expect(files).toEqual(["svid.p12", "svid.pem", "svid_bundle.pem", "svid_key.pem"]);
  });

  test(
    "shows, revokes and registers by the command line",
    async () => {
      const step = await stint.openStep({ runId: "report-7", step: "search", grant: mayRead(resource, "internal") });
      const token = (await step.jwtSvid(resource)).svid();
      const said = await script("operator.sh", { token });
      expect(said).toContain(step.stepId);
      expect(said).not.toContain(token);
      await expect(stint.openStep({ runId: "report-7", step: "again" })).rejects.toMatchObject({ name: "StintError" });
      expect(step.signal.aborted).toBe(true);
    },
    SCRIPT_MS_MAX,
  );

  test("is a configuration that the daemon takes", () => {
    const accounts = { users: [], groups: [{ name: "stint-operators", gid: 950, members: ["alice"] }] };
    const config = loadConfig(join(folder, "stint.yaml"), {}, { user: { uid: 900, gids: [] }, accounts });
    expect(config.entries.map(({ kind, name }) => `${kind}/${name}`)).toEqual([
      "operator/alice",
      "runtime/flow",
      "agent/researcher",
      "agent/reader",
      "verifier/library",
    ]);
    expect(config).toMatchObject({ development: false, operator: { groupId: 950 } });

    const whole = join(mkdtempSync(join(tmpdir(), "stint-docs-")), "stint.yaml");
    onTestFinished(() => rmSync(dirname(whole), { recursive: true }));
    writeFileSync(
      whole,
      ["stint.yaml", "broker.yaml"].map((name) => readFileSync(join(folder, name), "utf8")).join("\n"),
    );
    const { broker } = loadConfig(whole, {}, { user: { uid: 900, gids: [] }, accounts });
    expect(broker?.callers.get(parseSpiffeId("spiffe://example.org/runtime/flow"))).toEqual([
      { type: "stint.v1.WorkflowStepReference", allowOverTcp: true },
      { type: "spiffe.broker.WorkloadPIDReference", allowOverTcp: false },
    ]);
  });
});

test.skipIf(pythonIsMissing() !== undefined)(
  "the Python of the documentation believes a step's token, and no other",
  async () => {
    const python = await pythonWithPackages();
    const audience = "http://localhost:49153/mcp";
    await using broker = await startDevBroker({ audiences: [audience] });
    using dev = createStint({ endpoint: broker.endpoint, agent: "dev" });
    const other = "http://localhost:3000/mcp";
    const grant = [...mayRead(audience, "internal"), ...mayRead(other, "internal")];
    await using step = await dev.openStep({ runId: "r", step: "s", grant });
    const program = spawn(python, [join(folder, "verify_step.py")], {
      env: { ...process.env, ISSUER: broker.httpUrl, RESOURCE: audience },
      stdio: ["pipe", "pipe", "inherit"],
    });
    program.stdin.end(`${(await step.jwtSvid(audience)).svid()}\n${(await step.jwtSvid(other)).svid()}\n`);
    const said: string[] = [];
    for await (const line of createInterface({ input: program.stdout })) said.push(line);
    expect(said).toEqual([`${step.spiffeId} True False`, "InvalidAudienceError"]);
  },
  INSTALL_MS_MAX,
);
