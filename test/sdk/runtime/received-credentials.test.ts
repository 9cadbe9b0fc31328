import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  createStint,
  credentialsFromFd,
  type Grant,
  isStintError,
  type Stint,
} from "../../../src/sdk/runtime/index.ts";
import { type Daemon, startDaemon } from "../../daemon.ts";
import { READ_SEARCH, SEARCH } from "../../e2e/entries.ts";
import { thrownBy } from "./scripted-broker.ts";

const SDK = new URL("../../../src/sdk/runtime/index.ts", import.meta.url).href;
const selectors = [`unix:uid:${process.getuid?.()}`];
const grant = [READ_SEARCH] as unknown as Grant;
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"], allow_descendants: true },
];

let daemon: Daemon;
let stint: Stint;
beforeAll(async () => {
  daemon = await startDaemon({ entries: ENTRIES });
  stint = createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "researcher" });
});
afterAll(async () => {
  stint.close();
  await daemon[Symbol.asyncDispose]();
});

/** A child that runs a program of this SDK, with a descriptor that spawn makes; its lines, as they come. */
function childOf(program: string, fd = "3") {
  const source = `import { credentialsFromFd } from ${JSON.stringify(SDK)};\n${program}`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", source], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    env: { PATH: process.env["PATH"], STINT_CREDENTIAL_FD: fd },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    child,
    input: child.stdio[3] as Writable,
    line: async () => (await lines.next()).value as string | undefined,
  };
}

async function endOf(child: ChildProcess): Promise<readonly [number | null, string]> {
  let err = "";
  child.stderr?.on("data", (chunk) => {
    err += String(chunk);
  });
  const [code] = (await once(child, "close")) as [number | null];
  return [code, err];
}

test("a child that its parent spawned has a token of the step, hears of its end, and ends by itself", async () => {
  const step = await stint.openStep({ runId: "r", step: "spawned", grant });
  const { child, input, line } = childOf(`
    const credentials = credentialsFromFd();
    const alive = setInterval(() => undefined, 1_000);
    credentials.signal.addEventListener("abort", () => {
      console.log(credentials.signal.reason.reason);
      clearInterval(alive);
    });
    const credential = await credentials.credential(${JSON.stringify(SEARCH)});
    console.log(credential.token());
    console.log(JSON.stringify([credential, String(credential), (await import("node:util")).inspect(credential)]));
  `);
  const ended = endOf(child);
  (await step.credentialPipe()).writeTo(input);
  const token = (await line()) ?? "";
  expect(token).toBe((await step.jwtSvid(SEARCH)).svid());
  const shown = (await line()) ?? "";
  expect(shown).toContain(`Credential(${SEARCH})`);
  expect(shown).not.toContain(token.slice(-40));
  await step.close();
  expect(await line()).toBe("STEP_CLOSED");
  expect(await ended).toEqual([0, ""]);
});

test.for([
  { what: "has what it wants", program: `await credentialsFromFd().credential(${JSON.stringify(SEARCH)});` },
  { what: "asks for nothing", program: "credentialsFromFd();" },
])("a child that $what is not kept alive by the descriptor", async ({ what, program }) => {
  const step = await stint.openStep({ runId: "r", step: what.replaceAll(" ", "-"), grant });
  const { child, input } = childOf(program);
  const ended = endOf(child);
  (await step.credentialPipe({ audiences: [SEARCH] })).writeTo(input);
  expect(await ended).toEqual([0, ""]);
  await step.close();
});

describe("what is sent", () => {
  const line = (token: string, expiresAt: string) =>
    `${JSON.stringify({ audience: SEARCH, token, expires_at: expiresAt, later: 1 })}\n`;
  const OLD = "eyJhbGciOiJFUzI1NiJ9.old.c2ln";
  const NEW = "eyJhbGciOiJFUzI1NiJ9.new.c2ln";
  const ask = `
    const credentials = credentialsFromFd();
    const asked = credentials.credential(${JSON.stringify(SEARCH)});
    console.log("asks");
    console.log(await asked.then((one) => one.token(), (error) => error.reason + ": " + error.message));
  `;

  test.for([
    {
      what: "several lines in one read: the newest counts",
      parts: [line(OLD, "2031-01-01T00:00:00Z") + line(NEW, "2031-01-01T00:00:00.000Z")],
      says: NEW,
    },
    {
      what: "a line in parts",
      parts: [line(NEW, "2031-01-01T00:00:00Z").slice(0, 30), line(NEW, "2031-01-01T00:00:00Z").slice(30)],
      says: NEW,
    },
    {
      what: "no JSON",
      parts: ["hello\n"],
      says: "BROKER_FAILED: what was sent to this process is no line of a credential",
    },
    {
      what: "a token that no header takes",
      parts: [line("a\r\nb", "2031-01-01T00:00:00Z")],
      says: "BROKER_FAILED: what was sent to this process is no line of a credential",
    },
    {
      what: "a line without an end",
      parts: [line(NEW, "2031-01-01T00:00:00Z").trimEnd(), undefined],
      says: "STEP_CLOSED: the step has ended: its credentials are no longer sent",
    },
  ])("$what", async ({ parts, says }) => {
    const { input, line: next } = childOf(ask);
    expect(await next()).toBe("asks");
    for (const part of parts) {
      if (part === undefined) input.end();
      else await new Promise((resolve) => input.write(part, resolve));
    }
    expect(await next()).toBe(says);
  });
});

test("an expired token is not given: the next one is waited for", async () => {
  const lineOf = (audience: string, name: string, expires_at: string) =>
    `${JSON.stringify({ audience, token: `eyJhbGciOiJFUzI1NiJ9.${name}.c2ln`, expires_at })}\n`;
  const { input, line } = childOf(`
    const credentials = credentialsFromFd();
    await credentials.credential("https://other.example");
    const asked = credentials.credential(${JSON.stringify(SEARCH)});
    console.log("asks");
    console.log((await asked).token());
  `);
  const later = "2031-01-01T00:00:00Z";
  input.write(lineOf(SEARCH, "old", "2001-01-01T00:00:00Z") + lineOf("https://other.example", "other", later));
  expect(await line()).toBe("asks");
  input.write(lineOf(SEARCH, "new", later));
  expect(await line()).toContain(".new.");
});

test.for([
  { what: "is not set", value: "" },
  { what: "is no number", value: "three" },
  { what: "names a descriptor that the process does not have", value: "987" },
])("a process whose variable $what is told so", ({ value }) => {
  const before = process.env["STINT_CREDENTIAL_FD"];
  onTestFinished(() => {
    if (before === undefined) delete process.env["STINT_CREDENTIAL_FD"];
    else process.env["STINT_CREDENTIAL_FD"] = before;
  });
  process.env["STINT_CREDENTIAL_FD"] = value;
  expect(() => credentialsFromFd()).toThrow(expect.objectContaining({ reason: "NO_CREDENTIALS" }));
});

test("a pipe is refused for an audience that the step does not have, before anything is started", async () => {
  const step = await stint.openStep({ runId: "r", step: "refused", grant });
  const thrown = await thrownBy(step.credentialPipe({ audiences: ["https://other.example"] }));
  expect(isStintError(thrown, "AUDIENCE_INVALID") && thrown.metadata).toEqual({ field: "audiences[0]" });
  const pipe = await step.credentialPipe();
  expect(inspect(pipe, { depth: 9, showHidden: true })).not.toContain((await step.jwtSvid(SEARCH)).svid().slice(-40));
  await step.close();
});
