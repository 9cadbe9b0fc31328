import { describe, expect, test, vi } from "vitest";
import { createStint } from "../../../src/sdk/runtime/index.ts";
import { startDaemon } from "../../daemon.ts";
import { aborted, thrownBy } from "./scripted-broker.ts";

const selectors = [`unix:uid:${process.getuid?.()}`];
const ENTRIES = [
  { kind: "agent", name: "researcher", selectors, ceiling: [], audiences: ["https://identity.example"] },
  { kind: "runtime", name: "flow", selectors, agents: ["researcher"] },
];
const IDENTITY = "https://identity.example";
const STEP = { runId: "run-1", step: "search", audiences: [IDENTITY] };

describe("a step of a real broker", () => {
  test("goes on when the broker is killed and started again, and so do its credentials", async () => {
    await using daemon = await startDaemon({ entries: ENTRIES });
    using stint = createStint({ endpoint: daemon.workloadSocket, agent: "researcher", holdGraceMs: 25_000 });
    const step = await stint.openStep(STEP);
    const before = await step.jwtSvid(IDENTITY);
    await daemon.kill();
    const minting = thrownBy(step.jwtSvid(`${IDENTITY}/other`));
    await using again = await daemon.restart();
    expect(await minting).toMatchObject({ name: "StintError" });
    // The old one is kept; another one has to be minted, by the broker that is there now.
    expect(await step.jwtSvid(IDENTITY)).toBe(before);
    const narrower = await vi.waitFor(() => step.jwtSvid(IDENTITY, { grant: [] }), { timeout: 20_000 });
    expect(narrower.issuanceId).not.toBe(before.issuanceId);
    expect((await step.close()).state).toBe("COMPLETED");
    expect(again.pid).not.toBe(daemon.pid);
  });

  test("is abandoned by the broker when its client let go of it", async () => {
    await using daemon = await startDaemon({ entries: ENTRIES });
    const endpoint = daemon.workloadSocket;
    using watching = createStint({ endpoint, agent: "researcher" });
    const stint = createStint({ endpoint, agent: "researcher" });
    const { stepId, signal } = await stint.openStep(STEP);
    const step = await watching.resumeStep({ stepId, hold: false });
    stint.close();
    expect(await aborted(signal)).toMatchObject({ reason: "HOLD_LOST" });
    const thrown = await vi.waitFor(
      async () => {
        const refused = await thrownBy(watching.resumeStep({ stepId, hold: false }));
        expect(refused).toMatchObject({ reason: "STEP_CLOSED" });
        return refused;
      },
      { timeout: 20_000, interval: 200 },
    );
    expect(thrown).toMatchObject({ metadata: { state: "ABANDONED" } });
    expect(await thrownBy(step.jwtSvid(IDENTITY))).toMatchObject({ reason: "STEP_CLOSED" });
  });
});
