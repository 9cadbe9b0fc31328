import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { Outcome } from "../../src/gen/stint/v1/steps_pb.js";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "../e2e/entries.ts";
import { type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { STINT } from "../programs.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
/** The shortest life that there is; two thirds of it pass in a test. */
const X509_TTL_SECONDS = 10;
/** Less than two lives of an SVID: the broker gives none to a step that has less than 10 s left. */
const STEP_SECONDS_SHORT = 18;
const WAIT = { timeout: 20_000 };

let daemon: Daemon;
let runtime: Runtime;
beforeAll(async () => {
  const agent = { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], allow_any_executor: true };
  daemon = await startDaemon({
    entries: [
      { ...agent, x509_svid_ttl: X509_TTL_SECONDS },
      { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
    ],
  });
  runtime = runtimeAt(daemon.workloadSocket);
});
afterAll(async () => {
  runtime[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

type Running = { readonly child: ChildProcess; out(): string; err(): string; readonly exited: Promise<number | null> };

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [STINT, "--socket", daemon.workloadSocket, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // This process may be the command of a step itself.
    env: { ...process.env, STINT_STEP_ID: "" },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => {
    out += String(chunk);
  });
  child.stderr.on("data", (chunk) => {
    err += String(chunk);
  });
  return {
    child,
    out: () => out,
    err: () => err,
    exited: once(child, "close").then(([code]) => code as number | null),
  };
}

let steps = 0;
/** A step whose credentials any process of the agent gets. */
async function openForAny(seconds?: number): Promise<Step> {
  steps += 1;
  const { step } = await runtime.steps.open({
    runId: `any-${steps}`,
    step: "work",
    agent: "researcher",
    grant: { elements: [READ_SEARCH] },
    executor: { executor: { case: "any", value: {} } },
    ...(seconds !== undefined && { expiresAt: timestampFromDate(new Date(Date.now() + seconds * 1_000)) }),
  });
  if (step === undefined) throw new TypeError("no step in the answer");
  return step;
}

function asStep(...command: readonly string[]): Running {
  steps += 1;
  const grant = JSON.stringify([READ_SEARCH]);
  const named = ["--run", `run-${steps}`, "--step", "work", "--agent", "researcher", "--grant", grant];
  return start(["step", "run", ...named, "--", ...command]);
}

function scratch(): string {
  const directory = mkdtempSync(join(tmpdir(), "stint-svid-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const svid = (...args: string[]) => [process.execPath, STINT, "svid", ...args];
const inShell = (...args: string[]) =>
  svid(...args)
    .map((one) => `'${one}'`)
    .join(" ");
const read = (directory: string, name: string) => readFileSync(join(directory, name), "utf8");

describe("a JWT-SVID", () => {
  test("is printed alone to the step's command, and as data where that is asked for", async () => {
    const ran = asStep(...svid("jwt", "--audience", SEARCH));
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    expect(ran.out()).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
    expect(decodeJwt(ran.out().trim())).toMatchObject({ aud: [SEARCH], run_id: `run-${steps}` });
    const data = asStep(process.execPath, STINT, "-o", "json", "svid", "jwt", "--audience", SEARCH);
    expect(await data.exited).toBe(0);
    const { svid: token, ...shown } = JSON.parse(data.out()) as { readonly svid: string };
    expect(shown).toMatchObject({ audience: SEARCH, spiffe_id: decodeJwt(token).sub });
  });

  test("is refused to a command that a shell starts, with the reason and the ways on; exec is one of them", async () => {
    const ran = asStep("sh", "-c", `${inShell("jwt", "--audience", SEARCH)}; exit $?`);
    expect([await ran.exited, ran.out()]).toEqual([1, ""]);
    expect(ran.err()).toMatch(
      /^stint: NOT_ENTITLED: .*--executor tree\).*another process than the shell: .*exec before it\n$/,
    );
    // Each way on is told once.
    expect(ran.err().match(/--executor tree/g)).toHaveLength(1);
    const exec = asStep("sh", "-c", `exec ${inShell("jwt", "--audience", SEARCH)}`);
    expect([await exec.exited, exec.err()]).toEqual([0, ""]);
  });

  test("for an audience that the step is not for is refused as the broker says", async () => {
    const ran = asStep(...svid("jwt", "--audience", "https://elsewhere.example.org"));
    expect(await ran.exited).toBe(1);
    expect(ran.err()).toMatch(/^stint: AUDIENCE_INVALID: /);
  });
});

describe("an X.509-SVID", () => {
  test("is written with its key and the CAs, readable for this user alone, and stays", async () => {
    const out = join(scratch(), "new");
    const ran = asStep(...svid("x509", "--out", out));
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    expect(readdirSync(out).toSorted()).toEqual(["svid.pem", "svid_bundle.pem", "svid_key.pem"]);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(out)) expect(statSync(join(out, name)).mode & 0o777).toBe(0o600);
    const leaf = new X509Certificate(read(out, "svid.pem"));
    expect(leaf.checkPrivateKey(createPrivateKey(read(out, "svid_key.pem")))).toBe(true);
    expect(leaf.verify(new X509Certificate(read(out, "svid_bundle.pem")).publicKey)).toBe(true);
    expect(ran.out()).toContain(`/run/run-${steps}/step/work/1`);
  });

  test("is written as PKCS #12 with the password of a file", async () => {
    const directory = scratch();
    const password = join(directory, "password");
    writeFileSync(password, "correct horse\n", { mode: 0o600 });
    const out = join(directory, "out");
    const ran = asStep(...svid("x509", "--out", out, "--format", "pkcs12", "--password-file", password));
    expect([await ran.exited, ran.err()]).toEqual([0, ""]);
    expect(readdirSync(out).toSorted()).toEqual(["svid.p12", "svid_bundle.pem"]);
    expect(statSync(join(out, "svid.p12")).mode & 0o777).toBe(0o600);
    const args = ["pkcs12", "-in", join(out, "svid.p12"), "-passin", "pass:correct horse", "-nodes"];
    const opened = execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
    expect(new X509Certificate(opened.slice(opened.indexOf("-----BEGIN CERT"))).subjectAltName).toContain(
      `run-${steps}`,
    );
  });

  test("that is watched is replaced before it expires, the command is told, and the files go when the step ends", async () => {
    const directory = scratch();
    const out = join(directory, "out");
    const step = await openForAny();
    const marker = join(directory, "renewed");
    const watching = start(["svid", "x509", "--out", out, "--watch", "--step-id", step.stepId, "--", "touch", marker]);
    await vi.waitFor(() => expect(readdirSync(out)).toContain("svid.pem"), WAIT);
    const first = new X509Certificate(read(out, "svid.pem"));
    await vi.waitFor(() => statSync(marker), WAIT);
    const second = new X509Certificate(read(out, "svid.pem"));
    expect(second.serialNumber).not.toBe(first.serialNumber);
    expect(second.checkPrivateKey(createPrivateKey(read(out, "svid_key.pem")))).toBe(true);
    expect(first.checkPrivateKey(createPrivateKey(read(out, "svid_key.pem")))).toBe(false);
    await runtime.steps.close({ stepId: step.stepId, outcome: Outcome.COMPLETED });
    expect(await watching.exited).toBe(0);
    expect(readdirSync(out)).toEqual([]);
    expect(watching.err()).toMatch(/^stint: renewed: until .*\n(.*\n)*stint: .*COMPLETED: its files are removed\n$/);
  });

  test("that is watched stays until its step's time is over, also once the broker gives no new one, and then goes", async () => {
    const out = join(scratch(), "out");
    const { stepId } = await openForAny(STEP_SECONDS_SHORT);
    const watching = start(["svid", "x509", "--out", out, "--watch", "--step-id", stepId]);
    expect(await watching.exited).toBe(0);
    expect(readdirSync(out)).toEqual([]);
    expect(watching.err()).toMatch(/^(stint: renewed: .*\n)*stint: .*EXPIRED: its files are removed\n$/);
  });

  test("that is watched goes, and nothing else in its directory, when the command is stopped", async () => {
    const out = scratch();
    writeFileSync(join(out, "mine"), "");
    const { stepId } = await openForAny();
    const watching = start(["svid", "x509", "--out", out, "--watch", "--step-id", stepId]);
    await vi.waitFor(() => expect(readdirSync(out)).toContain("svid.pem"), WAIT);
    watching.child.kill("SIGTERM");
    expect([await watching.exited, watching.err()]).toEqual([0, ""]);
    expect(readdirSync(out)).toEqual(["mine"]);
  });
});

describe("is a mistake of usage, and writes nothing:", () => {
  test.for([
    { what: "no step", args: () => ["jwt", "--audience", SEARCH], why: /no step: .*stint step run/ },
    { what: "no audience", args: () => ["jwt"], why: /--audience/ },
    {
      what: "a command without --watch",
      args: (out: string) => ["x509", "--out", out, "--", "true"],
      why: /needs --watch/,
    },
    {
      what: "PKCS #12 without a password",
      args: (out: string) => ["x509", "--out", out, "--format", "pkcs12"],
      why: /needs --password-file/,
    },
    {
      what: "a password that others can read",
      args(out: string) {
        writeFileSync(join(out, "password"), "secret", { mode: 0o644 });
        return ["x509", "--out", out, "--format", "pkcs12", "--password-file", join(out, "password")];
      },
      why: /--password-file: .*of mode 0600/,
    },
    {
      what: "a directory that others may write to",
      args(out: string) {
        chmodSync(out, 0o777);
        return ["x509", "--out", out, "--step-id", "step_1"];
      },
      why: /--out: .*nobody else may write/,
    },
    {
      what: "a link to a directory",
      args(out: string) {
        mkdirSync(join(out, "there"));
        symlinkSync(join(out, "there"), join(out, "link"));
        return ["x509", "--out", join(out, "link"), "--step-id", "step_1"];
      },
      why: /--out: .*no link/,
    },
  ])("$what", async ({ args, why }) => {
    const out = scratch();
    const ran = start(["svid", ...args(out)]);
    expect(await ran.exited).toBe(2);
    expect(ran.err()).toMatch(why);
    expect(readdirSync(out).filter((name) => name.startsWith("svid"))).toEqual([]);
  });
});
