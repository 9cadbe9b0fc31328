import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import type { ToolUse } from "../../src/sdk/verifier/index.ts";
import { type Daemon, startDaemon } from "../daemon.ts";
import { openTcpGate } from "../exchange/tcp-gate.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { startSharedLogs } from "../postgres/shared-logs.ts";
import { SEARCH } from "./entries.ts";
import { type OpenedStep, OWN_ENTRIES, type Runtime, runtimeAt } from "./one-user.ts";
import { type Operator, operatorOf } from "./operator.ts";
import { startVerifier } from "./verifier-process.ts";

const USE: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };
/** Longer than a lease. */
const TIMEOUT_MS = 120_000;

type Broker = { readonly daemon: Daemon; readonly runtime: Runtime; readonly operator: Operator };

describeWithPostgres("two brokers on one log in PostgreSQL", { timeout: TIMEOUT_MS }, () => {
  let logs: Awaited<ReturnType<typeof startSharedLogs>>;
  beforeAll(async () => {
    logs = await startSharedLogs("18");
  });
  afterAll(() => logs.close());

  /** Two brokers on one log; the second reaches it by a port of its own, where one is given. */
  async function scene(secondPort?: number) {
    const { host, port, database, user, passwordFile } = (await logs.newLog()).settings;
    const configOf = (replica: string, at: number) => ({
      ledger: {
        reserve_bytes: 1_048_576,
        disk_free_bytes_min: 1_048_576,
        postgres: { replica, host, port: at, database, user, password_file: passwordFile, plain_on_loopback: true },
      },
    });
    const ends: (() => unknown)[] = [];
    const end = async () => {
      for (const one of ends.reverse()) await one();
    };
    async function start(replica: string, at: number): Promise<Broker> {
      const daemon = await startDaemon({ entries: OWN_ENTRIES, config: configOf(replica, at) });
      const runtime = runtimeAt(daemon.workloadSocket);
      const operator = operatorOf(daemon.operatorSocket);
      ends.push(
        () => daemon[Symbol.asyncDispose](),
        () => runtime[Symbol.dispose](),
        () => operator[Symbol.dispose](),
      );
      return { daemon, runtime, operator };
    }
    try {
      const a = await start("a", port);
      const b = await start("b", secondPort ?? port);
      return { a, b, [Symbol.asyncDispose]: end };
    } catch (thrown) {
      await end();
      throw thrown;
    }
  }

  test("each has keys of its own in one bundle, and what one has closed the other refuses", async () => {
    await using brokers = await scene();
    const { a, b } = brokers;
    const step = await a.runtime.open();
    await becomes(() => stateAt(b, step), "OPEN");
    const [ofA, ofB] = await Promise.all([a, b].map(async ({ operator }) => operator.authorities.list({})));
    const ids = (listed: typeof ofA) => listed?.authorities.map(({ authorityId }) => authorityId).sort();
    expect(ids(ofA)?.length).toBeGreaterThanOrEqual(8);
    expect(ids(ofB)).toEqual(ids(ofA));
    // A copy of such a log that somebody promotes would be a second truth.
    await expect(a.operator.ledger.follow({}).next()).rejects.toMatchObject({ reason: "NOT_SERVING" });
    // The opener is a process of both machines, which are one.
    expect(await b.runtime.token(step, SEARCH)).toMatch(/^ey/);
    await b.runtime.close(step);
    await expect(a.runtime.token(step, SEARCH)).rejects.toMatchObject({ reason: "STEP_CLOSED" });
  });

  test("a verifier at one refuses what was closed at the other", async () => {
    await using brokers = await scene();
    const { a, b } = brokers;
    await using verifier = await startVerifier({ endpoint: b.daemon.workloadSocket, audiences: [SEARCH] });
    const [first, second] = [await a.runtime.open(), await a.runtime.open()];
    for (const { token } of [first, second]) await becomes(() => verifier.judge(token, USE), "accepted");
    await a.runtime.close(first);
    await becomes(() => verifier.judge(first.token, USE), "REVOKED");
    expect(await verifier.judge(second.token, USE)).toBe("accepted");
  });

  test("what a broker held that is gone is abandoned once its lease has lapsed, and what another holds is not", async () => {
    await using brokers = await scene();
    const { a, b } = brokers;
    const [ofA, ofB, unheld] = [await a.runtime.open(), await b.runtime.open(), await a.runtime.open()];
    await held(a, ofA);
    const release = await held(b, ofB);
    await a.daemon.kill();
    await becomes(() => stateAt(b, ofA), "ABANDONED");
    expect(await stateAt(b, ofB)).toBe("OPEN");
    // Nobody ever held it, and its executor is a process that the other broker sees.
    expect(await stateAt(b, unheld)).toBe("OPEN");
    release();
  });

  test("one that can't reach the log issues nothing, and makes no verifier believe", async () => {
    const gate = await openTcpGate(logs.server.port);
    try {
      await using brokers = await scene(gate.port);
      const { a, b } = brokers;
      await using verifier = await startVerifier({
        endpoint: b.daemon.workloadSocket,
        audiences: [SEARCH],
        maxStalenessSeconds: { read: 5, default: 5 },
      });
      const step = await a.runtime.open();
      await becomes(() => verifier.judge(step.token, USE), "accepted");
      gate.set("down");
      await expect(b.runtime.token(step, SEARCH)).rejects.toMatchObject({ reason: "LEDGER_UNAVAILABLE" });
      await a.runtime.close(step);
      const judged = async () => (await verifier.judge(step.token, USE)) === "accepted";
      await becomes(judged, false);
      gate.set("through");
      await becomes(() => verifier.judge(step.token, USE), "REVOKED");
      await becomes(async () => (await b.runtime.open()).token.slice(0, 2), "ey");
    } finally {
      await gate.close();
    }
  });
});

/** Waits, within a bound, for the first look that finds this. */
const becomes = <Value>(look: () => Promise<Value>, expected: Value) =>
  vi.waitFor(async () => expect(await look()).toBe(expected), { timeout: 40_000 });

async function stateAt({ operator }: Broker, { stepId }: OpenedStep): Promise<string | undefined> {
  const { steps } = await operator.history.listSteps({ filter: { stepId } });
  return StepState[steps[0]?.state ?? 0];
}

/** Holds a step as its opener; ends with the returned function. */
async function held({ runtime }: Broker, { stepId }: OpenedStep): Promise<() => void> {
  const told = runtime.steps.hold({ stepId })[Symbol.asyncIterator]();
  await told.next();
  const rest = (async () => {
    for (;;) if ((await told.next()).done === true) return;
  })();
  rest.catch(() => undefined);
  return () => void told.return?.(undefined);
}
