import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { LedgerBackupRequestSchema } from "../../src/gen/stint/v1/ledger_pb.js";
import { StatusGetResponseSchema } from "../../src/gen/stint/v1/status_pb.js";
import { GetRequestSchema } from "../../src/gen/stint/v1/steps_pb.js";
import { operatorOf } from "../e2e/operator.ts";
import { type ConsoleScene, ENTRIES, signInBy, startConsole } from "./console-scene.ts";

// Goal: nobody acts through the console who did not sign in, nobody signs in by what was used or is somebody else's, and no other site's page
// makes a browser act. Method: a real daemon, and requests as a browser makes them, and as it never would.

let scene: ConsoleScene;
beforeAll(async () => {
  scene = await startConsole();
});
afterAll(() => scene[Symbol.asyncDispose]());

const STATUS = "/console/api/stint.v1.Status/Get";
const PROTO = { "content-type": "application/proto", "connect-protocol-version": "1" };

const statusBy = (headers: Readonly<Record<string, string>>) =>
  scene.ask(STATUS, { method: "POST", headers: { ...PROTO, ...headers }, body: new Uint8Array() });

test("a link signs in once, with a cookie that no script sees and no other site sends", async () => {
  const url = new URL(await scene.link());
  expect(url.origin).toBe(scene.url);
  // What is in the fragment is sent to nobody.
  expect(url.search).toBe("");
  const code = url.hash.slice(1);
  const answer = await signInBy(scene.ask, code);
  expect(answer.status).toBe(204);
  expect(String(answer.headers["set-cookie"])).toMatch(/^stint-console=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  expect(answer.headers["cache-control"]).toBe("no-store");
  const again = await signInBy(scene.ask, code);
  expect(again.status).toBe(401);
  expect(again.headers["set-cookie"]).toBeUndefined();
});

test("whoever is signed in is the operator that asked for the link, and is told until when", async () => {
  const cookie = await scene.signedIn();
  const { body } = await scene.ask("/console/session", { headers: { cookie } });
  expect(JSON.parse(body)).toEqual({
    trustDomain: "example.org",
    ways: ["link"],
    operators: [{ name: "night-shift", role: "admin" }],
    expiresAt: expect.stringMatching(/^20.*Z$/),
  });
});

test("calls are answered as over any other way in", async () => {
  const headers = { ...PROTO, cookie: await scene.signedIn(), origin: scene.url };
  const answer = await fetch(`${scene.url}${STATUS}`, { method: "POST", headers, body: new Uint8Array() });
  expect(answer.headers.get("content-type")).toBe("application/proto");
  const status = fromBinary(StatusGetResponseSchema, new Uint8Array(await answer.arrayBuffer()));
  expect(status).toMatchObject({ ready: true, trustDomain: "example.org" });
});

describe("without a session", () => {
  test.each([
    ["no cookie", {}],
    ["a cookie that was made up", { cookie: `stint-console=${"A".repeat(43)}` }],
    ["the name of a session in a header", { "stint-console-session": "a".repeat(64) }],
    ["an empty cookie", { cookie: "stint-console=" }],
  ])("%s: nothing is answered", async (_, headers) => {
    const { status, body } = await statusBy(headers);
    expect(status).toBe(403);
    expect(JSON.parse(body)).toMatchObject({
      code: "permission_denied",
      message: "nobody is signed in, or not any more",
    });
  });

  test("who signed out is out, also with the cookie kept", async () => {
    const cookie = await scene.signedIn();
    expect((await statusBy({ cookie })).status).toBe(200);
    const out = await scene.ask("/console/session", { method: "DELETE", headers: { cookie } });
    expect(out.status).toBe(204);
    expect(String(out.headers["set-cookie"])).toMatch(/^stint-console=; Max-Age=0/);
    expect((await statusBy({ cookie })).status).toBe(403);
  });
});

describe("another site's page", () => {
  test.each([
    ["another origin", "https://evil.example"],
    ["another port of this machine", "http://127.0.0.1:1"],
    ["no origin that is told", "null"],
    ["the same host by another scheme", "https"],
  ])("%s: its calls are nobody's, whatever cookie comes along", async (_, origin) => {
    const cookie = await scene.signedIn();
    const named = origin === "https" ? scene.url.replace("http:", "https:") : origin;
    expect((await statusBy({ cookie, origin: named })).status).toBe(403);
    const deleted = await scene.ask("/console/session", { method: "DELETE", headers: { cookie, origin: named } });
    expect(deleted.status).toBe(403);
    expect((await statusBy({ cookie })).status).toBe(200);
  });

  test("signs nobody in", async () => {
    const code = new URL(await scene.link()).hash.slice(1);
    const headers = { "content-type": "application/json", origin: "https://evil.example" };
    const answer = await scene.ask("/console/session", { method: "POST", headers, body: JSON.stringify({ code }) });
    expect(answer.status).toBe(403);
    // The code was not spent by it.
    expect((await signInBy(scene.ask, code)).status).toBe(204);
  });

  test.each(["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])(
    "sends %s without being asked first, which no call takes",
    async (type) => {
      const cookie = await scene.signedIn();
      const answer = await scene.ask(STATUS, { method: "POST", headers: { cookie, "content-type": type }, body: "" });
      expect(answer.status).toBe(415);
    },
  );

  test("a name that was made to resolve to this machine is refused", async () => {
    const answer = await scene.ask("/console/", { headers: { host: "evil.example" } });
    expect(answer.status).toBe(421);
  });
});

test("a page loads nothing from elsewhere, runs no text as script, and is in nobody's frame", async () => {
  const { headers, body } = await scene.ask("/console/steps/anything");
  expect(headers["content-security-policy"]).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; " +
      "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  );
  expect(headers["referrer-policy"]).toBe("no-referrer");
  expect(headers["x-content-type-options"]).toBe("nosniff");
  expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
  expect(body).not.toMatch(/https?:/);
  expect(body).not.toMatch(/<script(?![^>]* src=)/);
});

test.each([
  "/console/../../etc/passwd",
  "/console/%2e%2e/%2e%2e/package.json",
  "/console/assets/..%2f..%2fstint.yaml",
  "/console/assets/none.js",
])("%s is no file of the console", async (path) => {
  const { status, body } = await scene.ask(path);
  expect([200, 404]).toContain(status);
  expect(body === "not found\n" || body.includes('<div id="app">')).toBe(true);
});

test("what the console does not call can't be called through it", async () => {
  const cookie = await scene.signedIn();
  const body = toBinary(LedgerBackupRequestSchema, create(LedgerBackupRequestSchema));
  const answer = await scene.ask("/console/api/stint.v1.Ledger/Backup", {
    method: "POST",
    headers: { ...PROTO, cookie },
    body,
  });
  expect(answer.status).toBe(405);
});

test("a refusal keeps its reason and its details", async () => {
  const cookie = await scene.signedIn();
  const request = create(GetRequestSchema, {
    by: { case: "stepId", value: "step_01a22e02-8514-7337-954f-dd4bee123e6b" },
  });
  const answer = await scene.ask("/console/api/stint.v1.Steps/Get", {
    method: "POST",
    headers: { ...PROTO, cookie },
    body: toBinary(GetRequestSchema, request),
  });
  expect(answer.status).toBe(404);
  const { code, details } = JSON.parse(answer.body);
  expect(code).toBe("not_found");
  expect(details[0].type).toBe("google.rpc.ErrorInfo");
  expect(Buffer.from(details[0].value, "base64").toString()).toContain("STEP_NOT_FOUND");
});

test("an act is recorded as the operator's who signed in", async () => {
  const cookie = await scene.signedIn();
  using operator = operatorOf(scene.daemon().operatorSocket);
  const [entry] = (await operator.entries.list({})).entries.filter(({ content }) => content?.name === "night-shift");
  const body = Buffer.from([0x22, 5, ...Buffer.from("run-1")]);
  const answer = await scene.ask("/console/api/stint.v1.Revocations/Revoke", {
    method: "POST",
    headers: { ...PROTO, cookie },
    body,
  });
  expect(answer.status).toBe(200);
  const { events } = await operator.history.listEvents({ type: "run.barred" });
  const recorded = events.map(({ canonical }) => JSON.parse(Buffer.from(canonical).toString()));
  expect(recorded).toEqual([
    expect.objectContaining({ by: expect.objectContaining({ kind: "operator", entryId: entry?.entryId }) }),
  ]);
});

test("a session ends with its operator's entry, and what it follows ends with it", async () => {
  const spare = { kind: "operator", name: "spare", selectors: ["unix:uid:4242"], role: "admin" };
  await using own = await startConsole({ entries: [...ENTRIES, spare] });
  using operator = operatorOf(own.daemon().operatorSocket);
  const cookie = await own.signedIn();
  const headers = { "content-type": "application/connect+proto", "connect-protocol-version": "1", cookie };
  const following = own.ask("/console/api/stint.v1.Status/Follow", {
    method: "POST",
    headers,
    body: new Uint8Array(5),
  });
  await operator.entries.disable({ entry: "operator/night-shift" });
  const { status, body } = await following;
  expect(status).toBe(200);
  expect(body).toContain("no operator's entry matches whoever signed in");
  const session = await own.ask("/console/session", { headers: { cookie } });
  expect(JSON.parse(session.body)).toEqual({ trustDomain: "example.org", ways: ["link"] });
});

test("a broker that started anew knows nobody, and says so", async () => {
  await using own = await startConsole();
  const cookie = await own.signedIn();
  await own.restarted();
  const answer = await own.ask(STATUS, { method: "POST", headers: { ...PROTO, cookie }, body: new Uint8Array() });
  expect(answer.status).toBe(403);
  expect(JSON.parse((await own.ask("/console/session", { headers: { cookie } })).body)).toEqual({
    trustDomain: "example.org",
    ways: ["link"],
  });
});

test("an operator's role is what it is elsewhere: a viewer looks, and revokes nothing", async () => {
  const own = [`unix:uid:${process.getuid?.()}`];
  await using auditing = await startConsole({
    entries: [{ kind: "operator", name: "viewer", selectors: own, role: "viewer" }],
  });
  const cookie = await auditing.signedIn();
  const ask = (method: string, body: Uint8Array) =>
    auditing.ask(`/console/api/stint.v1.${method}`, { method: "POST", headers: { ...PROTO, cookie }, body });
  expect((await ask("Status/Get", new Uint8Array())).status).toBe(200);
  const refused = await ask("Revocations/Revoke", Buffer.from([0x22, 5, ...Buffer.from("run-1")]));
  expect(refused.status).toBe(403);
  expect(JSON.parse(refused.body).message).toContain("only for operators with the role");
});

test("without a console nobody gets a link, and there is no page", async () => {
  await using without = await startConsole({ config: { console: undefined } });
  await expect(without.link()).rejects.toMatchObject({ reason: "NOT_SERVING" });
  expect((await without.ask("/console/")).status).toBe(404);
});
