import { join } from "node:path";
import { expect, test } from "vitest";
import { Status } from "../../src/gen/stint/v1/status_pb.js";
import { createStint } from "../../src/sdk/runtime/index.ts";
import type { ToolUse } from "../../src/sdk/verifier/index.ts";
import { createClient } from "../../src/wire/client.ts";
import { describeWithPostgres } from "../postgres/server.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { cableTo, portOf } from "./node-scene.ts";
import { REMOTE_ENDPOINTS } from "./remote-operator.ts";
import { becomes, pairsOnOneLog, stateAt } from "./replica-pair.ts";
import { startVerifier } from "./verifier-process.ts";

// Goal: whoever was at a broker that is gone goes on at another: a runtime with the step that it holds, a verifier with what it was told.

const selectors = [`unix:uid:${process.getuid?.()}`];
const USE: ToolUse = { tool: "search", actions: ["read"], datatypes: ["internal"] };

describeWithPostgres("two brokers on one log, of which one is gone", { timeout: 180_000 }, () => {
  const { pair } = pairsOnOneLog();

  test("a runtime keeps its step, its SVID and the way to new ones; a verifier goes on from its cursor", async () => {
    await using brokers = await pair({
      entries: [
        { kind: "agent", name: "researcher", selectors, ceiling: [READ_SEARCH], allow_any_executor: true },
        { kind: "runtime", name: "worker", selectors: ["join_token:name:worker"], agents: ["researcher"] },
        { kind: "verifier", name: "mcp-1", selectors, audiences: [SEARCH] },
      ],
      config: {
        ...REMOTE_ENDPOINTS,
        broker: {
          ...REMOTE_ENDPOINTS.broker,
          callers: [
            {
              spiffe_id: "spiffe://example.org/runtime/worker",
              references: [{ type: "stint.v1.WorkflowStepReference", allow_over_tcp: true }],
            },
          ],
        },
      },
    });
    const { a, b } = brokers;
    const socket = join(b.daemon.directory, "moving.sock");
    await using toBroker = await cableTo(b.daemon.brokerPort);
    await using toFeed = await cableTo(b.daemon.workloadSocket, socket);
    await using verifier = await startVerifier({ endpoint: socket, audiences: [SEARCH] });
    const { token: joinToken } = await b.operator.joinTokens.create({ name: "worker" });
    const bundle = await (await fetch(`${b.daemon.httpUrl}/spiffe-bundle.json`)).text();
    using stint = createStint({
      brokerEndpoint: `tcp://127.0.0.1:${toBroker.port}`,
      attestation: {
        address: `127.0.0.1:${portOf(b.daemon, "attestationPort")}`,
        trust: { trustDomain: "example.org", bundle },
        evidence: { joinToken },
      },
      agent: "researcher",
    });
    const options = { step: "look-up", grant: [READ_SEARCH] as never, executor: "any" } as const;
    const ended = await stint.withStep({ ...options, runId: "before" }, async (step) =>
      (await step.jwtSvid(SEARCH)).svid(),
    );
    await becomes(() => verifier.judge(ended, USE), "REVOKED");

    const { token, stepId } = await stint.withStep({ ...options, runId: "moves" }, async (step) => {
      const held = (await step.jwtSvid(SEARCH)).svid();
      await becomes(() => verifier.judge(held, USE), "accepted");
      await b.daemon.kill();
      toBroker.lead(a.daemon.brokerPort);
      toFeed.lead(a.daemon.workloadSocket);
      const there = async () =>
        (await createClient(Status, a.operator.channel).get({})).replicas.find(({ name }) => name === "b")?.there;
      await becomes(there, false);
      // What the other broker held is ended by now, unless it is held here.
      const unheld = await stint.openStep({ ...options, runId: "after" });
      await unheld.jwtSvid(SEARCH);
      await unheld.close();
      expect(await stateAt(a, step)).toBe("OPEN");
      expect(step.signal.aborted).toBe(false);
      expect((await step.x509Svid()).spiffeId).toContain("/run/moves/");
      await becomes(() => verifier.judge(held, USE), "accepted");
      expect(await verifier.judge(ended, USE)).toBe("REVOKED");
      return { token: held, stepId: step.stepId };
    });
    await becomes(() => verifier.judge(token, USE), "REVOKED");
    expect(await stateAt(a, { stepId })).toBe("COMPLETED");
  });
});
