import { afterAll, beforeAll, expect, test } from "vitest";
import { runStint } from "../cli/running.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { scrape } from "./metrics-text.ts";
import { OWN_ENTRIES } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";

// A real broker, in which an operator holds what is to be kept, by the command line.

const OPERATORS = [{ kind: "operator", name: "local", selectors: [`unix:uid:${process.getuid?.()}`], role: "admin" }];
const PRINCIPAL_ID = "ab".repeat(32);

let daemon: Daemon;
let operator: Operator;
beforeAll(async () => {
  daemon = await startDaemon({
    entries: [...OWN_ENTRIES, ...OPERATORS],
    config: {
      retention: { issuances: "30d", decisions: "forever" },
      operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
    },
  });
  operator = operatorOf(daemon.operatorSocket);
});
afterAll(async () => {
  operator?.[Symbol.dispose]();
  await daemon?.[Symbol.asyncDispose]();
});

const stint = (...args: readonly string[]) => runStint(["--operator-socket", daemon.operatorSocket, ...args]);

test("a hold is placed once, listed with its reason, and lifted", async () => {
  const placed = await stint("hold", "place", "--run", "nightly-1", "--reason", "case 4711");
  expect(placed).toMatchObject({ status: 0, err: "stint: nothing that it concerns is pruned from here on\n" });
  const holdId = placed.out.trim();
  expect(holdId).toMatch(/^hold_/);
  const again = await stint("hold", "place", "--run", "nightly-1", "--reason", "another");
  expect(again).toMatchObject({ status: 0, out: `${holdId}\n`, err: "stint: the hold stood before\n" });
  const other = await stint("hold", "place", "--principal", PRINCIPAL_ID, "--reason", "case 4712");
  const listed = await stint("-o", "json", "hold", "list");
  expect(JSON.parse(listed.out)).toMatchObject([
    { hold_id: holdId, scope: "run", value: "nightly-1", reason: "case 4711" },
    { hold_id: other.out.trim(), scope: "principal", value: PRINCIPAL_ID, reason: "case 4712" },
  ]);
  expect(await stint("hold", "lift", holdId, "--reason", "closed")).toMatchObject({ status: 0 });
  const table = await stint("hold", "list");
  expect(table.out).not.toContain("nightly-1");
  expect(await stint("hold", "lift", holdId, "--reason", "closed")).toMatchObject({
    status: 1,
    err: expect.stringContaining("hold_id: of a hold that stands"),
  });
  const events = await stint("-o", "json", "history", "events", "--limit", "3");
  expect(JSON.parse(events.out).map(({ type }: { readonly type: string }) => type)).toEqual([
    "hold.lifted",
    "hold.placed",
    "hold.placed",
  ]);
});

test.for([
  { args: [], says: "one of --run, --agent and --principal says what is held" },
  { args: ["--run", "a", "--agent", "b"], says: "one of --run, --agent and --principal says what is held" },
  { args: ["--principal", "https://id.example.org"], says: "a principal_id: 64 hexadecimal digits" },
  { args: ["--run", "not a run"], says: "run_id" },
])("a hold on $args is refused, and says why", async ({ args, says }) => {
  const refused = await stint("hold", "place", ...args, "--reason", "r");
  expect(refused.status).not.toBe(0);
  expect(refused.err).toContain(says);
});

test("the times that hold are told: what the configuration names, and no other", async () => {
  const { periods, prunedEvents, snapshotSequence } = await operator.retention.get({});
  expect(periods.map(({ eventClass, seconds }) => ({ eventClass, seconds }))).toEqual([
    { eventClass: "issuances", seconds: 2_592_000 },
  ]);
  expect({ prunedEvents, snapshotSequence }).toEqual({ prunedEvents: 0n, snapshotSequence: 0n });
});

test("an operator prunes at once; what is due is told before, and a young ledger has nothing of the kind", async () => {
  expect(await stint("-o", "json", "ledger", "prune", "--dry-run")).toMatchObject({ status: 0, out: "[]\n" });
  const pruned = await stint("-o", "json", "ledger", "prune");
  expect({ ...pruned, out: JSON.parse(pruned.out) }).toMatchObject({ status: 0, out: { pruned_events: 0 } });
  const shown = await stint("-o", "json", "ledger", "retention");
  expect(JSON.parse(shown.out)).toEqual({
    periods: { issuances: 2_592_000 },
    pruned_events: 0,
    snapshot_sequence: 0,
    snapshot_bytes: 0,
  });
  expect(await scrape(daemon)).toContain('stint_retention_rounds_total{outcome="nothing"} 1');
});
