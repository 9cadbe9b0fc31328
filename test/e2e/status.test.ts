import { afterAll, beforeAll, expect, test } from "vitest";
import { Status } from "../../src/gen/stint/v1/status_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { closeStep, issueJwt, OWN_ENTRIES, openStep, sessionWith } from "../faults/daemon-scene.ts";
import { READ_SEARCH } from "./entries.ts";
import { parseMetrics, scrape } from "./metrics-text.ts";

let daemon: Daemon;

beforeAll(async () => {
  daemon = await startDaemon({
    entries: OWN_ENTRIES,
    config: { operations: { listen: "127.0.0.1:0", plain_on_loopback: true } },
  });
});
afterAll(() => daemon[Symbol.asyncDispose]());

const stint = (...args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);

test("a broker that is well says so to a person, and exits with 0", async () => {
  const ran = await stint("status");
  expect(ran).toMatchObject({ status: 0, err: "" });
  expect(ran.out).toMatch(/^ready +yes$/m);
  expect(ran.out).toMatch(/^disk +[0-9.]+ MiB free, at least 1\.0 MiB needed; the ledger takes [0-9.]+ MiB$/m);
  for (const kind of ["x509-svid", "jwt-svid", "wit-svid"])
    expect(ran.out).toMatch(new RegExp(`^${kind} +ACTIVE`, "m"));
  expect(ran.out).toMatch(/^mcp-1 +no/m);
});

test("as data it has what a script asks for", async () => {
  await openStep(sessionWith(daemon), "counted");
  const ran = await stint("status", "-o", "json");
  expect(JSON.parse(ran.out)).toMatchObject({
    ready: true,
    reasons: [],
    trust_domain: "example.org",
    open_steps: 1,
    verifiers_connected: 0,
    disk_free_bytes_min: 1_048_576,
    authorities: ["x509-svid", "jwt-svid", "wit-svid", "txn-token"].map((kind) => ({ kind, state: "ACTIVE" })),
    verifiers: [{ name: "mcp-1", connected: false }],
  });
});

test("a scrape is Prometheus' text, and counts what was opened, issued, revoked and refused", async () => {
  const session = sessionWith(daemon);
  const before = parseMetrics(await scrape(daemon));
  const step = await openStep(session, "measured");
  await issueJwt(session, step.stepId);
  await issueJwt(session, step.stepId);
  await closeStep(session, step.stepId);
  const above = { elements: [{ ...READ_SEARCH, actions: ["write"] }] };
  await expect(openStep(session, "above", { grant: above })).rejects.toMatchObject({ reason: "POLICY_DENIED" });

  const after = parseMetrics(await scrape(daemon));
  const more = (sample: string) => (after.get(sample) ?? 0) - (before.get(sample) ?? 0);
  expect({
    issued: more('stint_credentials_issued_total{kind="jwt-svid"}'),
    revoked: more("stint_credentials_revoked_total"),
    closed: more('stint_steps_closed_total{state="COMPLETED"}'),
    denied: more('stint_denials_total{act="open",reason="POLICY_DENIED"}'),
    open: more("stint_open_steps"),
  }).toEqual({ issued: 2, revoked: 2, closed: 1, denied: 1, open: 0 });
  // Each of four calls waited for its own commit.
  expect(more("stint_ledger_commits_total")).toBeGreaterThanOrEqual(4);
  expect(more("stint_ledger_commits_total")).toBeLessThanOrEqual(more("stint_ledger_sequence"));
  expect(after.get("stint_ready")).toBe(1);
  expect(after.get("stint_disk_free_bytes")).toBeGreaterThan(1_048_576);
  expect(after.get("stint_ledger_bytes")).toBeGreaterThan(0);
  const expiries = [...after].filter(([sample]) => sample.startsWith("stint_authority_expiry_timestamp_seconds{"));
  expect(expiries).toHaveLength(4);
  for (const [, expiry] of expiries) expect(expiry).toBeGreaterThan(Date.now() / 1_000);
  expect(after.get("nodejs_eventloop_lag_p99_seconds")).toBeGreaterThanOrEqual(0);
});

test("whoever follows is told everything at first, and how far the ledger is as soon as it has grown", async () => {
  const channel = openChannel(daemon.operatorSocket);
  try {
    const following = createClient(Status, channel).follow({});
    const first = (await following.next()).value;
    expect(first?.status).toMatchObject({ ready: true, trustDomain: "example.org", sequence: first?.sequence });
    const { openedSequence } = await openStep(sessionWith(daemon), "followed");
    for await (const { sequence } of following) {
      if (sequence >= openedSequence) break;
    }
  } finally {
    channel.close();
  }
});

test("who may not look may not follow either", async () => {
  await using other = await startDaemon({
    entries: [{ kind: "operator", name: "detector", selectors: [`unix:uid:${process.getuid?.()}`], role: "detector" }],
  });
  const channel = openChannel(other.operatorSocket);
  try {
    await expect(createClient(Status, channel).follow({}).next()).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
  } finally {
    channel.close();
  }
});
