import { afterAll, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { operatorOf } from "../e2e/operator.ts";
import { runStint } from "./running.ts";

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const stint = (...args: string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);
const listed = async () =>
  JSON.parse((await stint("-o", "json", "join-token", "list")).out) as Record<string, string>[];

test("create prints the token alone, and what it is good for beside it", async () => {
  const { status, out, err } = await stint("join-token", "create", "worker", "--ttl", "5m");
  expect(status).toBe(0);
  expect(out).toMatch(/^stint-join-worker-[A-Za-z0-9_-]{43}\n$/);
  expect(err).toMatch(/^stint: good once, until \S+Z, for an entry with join_token:name:worker\n$/);
  const [token] = await listed();
  expect(Object.keys(token ?? {})).toEqual(["name", "created_at", "expires_at"]);
  const seconds = (Date.parse(token?.["expires_at"] ?? "") - Date.parse(token?.["created_at"] ?? "")) / 1_000;
  expect(Math.ceil(seconds)).toBe(300);
});

test("as data the token comes with its end", async () => {
  const { out } = await stint("-o", "json", "join-token", "create", "data");
  expect(JSON.parse(out)).toEqual({
    token: expect.stringMatching(/^stint-join-data-/),
    expires_at: expect.stringMatching(/Z$/),
  });
});

test("revoke takes back all of a name, and is told when there is none", async () => {
  for (const name of ["lost", "lost", "kept"]) await stint("join-token", "create", name);
  expect(await stint("join-token", "revoke", "lost")).toEqual({
    status: 0,
    out: "",
    err: "stint: join tokens revoked: 2\n",
  });
  const names = (await listed()).map(({ name }) => name);
  expect(names).toContain("kept");
  expect(names).not.toContain("lost");
  const again = await stint("join-token", "revoke", "lost");
  expect([again.status, again.err]).toEqual([1, expect.stringMatching(/^stint: INVALID_FIELD: name: /)]);
});

test("list is a table of what could still be used", async () => {
  await stint("join-token", "create", "shown");
  expect((await stint("join-token", "list")).out).toMatch(/^NAME +CREATED +EXPIRES\n(.*\n)*shown +\S+Z +\S+Z\n/);
});

test.for([
  { what: "29 s", args: ["worker", "--ttl", "29s"], refusal: /^stint: INVALID_FIELD: ttl: 30 s to 3600 s/ },
  { what: "more than an hour", args: ["worker", "--ttl", "3601s"], refusal: /^stint: INVALID_FIELD: ttl: / },
  { what: "a name that is no path segment", args: ["a/b"], refusal: /^stint: INVALID_FIELD: name: / },
])("create refuses $what", async ({ args, refusal }) => {
  const { status, out, err } = await stint("join-token", "create", ...args);
  expect([status, out]).toEqual([1, ""]);
  expect(err).toMatch(refusal);
});

test("the ledger and the log hold who made and took back tokens, and no token", async () => {
  using operator = operatorOf(daemon.operatorSocket);
  const { token } = await operator.joinTokens.create({ name: "recorded" });
  await operator.joinTokens.revoke({ name: "recorded" });
  const { events } = await operator.history.listEvents({ filter: { pageSize: 2 } });
  expect(events.map(({ type }) => type)).toEqual(["join_token.revoked", "join_token.created"]);
  const recorded = events.map(({ canonical }) => Buffer.from(canonical).toString()).join("");
  expect(recorded).toContain('"kind":"operator"');
  const secret = token.slice(-43);
  expect(recorded).not.toContain(secret);
  expect(daemon.stderr()).toContain('"method":"JoinTokens.Create"');
  expect(daemon.stderr()).not.toContain(secret);
});

test("a viewer sees them, and makes and takes back none", async () => {
  const selectors = [`unix:uid:${process.getuid?.()}`];
  await using watched = await startDaemon({ entries: [{ kind: "operator", name: "eyes", selectors, role: "viewer" }] });
  using operator = operatorOf(watched.operatorSocket);
  expect((await operator.joinTokens.list({})).joinTokens).toEqual([]);
  await expect(operator.joinTokens.create({ name: "worker" })).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  await expect(operator.joinTokens.revoke({ name: "worker" })).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});
