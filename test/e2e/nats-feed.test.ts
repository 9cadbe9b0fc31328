import { decodeJwt } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { runStint } from "../cli/running.ts";
import { buildNats, NATS_BUILD_MS_MAX, natsIsMissing, startNats } from "../conformance/nats/nats-server.ts";
import { closeStep, issueJwt, openStep, restarted, sessionWith, startOwnDaemon } from "../faults/daemon-scene.ts";
import { judged, natsScene, opened } from "../faults/nats-scene.ts";
import { scrape } from "./metrics-text.ts";

/** A start may be that of three processes, on a machine that may be busy. */
const STARTS = { timeout: 120_000 } as const;
/** For what a bound of twelve seconds decides. */
const BOUND = { timeout: 30_000 } as const;

describe.skipIf(natsIsMissing())("with NATS", () => {
  beforeAll(buildNats, NATS_BUILD_MS_MAX);

  test("a broker tells of an end on NATS, and each second that it has told all", STARTS, async () => {
    const nats = await startNats();
    const client = await nats.client();
    const told: Record<string, unknown>[] = [];
    client.subscribe("stint.*", { callback: (_, message) => void told.push(decodeJwt(message.string())) });
    const daemon = await startOwnDaemon({
      config: {
        nats: { servers: [`nats://${nats.address}`] },
        operations: { listen: "127.0.0.1:0", plain_on_loopback: true },
      },
    });
    await expect.poll(() => told).toContainEqual(expect.objectContaining({ kind: "heartbeat" }));
    const session = sessionWith(daemon);
    const { stepId } = await opened(session, "run");
    await closeStep(session, stepId);
    await expect.poll(() => told).toContainEqual(expect.objectContaining({ kind: "denied" }));
    const { through } = told.find(({ kind }) => kind === "denied") ?? {};
    await expect.poll(() => told.at(-1)).toMatchObject({ kind: "heartbeat", through });
    const metrics = await scrape(daemon);
    expect(metrics).toContain(`stint_fan_out_sequence ${through}\n`);
    expect(metrics).toContain("stint_denials_in_force 1\n");
  });

  test(
    "a verifier refuses what has ended, before it began and since, and everything once the broker is gone",
    STARTS,
    async () => {
      const { session, verifier, daemon } = await natsScene();
      const [ended, before, going] = await Promise.all(["ended", "before", "going"].map((run) => opened(session, run)));
      if (ended === undefined || before === undefined || going === undefined) throw new Error("three were opened");
      await closeStep(session, before.stepId);
      const first = await verifier();
      await first.ready();
      expect(judged(first, before.token)).toBe("REVOKED");
      const watched = first.signalFor(first.verify(ended.token));
      await closeStep(session, ended.stepId);
      await expect
        .poll(() => watched.signal.reason)
        .toMatchObject({ code: "REVOKED", metadata: { reason: "cessationOfOperation", state: "COMPLETED" } });
      expect(judged(first, ended.token)).toBe("REVOKED");
      expect(judged(first, going.token)).toBe("accepted");

      await daemon.stop();
      await expect.poll(() => judged(first, going.token), BOUND).toBe("STALE");
      expect(first.status().stalenessSeconds).toBeGreaterThan(12);
      const again = await restarted(daemon);
      await closeStep(sessionWith(again), going.stepId);
      await expect.poll(() => judged(first, going.token), BOUND).toBe("REVOKED");
    },
  );

  test("a broker whose NATS is not there starts, and issues, and its status says so", STARTS, async () => {
    const daemon = await startOwnDaemon({ config: { nats: { servers: ["nats://127.0.0.1:9"] } } });
    const session = sessionWith(daemon);
    const { stepId } = await openStep(session, "run");
    await issueJwt(session, stepId);
    await closeStep(session, stepId);
    const status = async () =>
      JSON.parse((await runStint(["--operator-socket", daemon.operatorSocket, "status", "-o", "json"])).out);
    const warnings = [expect.stringMatching(/^verifiers on NATS refuse: nothing was told there for [0-9]+ s$/)];
    await expect.poll(status, BOUND).toMatchObject({ ready: true, warnings });
  });
});
