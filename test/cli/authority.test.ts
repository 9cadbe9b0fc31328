import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Denial } from "../../src/gen/stint/v1/revocations_pb.js";
import { certificateRequestOf, generateKey } from "../../src/sdk/runtime/certificate-request.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { SEARCH } from "../e2e/entries.ts";
import { watchFeed } from "../e2e/feed-watch.ts";
import { jtiOf, type OpenedStep, OWN_ENTRIES, type Runtime, runtimeAt } from "../e2e/one-user.ts";
import { STINT } from "../programs.ts";
import { type Ran, runStint } from "./running.ts";

let daemon: Daemon;
let runtime: Runtime;
beforeAll(async () => {
  daemon = await startDaemon({ entries: OWN_ENTRIES });
  runtime = runtimeAt(daemon.workloadSocket);
});
afterAll(async () => {
  runtime[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

type Shown = Record<string, unknown>;
const stint = (...args: string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);

/** The data of a command that has to succeed. */
async function data<Data = Shown>(ran: Promise<Ran>): Promise<Data> {
  const { status, out, err } = await ran;
  expect([status, err]).toEqual([0, err]);
  return JSON.parse(out) as Data;
}
const show = (...more: string[]) => data<Shown[]>(stint("-o", "json", "authority", "show", ...more));
const order = (...args: string[]) => data(stint("-o", "json", "authority", ...args));

async function idOf(kind: string, state: string): Promise<string> {
  const found = (await show()).findLast((one) => one["kind"] === kind && one["state"] === state);
  return String(found?.["authority_id"]);
}

const fetched = async (path: string) => (await fetch(`${daemon.httpUrl}${path}`)).json();
const jwksKids = async () => ((await fetched("/jwks.json")) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
const bundleKeys = async () => ((await fetched("/spiffe-bundle.json")) as { keys: Shown[] }).keys;
const kidOf = (token: string) => decodeProtectedHeader(token).kid;

async function certificateOf({ stepId }: OpenedStep): Promise<{ leaf: X509Certificate; bundle: X509Certificate[] }> {
  const csr = certificateRequestOf(await generateKey());
  const { svid } = await runtime.credentials.issueX509Svid({ stepId, csr });
  const parsed = (der: Uint8Array | undefined) => new X509Certificate(der ?? new Uint8Array());
  return { leaf: parsed(svid?.x509Svid[0]), bundle: (svid?.bundle ?? []).map(parsed) };
}

/** Puts a new key in the place of the one that signs, and gives the ids of both. */
async function replace(kind: "x509" | "jwt"): Promise<{ readonly old: string; readonly active: string }> {
  const old = await idOf(`${kind}-svid`, "ACTIVE");
  const prepared = String((await order("prepare", kind))["authority_id"]);
  await order("activate", prepared, "--now");
  return { old, active: prepared };
}

test("show lists what signs each kind, as a table, as data, and as a line each", async () => {
  const shown = await show();
  expect(shown.map(({ kind, state, tainted }) => [kind, state, tainted])).toEqual([
    ["x509-svid", "ACTIVE", false],
    ["jwt-svid", "ACTIVE", false],
    ["wit-svid", "ACTIVE", false],
    ["txn-token", "ACTIVE", false],
  ]);
  expect(Object.keys(shown[0] ?? {})).toEqual([
    "authority_id",
    "kind",
    "state",
    "state_since",
    "tainted",
    "not_before",
    "expires_at",
    "activatable_at",
  ]);
  const table = await stint("authority", "show");
  expect(table.out).toMatch(/^KIND +STATE +TAINTED +SINCE +ACTIVATABLE +EXPIRES +AUTHORITY\nx509-svid +ACTIVE +no /);
  const lines = (await stint("-o", "jsonl", "authority", "show")).out.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line) as Shown)).toEqual(shown);
});

test("a bundle names the keys of WIT-SVIDs by their kid", async () => {
  const wit = (await bundleKeys()).filter(({ use }) => use === "wit-svid");
  expect(wit).toEqual([expect.objectContaining({ kid: await idOf("wit-svid", "ACTIVE"), kty: "EC", crv: "P-256" })]);
});

test("activate --force waits until the key was published for 35 s, and changes nothing when it is stopped", async () => {
  const prepared = String((await order("prepare", "wit"))["authority_id"]);
  const args = ["--operator-socket", daemon.operatorSocket, "authority", "activate", prepared, "--force"];
  const waiting = spawn(process.execPath, [STINT, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  const [said] = (await once(waiting.stderr, "data")) as [Buffer];
  expect(said.toString()).toMatch(/^stint: .*: 3[0-5] s left, .*; --now does not wait\n$/);
  waiting.kill("SIGTERM");
  await once(waiting, "exit");
  expect(await idOf("wit-svid", "PREPARED")).toBe(prepared);
  await order("revoke", prepared);
});

describe("a key of JWT-SVIDs", () => {
  test("is published before it signs, and the one before verifies on", async () => {
    const channel = openChannel(daemon.workloadSocket);
    const feed = watchFeed(channel);
    await feed.first("bundle");
    const step = await runtime.open();
    const old = await idOf("jwt-svid", "ACTIVE");
    expect(kidOf(step.token)).toBe(old);

    const prepared = await order("prepare", "jwt");
    const next = String(prepared["authority_id"]);
    expect(prepared).toMatchObject({ kind: "jwt-svid", state: "PREPARED", tainted: false });
    expect(await jwksKids()).toEqual([old, next]);
    // Whoever is on the feed has it at once.
    await feed.first("bundle", ({ jwks }) => Buffer.from(jwks).toString().includes(next));
    expect(kidOf(await runtime.token(step, SEARCH))).toBe(old);

    const refused = await stint("authority", "activate", next);
    expect(refused).toMatchObject({ status: 1, out: "" });
    expect(refused.err).toMatch(
      /^stint: INVALID_FIELD: authority_id: of one that is published for 900 s; \d+ s are left/,
    );
    expect(kidOf(await runtime.token(step, SEARCH))).toBe(old);

    const activated = await stint("-o", "json", "authority", "activate", next, "--now");
    expect(activated.err).toBe(
      "stint: verifiers off the feed may refuse what it signs until they next fetch the keys\n",
    );
    expect(JSON.parse(activated.out)).toMatchObject({ authority_id: next, state: "ACTIVE" });
    const token = await runtime.token(step, SEARCH);
    expect(kidOf(token)).toBe(next);
    expect((await show()).filter(({ kind }) => kind === "jwt-svid").map(({ state }) => state)).toEqual([
      "OLD",
      "ACTIVE",
    ]);
    const keys = createLocalJWKSet((await fetched("/jwks.json")) as Parameters<typeof createLocalJWKSet>[0]);
    for (const one of [step.token, token]) await jwtVerify(one, keys, { audience: SEARCH });
    feed.cancel();
    channel.close();
  });

  test("that is tainted is out of every bundle at once, and all that it signed is denied", async () => {
    const channel = openChannel(daemon.workloadSocket);
    const feed = watchFeed(channel);
    await feed.first("bundle");
    const step = await runtime.open();
    const other = await runtime.open();
    const { old, active } = await replace("jwt");
    const kept = await runtime.token(step, SEARCH);

    const { status, out, err } = await stint("-o", "json", "authority", "taint", old);
    expect([status, err]).toEqual([0, expect.stringMatching(/^stint: credentials revoked: \d+\n$/)]);
    expect(JSON.parse(out)).toMatchObject({ authority_id: old, state: "OLD", tainted: true });
    expect((JSON.parse(out) as Shown)["credentials_revoked"]).toBeGreaterThanOrEqual(2);

    for (const { token } of [step, other]) {
      const denied = await feed.first("denied", ({ denials }) =>
        denials.some(({ subject }) => subject.case === "jwt" && subject.value.jti === jtiOf(token)),
      );
      expect(denied.denials.every(({ reason }) => reason === "cACompromise")).toBe(true);
    }
    await feed.ping();
    expect(feed.denials().some(({ subject }) => subject.case === "jwt" && subject.value.jti === jtiOf(kept))).toBe(
      false,
    );
    expect(await jwksKids()).not.toContain(old);
    expect(await jwksKids()).toContain(active);
    expect((await bundleKeys()).map(({ kid }) => kid)).not.toContain(old);
    // The step goes on, and gets another.
    expect(kidOf(await runtime.token(step, SEARCH))).toBe(active);
    feed.cancel();
    channel.close();
  });
});

test("a CA that is revoked takes its certificates along, named on the feed by the CA that is in no bundle any more", async () => {
  const channel = openChannel(daemon.workloadSocket);
  const feed = watchFeed(channel);
  await feed.first("bundle");
  const step = await runtime.open();
  const before = await certificateOf(step);
  const { old, active } = await replace("x509");
  const after = await certificateOf(step);
  const [ca] = after.bundle.filter((one) => one.subject.includes(active));
  expect(ca === undefined ? false : after.leaf.verify(ca.publicKey)).toBe(true);
  expect(after.bundle.some((one) => one.subject.includes(old))).toBe(true);

  expect(await order("revoke", old, "--reason", "keyCompromise")).toMatchObject({ state: "REMOVED", tainted: true });
  const serialNumber = before.leaf.serialNumber.toLowerCase().replace(/^(00)+/, "");
  const isOfLeaf = ({ subject }: Denial) =>
    subject.case === "certificate" && subject.value.serialNumber === serialNumber;
  const { denials } = await feed.first("denied", (message) => message.denials.some(isOfLeaf));
  // Whoever comes later is told the same.
  const late = watchFeed(channel);
  const snapshot = await late.first("snapshot", (message) => message.denials.some(isOfLeaf));
  for (const named of [denials, snapshot.denials].map((list) => list.find(isOfLeaf))) {
    expect(named?.reason).toBe("keyCompromise");
    const issuer = named?.subject.case === "certificate" ? Buffer.from(named.subject.value.issuer) : Buffer.alloc(0);
    // The name holds the id, as text.
    expect(issuer.includes(old)).toBe(true);
  }
  late.cancel();
  expect((await certificateOf(step)).bundle.map(({ subject }) => subject.includes(old))).toEqual([false]);
  expect((await stint("authority", "revoke", active)).err).toMatch(/prepared or old; it is active/);
  feed.cancel();
  channel.close();
});

test("every order is on record with the operator that gave it, and what is removed is shown when asked for", async () => {
  const events = await data<{ act?: string; event?: Shown }[]>(
    stint("-o", "json", "history", "events", "--type", "operator.acted", "--limit", "100"),
  );
  const text = JSON.stringify(events);
  for (const act of ["prepare", "activate", "taint", "revoke"]) expect(text).toContain(`authority-${act}`);
  expect((await show()).map(({ state }) => state)).not.toContain("REMOVED");
  expect((await show("--removed")).map(({ state }) => state)).toContain("REMOVED");
});

test("a restart finds every authority as it was", async () => {
  const prepared = String((await order("prepare", "wit"))["authority_id"]);
  const before = await show("--removed");
  runtime[Symbol.dispose]();
  await daemon.kill();
  daemon = await daemon.restart();
  runtime = runtimeAt(daemon.workloadSocket);
  expect(await show("--removed")).toEqual(before);
  await order("revoke", prepared);
});

test.for([
  { args: ["prepare"], why: "no kind" },
  { args: ["prepare", "x25519"], why: "a kind that there is not" },
  { args: ["activate"], why: "no id" },
  { args: ["taint", "x", "--reason", "dislike"], why: "a reason that there is not" },
])("$why is a mistake of usage", async ({ args }) => {
  expect(await stint("authority", ...args)).toMatchObject({ status: 2, out: "" });
});

test("an operator who may only look sees them and changes nothing", async () => {
  const selectors = [`unix:uid:${process.getuid?.()}`];
  await using own = await startDaemon({ entries: [{ kind: "operator", name: "eye", selectors, role: "viewer" }] });
  const look = (...args: string[]) =>
    runStint(["--operator-socket", own.operatorSocket, "-o", "json", "authority", ...args]);
  const shown = await data<Shown[]>(look("show"));
  expect(shown).toHaveLength(4);
  const id = String(shown[0]?.["authority_id"]);
  for (const args of [
    ["prepare", "jwt"],
    ["activate", id, "--now"],
    ["taint", id],
    ["revoke", id],
  ]) {
    expect(await look(...args)).toMatchObject({ status: 1, err: expect.stringMatching(/^stint: NOT_ENTITLED: /) });
  }
  expect(await data<Shown[]>(look("show"))).toEqual(shown);
});
