import { afterAll, beforeAll, expect, test } from "vitest";
import { createStint } from "../../src/sdk/runtime/index.ts";
import type { Daemon } from "../daemon.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { brokerForNodes, type NodeAgent, startNode } from "./node-scene.ts";

// The agent of a machine without a broker: what its processes have of the broker, and what they have not.

let daemon: Daemon;
let one: NodeAgent;

beforeAll(async () => {
  daemon = await brokerForNodes();
  one = await startNode(daemon, "one");
});

afterAll(async () => {
  await one?.[Symbol.asyncDispose]();
  await daemon?.[Symbol.asyncDispose]();
});

test("a process behind a node opens a step, gets its credentials and closes it", async () => {
  using stint = createStint({ endpoint: one.endpoint, agent: "agent-one" });
  const { svid, token } = await stint.withStep(
    { runId: "r", step: "s", grant: [READ_SEARCH] as never },
    async (step) => ({
      svid: await step.x509Svid(),
      token: await step.jwtSvid(SEARCH),
    }),
  );
  expect([svid.spiffeId, token.spiffeId]).toEqual(Array(2).fill("spiffe://example.org/agent/agent-one/run/r/step/s/1"));
});
