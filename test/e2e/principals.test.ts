import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { type OidcIssuer, startOidcIssuer } from "./oidc-issuer.ts";
import { operatorOf } from "./operator.ts";

const AUDIENCE = "https://broker.example.org";
const selectors = [`unix:uid:${process.getuid?.()}`];
const grant = [READ_SEARCH] as never;
/** For tests that start the daemon again, on a machine that may be busy. */
const RESTARTS_MS_MAX = 120_000;

let issuer: OidcIssuer;
let daemon: Daemon;
let files: string;

beforeAll(async () => {
  issuer = await startOidcIssuer();
  files = await mkdtemp(join(tmpdir(), "stint-principals-"));
  daemon = await startDaemon({
    entries: [
      { kind: "agent", name: "dev", selectors, ceiling: [READ_SEARCH], may_open: true, allow_any_executor: true },
      { kind: "operator", name: "alice", selectors, role: "admin" },
    ],
    config: { principals: { issuers: [{ issuer: issuer.url, audience: AUDIENCE, claims: ["department"] }] } },
  });
});

afterAll(async () => {
  await daemon[Symbol.asyncDispose]();
  await rm(files, { recursive: true });
  issuer.close();
});

const tokenOf = (sub: string) => issuer.token({ sub, department: `department-of-${sub}` }, AUDIENCE);
const runtime = () => createStint({ endpoint: `unix://${daemon.workloadSocket}`, agent: "dev" });
const stint = (...args: string[]) =>
  runStint(["--operator-socket", daemon.operatorSocket, "--socket", `unix://${daemon.workloadSocket}`, ...args]);
const json = async (...args: string[]) => JSON.parse((await stint("-o", "json", ...args)).out) as never;
const listed = async (subject: string | null) =>
  ((await json("principal", "list")) as Record<string, unknown>[]).find((one) => one["subject"] === subject);

/** Everything that the daemon keeps or says, but for the keys of the principals. */
async function kept(): Promise<string> {
  const ledger = join(daemon.directory, "data", "ledger");
  const written = await Promise.all((await readdir(ledger)).map((name) => readFile(join(ledger, name), "latin1")));
  return [...written, daemon.stderr()].join("\n");
}

