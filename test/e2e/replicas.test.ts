import { join } from "node:path";
import { expect, test } from "vitest";
import { ReceiptState } from "../../src/gen/stint/v1/types_pb.js";
import type { ToolUse } from "../../src/sdk/verifier/index.ts";
import { openTcpGate } from "../exchange/tcp-gate.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { SEARCH } from "./entries.ts";
import { cableTo } from "./node-scene.ts";
import { OWN_ENTRIES } from "./one-user.ts";
import { becomes, held, pairsOnOneLog, stateAt } from "./replica-pair.ts";
import { startVerifier } from "./verifier-process.ts";

const USE: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };
/** Longer than a lease. */
const TIMEOUT_MS = 120_000;

describeWithPostgres("two brokers on one log in PostgreSQL", { timeout: TIMEOUT_MS }, () => {
  const { pair, port } = pairsOnOneLog();

  test("each has keys of its own in one bundle, and what one has closed the other refuses", async () => {
    await using brokers = await pair();
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
    await using brokers = await pair();
    const { a, b } = brokers;
    await using verifier = await startVerifier({ endpoint: b.daemon.workloadSocket, audiences: [SEARCH] });
    const [first, second] = [await a.runtime.open(), await a.runtime.open()];
    for (const { token } of [first, second]) await becomes(() => verifier.judge(token, USE), "accepted");
    await a.runtime.close(first);
    await becomes(() => verifier.judge(first.token, USE), "REVOKED");
    expect(await verifier.judge(second.token, USE)).toBe("accepted");
  });

  test("a close waits for a verifier at the other broker, and is told that it has applied", async () => {
    const entries = OWN_ENTRIES.map((one) => (one.kind === "verifier" ? { ...one, max_staleness: 5 } : one));
    await using brokers = await pair({ entries });
    const { a, b } = brokers;
    await using verifier = await startVerifier({
      endpoint: b.daemon.workloadSocket,
      audiences: [SEARCH],
      maxStalenessSeconds: { read: 5, default: 5 },
    });
    const first = await a.runtime.open();
    await becomes(() => verifier.judge(first.token, USE), "accepted");
    // What either had before it started has lapsed: what is said is of the verifier that is there.
    await becomes(async () => {
      const step = await a.runtime.open();
      const { receipts } = await a.runtime.close(step, 10);
      return receipts?.verifiers.find((one) => one.verifier === "mcp-1")?.state;
    }, ReceiptState.APPLIED);
    await a.runtime.close(first, 10);
    expect(await verifier.judge(first.token, USE)).toBe("REVOKED");
  });

  test("a verifier that is cut off from its broker believes no longer than its bound, and a close elsewhere says until when", async () => {
    const entries = OWN_ENTRIES.map((one) => (one.kind === "verifier" ? { ...one, max_staleness: 5 } : one));
    await using brokers = await pair({ entries });
    const { a, b } = brokers;
    const socket = join(b.daemon.directory, "cable.sock");
    await using cable = await cableTo(b.daemon.workloadSocket, socket);
    const maxStalenessSeconds = { read: 5, default: 5 };
    await using verifier = await startVerifier({ endpoint: socket, audiences: [SEARCH], maxStalenessSeconds });
    const step = await a.runtime.open();
    await becomes(() => verifier.judge(step.token, USE), "accepted");
    cable.cut();
    const { receipts } = await a.runtime.close(step, 0);
    const told = receipts?.verifiers.find((one) => one.verifier === "mcp-1");
    expect(told?.state).not.toBe(ReceiptState.APPLIED);
    await becomes(async () => (await verifier.judge(step.token, USE)) === "accepted", false);
    const after = await a.runtime.open();
    // It refuses everything by now, and counts no longer.
    await becomes(async () => {
      const closed = await a.runtime.close(after, 10);
      return closed.receipts?.verifiers.find((one) => one.verifier === "mcp-1")?.state;
    }, ReceiptState.LAPSED);
    cable.mend();
    await becomes(() => verifier.judge(step.token, USE), "REVOKED");
  });

  test("what a broker held that is gone is abandoned once its lease has lapsed, and what another holds is not", async () => {
    await using brokers = await pair();
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
    const gate = await openTcpGate(port());
    try {
      await using brokers = await pair({ secondPort: gate.port });
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
