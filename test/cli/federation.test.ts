import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Daemon, startDaemon } from "../daemon.ts";
import { runStint } from "./running.ts";

/** Whose bundle is asked for, and whoever asks. */
let other: Daemon;
let daemon: Daemon;

beforeAll(async () => {
  other = await startDaemon({
    config: { trust_domain: "other.example", http: { listen: "127.0.0.1:0", own_svid: true } },
  });
  daemon = await startDaemon();
});
afterAll(async () => {
  for (const one of [daemon, other]) await one[Symbol.asyncDispose]();
});
afterEach(() => stint("federation", "delete", "other.example"));

const at = (one: Daemon, ...args: string[]) => runStint(["--operator-socket", one.operatorSocket, ...args]);
const stint = (...args: string[]) => at(daemon, ...args);

const endpoint = (url = `${other.httpUrl}/spiffe-bundle.json`) => [
  ...["--url", url, "--profile", "https_spiffe"],
  ...["--endpoint-spiffe-id", "spiffe://other.example/stint/server"],
];

/** The other's bundle map, carried over as a file. */
async function carriedBundle(): Promise<string> {
  const file = join(daemon.directory, "other-bundles.json");
  writeFileSync(file, (await at(other, "federation", "bundles")).out);
  return file;
}

test("create takes up a relationship, asks its endpoint, and says how that went", async () => {
  const bundle = await carriedBundle();
  const { status, out, err } = await stint(
    ...["-o", "json", "federation", "create", "other.example", ...endpoint(), "--bundle", bundle],
  );
  expect([status, err]).toEqual([0, "stint: the bundle endpoint answered, and its bundle is in force\n"]);
  expect(JSON.parse(out)).toMatchObject({
    trust_domain: "other.example",
    profile: "https_spiffe",
    endpoint_spiffe_id: "spiffe://other.example/stint/server",
    x509_authorities: 1,
    jwt_keys: 1,
    wit_keys: 1,
    failure: null,
  });
  const listed = await stint("federation", "list");
  expect(listed.out).toMatch(/^TRUST_DOMAIN +PROFILE +SEQUENCE +X509 +JWT +WIT +ACCEPTED +NEXT_REFRESH +FAILURE\n/);
  expect(listed.out).toMatch(/\nother\.example +https_spiffe +\d+ +1 +1 +1 +\S+Z +\S+Z\s*\n/);
  expect((await stint("federation", "show", "other.example")).out).toContain("other.example");
});

test("bundles is a SPIFFE bundle map with the broker's own and the foreign one", async () => {
  await stint("federation", "create", "other.example", ...endpoint(), "--bundle", await carriedBundle());
  const { trust_domains } = JSON.parse((await stint("federation", "bundles")).out);
  expect(Object.keys(trust_domains).sort()).toEqual(["example.org", "other.example"]);
  expect(trust_domains["other.example"].keys.map(({ use }: { readonly use: string }) => use).sort()).toEqual([
    "jwt-svid",
    "wit-svid",
    "x509-svid",
  ]);
});

test("an endpoint that gives nothing leaves what was given in force; refresh then fails, and says why", async () => {
  const bundle = await carriedBundle();
  const nowhere = endpoint("https://127.0.0.1:9/bundle");
  const created = await stint("federation", "create", "other.example", ...nowhere, "--bundle", bundle);
  expect(created.status).toBe(0);
  expect(created.err).toMatch(
    /^stint: the bundle endpoint can't be reached; the bundle that was given is in force, and it is asked again at \S+Z\n$/,
  );
  const refreshed = await stint("federation", "refresh", "other.example");
  expect([refreshed.status, refreshed.err]).toEqual([1, "stint: the bundle endpoint can't be reached\n"]);
});

test("delete ends it, and a second time there is nothing to end", async () => {
  await stint("federation", "create", "other.example", ...endpoint(), "--bundle", await carriedBundle());
  expect((await stint("federation", "delete", "other.example")).status).toBe(0);
  const again = await stint("federation", "delete", "other.example");
  expect([again.status, again.err]).toEqual([1, expect.stringMatching(/^stint: INVALID_FIELD: trust_domain: /)]);
  for (const verb of ["show", "refresh"]) {
    expect((await stint("federation", verb, "other.example")).status).toBe(1);
  }
});

const URL = ["--url", "https://127.0.0.1:9/"];
const WEB = ["--profile", "https_web"];
const SPIFFE = ["--profile", "https_spiffe"];

test.for([
  { what: "no URL", args: ["other.example", ...WEB], status: 2, refusal: /--url/ },
  { what: "no profile", args: ["other.example", ...URL], status: 2, refusal: /--profile/ },
  {
    what: "a profile that is none",
    args: ["other.example", ...URL, "--profile", "http"],
    status: 2,
    refusal: /https_web/,
  },
  {
    what: "https_spiffe without an ID",
    args: ["other.example", ...URL, ...SPIFFE],
    status: 2,
    refusal: /--endpoint-spiffe-id/,
  },
  {
    what: "https_web with one",
    args: ["other.example", ...URL, ...WEB, "--endpoint-spiffe-id", "spiffe://other.example/x"],
    status: 2,
    refusal: /--endpoint-spiffe-id/,
  },
  {
    what: "https_spiffe of the trust domain itself without its bundle",
    args: ["other.example", ...URL, ...SPIFFE, "--endpoint-spiffe-id", "spiffe://other.example/x"],
    status: 1,
    refusal: /INVALID_FIELD: bundle: /,
  },
  {
    what: "its own trust domain",
    args: ["example.org", ...URL, ...WEB],
    status: 1,
    refusal: /INVALID_FIELD: trust_domain: /,
  },
  {
    what: "plain HTTP",
    args: ["other.example", "--url", "http://a.example/", ...WEB],
    status: 1,
    refusal: /bundle_endpoint_url: /,
  },
  {
    what: "a URL with a password",
    args: ["other.example", "--url", "https://ada:secret@a.example/", ...WEB],
    status: 1,
    refusal: /bundle_endpoint_url: /,
  },
  {
    what: "a bundle that can't be read",
    args: ["other.example", ...URL, ...WEB, "--bundle", "/nowhere/bundle.json"],
    status: 2,
    refusal: /--bundle: can't be read \(ENOENT\)/,
  },
])("create refuses $what", async ({ args, status, refusal }) => {
  const refused = await stint("federation", "create", ...args);
  expect([refused.status, refused.out]).toEqual([status, ""]);
  expect(refused.err).toMatch(refusal);
  expect(refused.err).not.toContain("secret");
});

test("a bundle comes from standard input too, and one that is none is refused", async () => {
  const args = ["federation", "create", "other.example", ...endpoint(), "--bundle", "-"];
  const refused = await runStint(["--operator-socket", daemon.operatorSocket, ...args], { input: "not JSON" });
  expect([refused.status, refused.err]).toEqual([1, expect.stringMatching(/^stint: INVALID_FIELD: bundle: /)]);
  const { out: bundles } = await at(other, "federation", "bundles");
  const taken = await runStint(["--operator-socket", daemon.operatorSocket, ...args], { input: bundles });
  expect(taken.status).toBe(0);
});
