import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { Authorizations, UsageOutcome } from "../../src/gen/stint/v1/authorizations_pb.js";
import { createClient } from "../../src/wire/client.ts";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { FILES, SEARCH } from "./entries.ts";
import { jtiOf, runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";

/** Several daemons are started one after the other, on a machine that may be busy. */
vi.setConfig({ testTimeout: 180_000 });

const selectors = [`unix:uid:${process.getuid?.()}`];
const READ = { type: "mcp_tool", locations: [SEARCH], identifier: "search", actions: ["read"], datatypes: ["public"] };
const WRITE = { ...READ, locations: [FILES], identifier: "put", actions: ["write"] };
const SECRET = { ...READ, identifier: "vault", actions: ["retrieve_secret"] };
const CUSTOMER = { ...READ, identifier: "crm", datatypes: ["customer"] };
const BEYOND = { ...READ, identifier: "other" };
const AGENT = { kind: "agent", name: "researcher", selectors, ceiling: [READ, WRITE, SECRET, CUSTOMER] };
const ENTRIES = [AGENT, { kind: "runtime", name: "flow", selectors, agents: ["researcher"] }];
const NO_WRITES = '@id("site.no-writes")\nforbid (principal, action == Action::"write", resource);\n';

async function started(entries: readonly object[] = ENTRIES): Promise<Daemon> {
  const daemon = await startDaemon({ entries });
  onTestFinished(() => daemon[Symbol.asyncDispose]());
  return daemon;
}

const stint = (daemon: Daemon, ...args: readonly string[]) =>
  runStint(["--operator-socket", daemon.operatorSocket, ...args]);

// Partly refused, refused for the ceiling or the parent, delegated, refused by policies, ended by the ratchet.
test("under the policies that decided, each decision comes out as it did", async () => {
  const daemon = await started();
  using runtime = runtimeAt(daemon.workloadSocket);
  const open = (runId: string, elements: object[], more: object = {}) =>
    runtime.steps.open({ runId, step: `s-${elements.length}`, agent: "researcher", grant: { elements }, ...more }).then(
      ({ step }) => step?.stepId ?? "",
      () => "refused",
    );
  expect(await open("partly", [READ, BEYOND], { allowPartial: true })).not.toBe("refused");
  expect(await open("mixed", [READ, WRITE, SECRET], { allowPartial: true })).not.toBe("refused");
  expect(await open("whole", [READ, BEYOND])).toBe("refused");
  expect(await open("forbidden", [WRITE, SECRET])).toBe("refused");
  const parent = await open("family", [READ]);
  expect(await open("family", [READ, WRITE], { step: "child", parentStepId: parent })).toBe("refused");
  expect(await open("family", [READ], { step: "child", parentStepId: parent })).not.toBe("refused");
  const writer = await open("ratchet", [WRITE]);
  expect(await open("ratchet", [CUSTOMER], { step: "reader" })).not.toBe("refused");
  expect(await open("ratchet", [WRITE], { step: "writer-again" })).toBe("refused");

  const decisions = JSON.parse((await stint(daemon, "history", "decisions", "-o", "json")).out) as {
    closes: string[];
  }[];
  expect(decisions.flatMap(({ closes }) => closes)).toEqual([writer]);
  const replayed = await stint(daemon, "policy", "replay", "--policy-version", "1", "-o", "json");
  expect(JSON.parse(replayed.out)).toMatchObject({
    decisions: decisions.length,
    skipped: 0,
    flips_count: 0,
    flips: [],
  });
  const suggested = await stint(daemon, "policy", "suggest", "--agent", "researcher", "-o", "json");
  expect(JSON.parse(suggested.out)).toMatchObject({ decisions: decisions.length, denied: 0 });
});

const REPORTING = ["reports", "silent"].map((name, index) => {
  return { kind: "verifier", name, selectors, audiences: [index === 0 ? SEARCH : FILES] };
});

test("what verifiers report is what is suggested; what was granted and never used is a comment, in Cedar that validates", async () => {
  const daemon = await started([...ENTRIES, ...REPORTING]);
  using runtime = runtimeAt(daemon.workloadSocket);
  const step = await runtime.open({ grant: { elements: [READ, CUSTOMER] } });
  await runtime.open({ grant: { elements: [WRITE] } });
  const authorizations = createClient(Authorizations, runtime.channel);
  const called = { jti: jtiOf(step.token), action: "read", calls: 3 };
  const usages = [
    { ...called, tool: "search", outcome: UsageOutcome.SERVED },
    { ...called, tool: "crm", outcome: UsageOutcome.REFUSED },
  ];
  expect(await authorizations.reportUsage({ reportId: "r-1", usages, gap: 2 })).toMatchObject({ refused: 0 });

  const suggested = await stint(daemon, "policy", "suggest", "--agent", "researcher", "-o", "json");
  const { policies, ...others } = JSON.parse(suggested.out) as { policies: string };
  expect(others).toMatchObject({
    // Nothing is known of the server whose verifier reports nothing: there it is what was granted.
    ceiling: [
      { identifier: "put", locations: [FILES], actions: ["write"], datatypes: ["public"] },
      { identifier: "search", locations: [SEARCH], actions: ["read"], datatypes: ["public"] },
    ],
    unused: [{ identifier: "crm", locations: [SEARCH], actions: ["read"], datatypes: ["customer"] }],
    denied: 1,
  });
  expect(policies).toContain(
    [
      "// Granted, and by all that is known never used:",
      `//   crm at ${SEARCH} (read; customer)`,
      "// 2 calls were not told of: one of these may have been among them.",
    ].join("\n"),
  );
  expect(policies).not.toContain('Tool::"crm"');
  const file = join(daemon.directory, "suggested.cedar");
  writeFileSync(file, policies);
  expect(await stint(daemon, "policy", "validate", file, "--no-baseline")).toMatchObject({ status: 0 });
});

test("a file larger than a message is put in parts, and is the same file", async () => {
  const daemon = await started();
  const directory = join(daemon.directory, "large");
  mkdirSync(directory);
  const policies = Array.from({ length: 600 }, (_, index) => {
    const filler = "// ä, which is two bytes, so that parts end within a character\n".repeat(2);
    return `${filler}@id("large.${index}")\nforbid (principal == Agent::"a${index}", action == Action::"write", resource);\n`;
  });
  writeFileSync(join(directory, "large.cedar"), policies.join(""));
  expect((await stint(daemon, "policy", "put", directory, "--no-baseline")).out).toMatch(/^policies +600$/m);
  const shown = await stint(daemon, "policy", "show", "2", "-o", "json");
  const { policies: kept } = JSON.parse(shown.out) as { policies: { policy: string; text: string }[] };
  const one = kept.find(({ policy }) => policy === "large.599");
  expect(one?.text.trim()).toBe(policies[599]?.trim());
});

test("whoever may only look puts nothing and activates nothing, and may replay", async () => {
  const daemon = await started([...ENTRIES, { kind: "operator", name: "watcher", selectors, role: "viewer" }]);
  const directory = join(daemon.directory, "own");
  mkdirSync(directory);
  writeFileSync(join(directory, "site.cedar"), NO_WRITES);
  const refused = { status: 1, err: expect.stringContaining("NOT_ENTITLED") };
  expect(await stint(daemon, "policy", "put", directory)).toMatchObject(refused);
  expect(await stint(daemon, "policy", "activate", "1", "--reason", "drill", "--yes")).toMatchObject(refused);
  expect(await stint(daemon, "policy", "replay", "--policies", directory)).toMatchObject({ status: 0 });
  expect((await stint(daemon, "policy", "list", "-o", "json")).out).toContain('"version": 1');
});

const text = Buffer.from(NO_WRITES);

test.for([
  {
    attack: "a name that leads out of a folder",
    parts: [{ file: "../site.cedar", text }],
    reason: "INVALID_FIELD",
  },
  { attack: "a name that forges a line", parts: [{ file: "a\nb.cedar", text }], reason: "INVALID_FIELD" },
  {
    attack: "a file that comes back",
    parts: [
      { file: "a.cedar", text },
      { file: "b.cedar", text },
      { file: "a.cedar", text },
    ],
    reason: "INVALID_FIELD",
  },
  {
    attack: "more than a set may hold",
    parts: Array.from({ length: 180 }, () => ({ file: "a.cedar", text: Buffer.alloc(48 * 1_024, " ") })),
    reason: "LIMIT_EXCEEDED",
  },
])("refuses $attack", async ({ parts, reason }) => {
  const daemon = await started();
  using operator = operatorOf(daemon.operatorSocket);
  const put = operator.policies.put(parts.map((part) => ({ part })));
  await expect(put).rejects.toMatchObject({ info: { reason } });
  await expect(operator.policies.list({})).resolves.toMatchObject({ sets: [{ version: 1 }] });
});

test("nothing at all, and what is not text, are findings", async () => {
  const daemon = await started();
  using operator = operatorOf(daemon.operatorSocket);
  await expect(operator.policies.put([])).resolves.toMatchObject({
    findings: [{ message: expect.stringContaining("at least one") }],
  });
  const bytes = { part: { file: "a.cedar", text: Uint8Array.of(0xff, 0xfe) } };
  await expect(operator.policies.check([bytes])).resolves.toMatchObject({
    findings: [{ file: "a.cedar", line: 1, column: 1, message: "expected UTF-8" }],
  });
});