test("a step of the SDK works for whom its token proves: in its credentials, its history, and in no file", async () => {
  using stintClient = runtime();
  const principalToken = await tokenOf("ada-lovelace");
  const options = { runId: "sdk", step: "look-up", grant, principalToken };
  const { jwt, stepId } = await stintClient.withStep(options, async (step) => ({
    jwt: (await step.jwtSvid(SEARCH)).svid(),
    stepId: step.stepId,
  }));
  expect(decodeJwt(jwt)["principal"]).toMatchObject({ iss: issuer.url, sub: "ada-lovelace" });

  const { principal } = (await json("step", "show", stepId)) as { principal: Record<string, string> };
  expect(principal).toEqual({
    issuer: issuer.url,
    subject: "ada-lovelace",
    principal_id: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(await listed("ada-lovelace")).toMatchObject({
    principal_id: principal["principal_id"],
    claims: { department: "department-of-ada-lovelace" },
    open_steps: 0,
    offboarded_at: null,
  });
  const all = await kept();
  expect(all).toContain(principal["principal_id"]);
  for (const secret of ["ada-lovelace", ...principalToken.split(".").slice(1)]) expect(all).not.toContain(secret);
});

test("the command line opens a step for whom the token in a file names, and none where the file holds none", async () => {
  const file = join(files, "token");
  await writeFile(file, `${await tokenOf("grace-hopper")}\n`, { mode: 0o600 });
  const open = ["step", "open", "--run", "cli", "--step", "look-up", "--executor", "any", "--principal-token-file"];
  const opened = (await json(...open, file)) as { principal: unknown };
  expect(opened.principal).toMatchObject({ subject: "grace-hopper" });

  await writeFile(file, "\n");
  expect(await stint(...open, file)).toMatchObject({ status: 2, err: expect.stringContaining("the file is empty") });
  expect(await stint(...open, join(files, "none"))).toMatchObject({
    status: 2,
    err: expect.stringContaining("ENOENT"),
  });

  await writeFile(file, await issuer.token({ sub: "grace-hopper" }, "https://another.example.org"));
  const refused = await stint(...open, file);
  expect(refused).toMatchObject({
    status: 1,
    err: expect.stringContaining("INVALID_FIELD: principal_token: a token for"),
  });
  // Not even in the log of what was refused.
  expect(await kept()).not.toContain("grace-hopper");
  expect((await stint("step", "list", "--run", "cli")).out).toMatch(/ grace-hopper *$/m);
});

test("offboarding ends a principal's steps, refuses new ones, and readmitting lets them in again", {
  timeout: RESTARTS_MS_MAX,
}, async () => {
  using stintClient = runtime();
  const open = async (runId: string) =>
    stintClient.openStep({ runId, step: "look-up", grant, principalToken: await tokenOf("edith-clarke") });
  const step = await open("offboarding");
  await step.jwtSvid(SEARCH);
  const named = ["principal", "offboard", issuer.url, "edith-clarke"];

  expect(await stint(...named, "--dry-run")).toMatchObject({
    status: 0,
    err: "stint: would end 1 step and revoke 1 credential; nothing was done\n",
  });
  expect(step.signal.aborted).toBe(false);
  const aborted = new Promise((resolve) => step.signal.addEventListener("abort", resolve));
  expect(await stint(...named)).toEqual({
    status: 0,
    out: "",
    err: "stint: ended 1 step and revoked 1 credential; new ones are refused\n",
  });
  await aborted;
  await expect(open("offboarding-2")).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  expect(await listed("edith-clarke")).toMatchObject({ open_steps: 0, offboarded_at: expect.any(String) });

  await daemon.stop();
  daemon = await daemon.restart();
  using after = runtime();
  const again = async () =>
    after.openStep({ runId: "offboarding-3", step: "look-up", grant, principalToken: await tokenOf("edith-clarke") });
  await expect(again()).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  expect((await stint("principal", "readmit", issuer.url, "edith-clarke")).status).toBe(0);
  await using readmitted = await again();
  expect(readmitted.stepId).toMatch(/^step_/);
});

test("whom no step named is barred only with --bar, and the ledger then still names nobody", async () => {
  const named = ["principal", "offboard", issuer.url, "mallory-unseen"];
  for (const more of [[], ["--dry-run"]]) {
    expect(await stint(...named, ...more)).toEqual({
      status: 1,
      out: "",
      err: "stint: no step ever named this principal; with --bar none ever will be opened for them\n",
    });
  }
  const { principal_id: principalId } = (await json(...named, "--bar")) as { principal_id: string };
  using stintClient = runtime();
  const principalToken = await tokenOf("mallory-unseen");
  await expect(stintClient.openStep({ runId: "barred", step: "look-up", grant, principalToken })).rejects.toMatchObject(
    { reason: "NOT_ENTITLED" },
  );
  const all = await kept();
  expect(all).toContain(principalId);
  expect(all).not.toContain("mallory-unseen");
  const { out } = await stint("principal", "list");
  expect(out).toMatch(new RegExp(`^\\(never seen\\) .* ${principalId}$`, "m"));
});

test("erasing ends a principal's steps and leaves a digest: nothing says who it was, not even after a restart", {
  timeout: RESTARTS_MS_MAX,
}, async () => {
  using stintClient = runtime();
  const options = { runId: "erasing", step: "look-up", grant, principalToken: await tokenOf("mary-shelley") };
  const step = await stintClient.openStep(options);
  const { principal_id: principalId = "" } = ((await listed("mary-shelley")) ?? {}) as Record<string, string>;
  const keys = join(daemon.directory, "data", "principals");
  expect(await readdir(keys)).toContain(`${principalId}.key`);

  const ended = (await json("principal", "erase", principalId)) as Record<string, unknown>;
  expect(ended).toMatchObject({ principal_id: principalId, steps_closed: 1 });
  expect(await readdir(keys)).not.toContain(`${principalId}.key`);
  const erased = async () => (await json("step", "show", step.stepId)) as { state: string; principal: unknown };
  expect(await erased()).toMatchObject({ state: "REVOKED", principal: { principal_id: principalId, erased: true } });
  expect(await listed("mary-shelley")).toBeUndefined();

  await daemon.stop();
  daemon = await daemon.restart();
  expect(await erased()).toMatchObject({ principal: { principal_id: principalId, erased: true } });
  expect((await stint("principal", "list")).out).toMatch(new RegExp(`^\\(erased\\) .* ${principalId}$`, "m"));
  using after = runtime();
  const returned = { ...options, runId: "returned", principalToken: await tokenOf("mary-shelley") };
  await after.withStep(returned, async () => undefined);
  expect(await listed("mary-shelley")).toMatchObject({ principal_id: principalId, erased_at: expect.any(String) });
  expect(await erased()).toMatchObject({ principal: { principal_id: principalId, erased: true } });
});

test("a key that a backup brought back is deleted at the next start", { timeout: RESTARTS_MS_MAX }, async () => {
  using stintClient = runtime();
  const options = { runId: "backup", step: "look-up", grant, principalToken: await tokenOf("lise-meitner") };
  const stepId = await stintClient.withStep(options, async (step) => step.stepId);
  const { principal_id: principalId } = ((await listed("lise-meitner")) ?? {}) as Record<string, string>;
  const file = join(daemon.directory, "data", "principals", `${principalId}.key`);
  const backup = await readFile(file);
  expect((await stint("principal", "erase", issuer.url, "lise-meitner")).status).toBe(0);
  await daemon.stop();
  await writeFile(file, backup, { mode: 0o600 });
  daemon = await daemon.restart();
  await expect(readFile(file)).rejects.toThrow("ENOENT");
  const { principal } = (await json("step", "show", stepId)) as { principal: unknown };
  expect(principal).toEqual({ principal_id: principalId, erased: true });
});

test("without its salt the broker does not start: nobody who was offboarded would be recognised", {
  timeout: RESTARTS_MS_MAX,
}, async () => {
  const salt = join(daemon.directory, "data", "principals.salt");
  const kept = await readFile(salt);
  await daemon.stop();
  await rm(salt);
  const outcome = await daemon.restart().then(async (started) => `it started: ${await started.stop()}`, String);
  expect(outcome).toContain("the salt of the principals' digests is missing");
  await writeFile(salt, kept, { mode: 0o600 });
  daemon = await daemon.restart();
});

test("who may look sees principals, and ends or erases none", async () => {
  const own = [{ kind: "operator", name: "eyes", selectors, role: "viewer" }];
  await using watched = await startDaemon({ entries: own });
  using operator = operatorOf(watched.operatorSocket);
  expect((await operator.principals.list({})).principals).toEqual([]);
  const by = { case: "name", value: { issuer: issuer.url, subject: "ada-lovelace" } } as const;
  for (const act of [
    operator.principals.offboard({ by, barAhead: true }),
    operator.principals.readmit({ by }),
    operator.principals.erase({ by }),
  ]) {
    await expect(act).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  }
});

test("a revocation by principal ends the same steps, and bars nobody", async () => {
  using stintClient = runtime();
  const open = async (runId: string) =>
    stintClient.openStep({ runId, step: "look-up", grant, principalToken: await tokenOf("emmy-noether") });
  await open("revoked");
  using operator = operatorOf(daemon.operatorSocket);
  const target = { case: "principal", value: { issuer: issuer.url, subject: "emmy-noether" } } as const;
  const { stepsClosed } = await operator.revocations.revoke({ target });
  expect(stepsClosed.map(({ principal }) => principal?.subject)).toEqual(["emmy-noether"]);
  await using again = await open("revoked-2");
  expect(again.stepId).toMatch(/^step_/);
  expect(await kept()).not.toContain("emmy-noether");
});
