import { decodeJwt } from "jose";
import { describe, expect, test, vi } from "vitest";
import { ReceiptState, type Receipts } from "../../src/gen/stint/v1/types_pb.js";
import type { ToolUse } from "../../src/sdk/verifier/index.ts";
import { startDaemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { runtimeAt } from "./one-user.ts";
import { operatorOf } from "./operator.ts";
import { startVerifier, type VerifierProcess } from "./verifier-process.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const USE: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };
/** An audience of each entry's own tells the broker which of them a process is. */
const OWN = { one: "https://one.example", two: "https://two.example" } as const;
/** Of the second entry: as small as can be waited for, and large enough for a busy machine. */
const STALENESS_SECONDS = 5;
const BOUNDS = {
  one: { read: 30, default: 15 },
  two: { read: STALENESS_SECONDS, default: STALENESS_SECONDS },
} as const;

const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], jwt_svid_ttl: 600 },
  { kind: "agent", name: "hasty", selectors, ceiling: [READ_SEARCH], jwt_svid_ttl: 10 },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher", "hasty"] },
  { kind: "verifier", name: "one", selectors, audiences: [SEARCH, OWN.one], max_staleness: BOUNDS.one.read },
  { kind: "verifier", name: "two", selectors, audiences: [SEARCH, OWN.two], max_staleness: BOUNDS.two.read },
];

/**
 * A broker of the test's own: what other tests left behind would count as verifiers that have not lapsed.
 *
 * @param without - an entry whose verifiers the test does not start, and would wait for.
 */
async function scene(without?: keyof typeof OWN) {
  const daemon = await startDaemon({ entries: ENTRIES.filter(({ name }) => name !== without) });
  const runtime = runtimeAt(daemon.workloadSocket);
  return {
    daemon,
    runtime,
    start: (own: keyof typeof OWN, endpoint = daemon.workloadSocket) =>
      startVerifier({ endpoint, audiences: [SEARCH, OWN[own]], maxStalenessSeconds: BOUNDS[own] }),
    async [Symbol.asyncDispose]() {
      runtime[Symbol.dispose]();
      await daemon[Symbol.asyncDispose]();
    },
  };
}

/** Waits, within a bound, for the first look that finds this. */
const becomes = <Value>(look: () => Promise<Value>, expected: Value) =>
  vi.waitFor(async () => expect(await look()).toBe(expected), { timeout: 20_000 });
/** Once its feed is fresh: on a busy machine a small bound may pass by itself for a moment. */
const accepts = (verifier: VerifierProcess, token: string) => becomes(() => verifier.judge(token, USE), "accepted");
const revokes = (verifier: VerifierProcess, token: string) => becomes(() => verifier.judge(token, USE), "REVOKED");

const statesOf = (receipts: Receipts | undefined) =>
  Object.fromEntries(receipts?.verifiers.map(({ verifier, state }) => [verifier, ReceiptState[state]]) ?? []);

