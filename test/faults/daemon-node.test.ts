import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { type Step, StepState } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { READ_SEARCH } from "../e2e/entries.ts";
import { brokerForNodes, startNode } from "../e2e/node-scene.ts";
import { operatorOf } from "../e2e/operator.ts";

/** Ten seconds until it is found out, thirty until it is no longer waited for, and what a busy machine takes. */
const ABANDONED_MS_MAX = 120_000;

test("a node that stands still without a word is found out, and its steps end; another's do not", {
  timeout: 180_000,
}, async () => {
  await using daemon = await brokerForNodes();
  await using one = await startNode(daemon, "one");
  await using two = await startNode(daemon, "two");
  using operator = operatorOf(daemon.operatorSocket);
  const executor = spawn("sleep", ["1000"]);
  onTestFinished(() => void executor.kill("SIGKILL"));

  let opened = 0;
  async function open(socket: string, name: string): Promise<Step> {
    opened += 1;
    const channel = openChannel(socket);
    const { step } = await createClient(Steps, channel).open({
      ...{
        runId: `${name}-${opened}`,
        step: "s",
        agent: `agent-${name}`,
        grant: { elements: [READ_SEARCH] },
      },
      executor: { executor: { case: "pid", value: executor.pid ?? 0 } },
    });
    channel.close();
    if (step === undefined) throw new TypeError("no step");
    return step;
  }
  const [still, goesOn] = [await open(one.socket, "one"), await open(two.socket, "two")];
  const stateOf = async ({ stepId }: Step) =>
    (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state;

  one.child.kill("SIGSTOP");
  await expect.poll(() => stateOf(still), { timeout: ABANDONED_MS_MAX }).toBe(StepState.ABANDONED);
  expect(await stateOf(goesOn)).toBe(StepState.OPEN);

  // Set going again, it comes back by itself.
  const seen = one.log.length;
  one.child.kill("SIGCONT");
  await one.line("attended by the broker", seen);
  expect((await open(one.socket, "one")).state).toBe(StepState.OPEN);
});
