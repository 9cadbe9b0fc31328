import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith } from "../faults/daemon-scene.ts";

let daemon: Daemon;
let key: string;

beforeAll(async () => {
  daemon = await startDaemon({
    entries: OWN_ENTRIES,
    config: (directory) => ({ ledger: { disk_free_bytes_min: 0, checkpoint_copy: join(directory, "copy") } }),
  });
  key = (await stint("ledger", "key")).out.trim();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const stint = (...args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);
const file = (name: string) => join(daemon.directory, name);

/** A step of its own, with a credential. */
async function issued(step: string): Promise<{ readonly stepId: string; readonly jti: string }> {
  const session = sessionWith(daemon);
  const { stepId } = await openStep(session, step);
  const [, claims = ""] = (await issueJwt(session, stepId)).split(".");
  const { jti } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { readonly jti: string };
  return { stepId, jti };
}

/** Without a broker: the socket is none. */
const check = (...args: readonly string[]) =>
  runStint(["--operator-socket", "/nowhere", "ledger", "check", "-o", "json", ...args]);

test("an issuance is proved in a file, which somebody without a broker checks by the key alone", async () => {
  const { jti } = await issued("proved");
  expect(await stint("ledger", "prove", "--jti", jti, "--out", file("issued.tlog-proof"))).toMatchObject({ status: 0 });
  const checked = await check(file("issued.tlog-proof"), "--key", key);
  expect(checked).toMatchObject({ status: 0, err: "" });
  expect(JSON.parse(checked.out)).toMatchObject({
    kind: "receipt",
    origin: expect.stringMatching(/^example\.org\/stint\/ledger\/epoch_/),
    event: { type: "issuance.recorded" },
    cosigned_by: [],
  });
  expect(checked.out).toContain(jti);
});

test("what took it back, and a decision, are proved too; what is not recorded is not", async () => {
  const { stepId, jti } = await issued("revoked");
  expect(await stint("ledger", "prove", "--jti", jti, "--revocation")).toMatchObject({
    status: 1,
    err: expect.stringContaining("nothing of this name is recorded"),
  });
  await closeStep(sessionWith(daemon), stepId);
  const revoked = await stint("ledger", "prove", "--jti", jti, "--revocation");
  await writeFile(file("revoked"), revoked.out);
  expect(JSON.parse((await check(file("revoked"), "--key", key)).out)).toMatchObject({
    event: { type: "step.closed", step_id: stepId },
  });

  const decisions = JSON.parse((await stint("history", "decisions", "-o", "json")).out) as { decision_id: string }[];
  const decision = decisions[0]?.decision_id ?? expect.unreachable();
  await writeFile(file("decided"), (await stint("ledger", "prove", "--decision", decision)).out);
  expect(JSON.stringify(JSON.parse((await check(file("decided"), "--key", key)).out))).toContain(decision);
  expect((await stint("ledger", "prove", "--sequence", "999999")).status).toBe(1);
  expect((await stint("ledger", "prove", "--jti", jti, "--sequence", "1")).status).toBe(2);
});

test("a receipt whose event, place or checkpoint was changed, or of another key, proves nothing", async () => {
  const { jti } = await issued("forged");
  const receipt = (await stint("ledger", "prove", "--jti", jti)).out;
  const extra = /^extra (.+)$/m.exec(receipt)?.[1] ?? "";
  const forged = Buffer.from(Buffer.from(extra, "base64").toString().replace(jti, "x".repeat(jti.length)));
  const otherKey = (await readFile(file("data/checkpoint"), "utf8")).split("\n")[0] ?? "";
  const cases = [
    {
      text: receipt.replace(extra, forged.toString("base64")),
      why: "the event is not the one that was recorded there",
    },
    { text: receipt.replace(/^index .*$/m, "index 0"), why: "the event is not the one that was recorded there" },
    { text: receipt.replace(/\n\n(.+)\n\d+\n/, "\n\n$1\n7\n"), why: "does not hold" },
    { text: receipt.replace(`extra ${extra}\n`, ""), why: "it does not bring the event" },
    { text: "hello\n", why: "it is nothing that a ledger gives out" },
  ];
  for (const { text, why } of cases) {
    await writeFile(file("forged"), text);
    expect(await check(file("forged"), "--key", key)).toMatchObject({ status: 1, err: expect.stringContaining(why) });
  }
  expect((await check(file("forged"), "--key", `${otherKey}+00000000+AAAA`)).status).toBe(2);
});

test("a checkpoint is kept in both places; a later one is proved to continue it", async () => {
  const earlier = (await stint("ledger", "checkpoint")).out;
  await writeFile(file("earlier"), earlier);
  expect((await check(file("earlier"), "--key", key)).status).toBe(0);
  await openStep(sessionWith(daemon), "later");
  await expect.poll(async () => (await stint("ledger", "checkpoint")).out, { timeout: 10_000 }).not.toBe(earlier);
  await writeFile(file("continued"), (await stint("ledger", "prove", "--since", file("earlier"))).out);
  const since = ["--since", file("earlier")];
  expect(JSON.parse((await check(file("continued"), "--key", key, ...since)).out)).toMatchObject({
    kind: "consistency",
  });
  expect((await check(file("continued"), "--key", key)).status).toBe(2);
  expect(await readFile(file("copy"), "utf8")).toMatch(/^example\.org\/stint\/ledger\/epoch_/);
});

test("everything is verified, and a checkpoint that is not of this ledger is named", async () => {
  const intact = await stint("ledger", "verify");
  expect(intact).toMatchObject({ status: 0, err: expect.stringMatching(/^stint: intact: [0-9]+ events, every table/) });
  await cp(file("copy"), file("kept"));
  await writeFile(file("copy"), (await readFile(file("kept"), "utf8")).replace(/\n\d+\n/, "\n3\n"));
  expect(await stint("ledger", "verify")).toMatchObject({
    status: 1,
    err: expect.stringContaining(
      "the copy of the checkpoint can't be believed: the signature of example.org/stint/ledger/",
    ),
  });
  await cp(file("kept"), file("copy"));
});