// Most of their time these tests wait, each for its own broker: they may as well wait together.
describe.concurrent("verifiers in processes of their own, before a real broker", { timeout: 90_000 }, () => {
  test("accept a step's token while it is open, and refuse it once its close is acknowledged", async () => {
    await using broker = await scene("two");
    const { runtime } = broker;
    await using verifier = await broker.start("one");
    const step = await runtime.open();
    await accepts(verifier, step.token);
    const { receipts } = await runtime.close(step, 10);
    expect(statesOf(receipts)).toMatchObject({ one: "APPLIED" });
    expect(await verifier.judge(step.token, USE)).toBe("REVOKED");
    expect(await verifier.ended(step.stepId)).toMatchObject({
      code: "REVOKED",
      metadata: { state: "COMPLETED", reason: "cessationOfOperation" },
    });
  });

  test("refuse the token of a closed step through the seconds around its expiry, as long as one of an open step holds", async () => {
    await using broker = await scene("two");
    const { runtime } = broker;
    await using verifier = await broker.start("one");
    const closed = await runtime.open({ agent: "hasty" });
    const open = await runtime.open({ agent: "hasty" });
    await accepts(verifier, closed.token);
    await runtime.close(closed, 10);
    const seen = { closed: new Set<string>(), open: new Set<string>() };
    const { exp = 0 } = decodeJwt(open.token);
    // Until the leeway and the skew are over too, which is when a revocation may be forgotten.
    while (Date.now() < (exp + 11) * 1_000) {
      const [ofClosed, ofOpen] = await Promise.all([verifier.judge(closed.token), verifier.judge(open.token)]);
      seen.closed.add(ofClosed);
      seen.open.add(ofOpen);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect([...seen.closed].filter((code) => code === "accepted")).toEqual([]);
    expect([...seen.closed]).toEqual(expect.arrayContaining(["REVOKED", "EXPIRED"]));
    expect([...seen.open]).toEqual(expect.arrayContaining(["accepted", "EXPIRED"]));
  });

  test("that were stopped across a close refuse their first request after waking, and every one after it", async () => {
    await using broker = await scene("one");
    const { runtime } = broker;
    await using verifier = await broker.start("two");
    const step = await runtime.open();
    await accepts(verifier, step.token);
    verifier.signal("SIGSTOP");
    await runtime.close(step);
    // The request is there before the process wakes; so is the denial, and it is not said which it reads first.
    const first = verifier.judge(step.token, USE);
    await new Promise((resolve) => setTimeout(resolve, STALENESS_SECONDS * 1_000 + 100));
    const further = Array.from({ length: 20 }, () => verifier.judge(step.token, USE));
    verifier.signal("SIGCONT");
    expect(["STALE", "REVOKED"]).toContain(await first);
    expect((await Promise.all(further)).filter((code) => code === "accepted")).toEqual([]);
    await revokes(verifier, step.token);
  });

  test("are waited for: applied by both, or by one while the other is pending and then has lapsed", async () => {
    await using broker = await scene();
    const { runtime } = broker;
    await using one = await broker.start("one");
    await using two = await broker.start("two");
    const first = await runtime.open();
    for (const verifier of [one, two]) await accepts(verifier, first.token);
    const both = await runtime.close(first, 10);
    expect(both.receipts).toMatchObject({ expected: 2, applied: 2 });
    expect(statesOf(both.receipts)).toEqual({ one: "APPLIED", two: "APPLIED" });

    const second = await runtime.open();
    await accepts(two, second.token);
    two.signal("SIGSTOP");
    const { receipts: pending } = await runtime.close(second, 1);
    expect(pending).toMatchObject({ expected: 2, applied: 1 });
    expect(statesOf(pending)).toEqual({ one: "APPLIED", two: "PENDING" });
    const silent = pending?.verifiers.find((each) => each.verifier === "two");
    expect(pending?.latestPossibleAcceptance).toEqual(silent?.lapsesAt);

    // Closing a closed step waits again, and no longer than until the silent one refuses everything by itself.
    const { receipts: lapsed } = await runtime.close(second, 60);
    expect(statesOf(lapsed)).toEqual({ one: "APPLIED", two: "LAPSED" });
    two.signal("SIGCONT");
    await revokes(two, second.token);
    const again = await runtime.close(second, 10);
    expect(statesOf(again.receipts)).toEqual({ one: "APPLIED", two: "APPLIED" });
  });

  test("of one entry count as one: it has applied what all its processes have", async () => {
    await using broker = await scene("two");
    const { runtime } = broker;
    await using first = await broker.start("one");
    await using second = await broker.start("one");
    const step = await runtime.open();
    for (const verifier of [first, second]) await accepts(verifier, step.token);
    first.signal("SIGSTOP");
    const { receipts } = await runtime.close(step, 1);
    expect(statesOf(receipts)).toMatchObject({ one: "PENDING" });
    first.signal("SIGCONT");
    const settled = await runtime.close(step, 20);
    expect(statesOf(settled.receipts)).toMatchObject({ one: "APPLIED" });
  });

  test("are listed for operators, each process with its cursor and how far it lags", async () => {
    await using broker = await scene();
    const { runtime } = broker;
    using operator = operatorOf(broker.daemon.operatorSocket);
    await using first = await broker.start("one");
    await using second = await broker.start("one");
    const step = await runtime.open();
    await accepts(second, step.token);
    first.signal("SIGSTOP");
    const { sequence } = await runtime.close(step);
    const list = async () => {
      const { verifiers } = await operator.history.listVerifiers({});
      return new Map(verifiers.map((each) => [each.process?.pid, each]));
    };
    await becomes(async () => ((await list()).get(second.pid)?.acknowledgedSequence ?? 0n) >= sequence, true);
    const listed = await list();
    expect(listed.get(first.pid)).toMatchObject({
      name: "one",
      connected: true,
      audiences: [SEARCH, OWN.one],
      maxStaleness: { seconds: BigInt(BOUNDS.one.read) },
    });
    expect(listed.get(first.pid)?.acknowledgedSequence).toBeLessThan(sequence);
    expect(listed.get(first.pid)?.lag).toBeGreaterThan(0n);
    await second[Symbol.asyncDispose]();
    await becomes(async () => (await list()).get(second.pid)?.connected ?? false, false);
    const { verifiers } = await operator.history.listVerifiers({});
    expect(verifiers.find(({ name }) => name === "two")).toMatchObject({ connected: false });
  });

  test("without its broker a verifier refuses when its bound has passed, and works again when the broker is back", async () => {
    await using broker = await scene("one");
    const { daemon, runtime } = broker;
    await using verifier = await broker.start("two");
    const [before, during, after] = [await runtime.open(), await runtime.open(), await runtime.open()];
    await runtime.close(before, 10);
    await accepts(verifier, during.token);

    await daemon.kill();
    await becomes(() => verifier.judge(during.token, USE), "STALE");
    expect(await verifier.judge(before.token, USE)).toBe("STALE");
    const { denied } = await verifier.status();

    await using restarted = await daemon.restart();
    using back = runtimeAt(restarted.workloadSocket);
    await back.close(during);
    await accepts(verifier, after.token);
    for (const closed of [before, during]) await revokes(verifier, closed.token);
    // It went on from where it was: one step more is denied, and nothing was forgotten.
    expect(await verifier.status()).toMatchObject({ connected: true, denied: denied + 2, bundles: 1 });
  });
});
