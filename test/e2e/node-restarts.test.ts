import { spawn } from "node:child_process";
import { expect, onTestFinished, test } from "vitest";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { freePort } from "../free-port.ts";
import { callerAs } from "./as-user.ts";
import { READ_SEARCH } from "./entries.ts";
import { brokerForNodes, portOf, startNode } from "./node-scene.ts";
import { operatorOf } from "./operator.ts";

const grant = { elements: [READ_SEARCH] };

test("a broker that is killed and comes back finds the node's steps open, its dead executors gone, and knows openers of before", async () => {
  const port = await freePort();
  const config = { nodes: { listen: `127.0.0.1:${port}` } };
  await using first = await brokerForNodes({ config });
  await using node = await startNode(first, "one");
  const channel = openChannel(node.socket);
  onTestFinished(() => channel.close());
  const steps = createClient(Steps, channel);
  const [lives, dies] = [spawn("sleep", ["1000"]), spawn("sleep", ["1000"])];
  onTestFinished(() => void lives.kill("SIGKILL"));
  const open = async (step: string, value = 0) => {
    const opened = await steps.open({
      ...{ runId: "r", step, agent: "agent-one", grant },
      executor: { executor: { case: "pid", value } },
    });
    return opened.step?.stepId ?? "";
  };
  const [kept, gone] = [await open("kept", lives.pid), await open("gone", dies.pid)];

  const seen = node.log.length;
  await first.kill();
  dies.kill("SIGKILL");
  await using second = await first.restart();
  expect(portOf(second, "nodesPort")).toBe(port);
  await node.line("attended by the broker", seen);
  using operator = operatorOf(second.operatorSocket);
  const stateOf = async (stepId: string) =>
    (await operator.steps.get({ by: { case: "stepId", value: stepId } })).step?.state;
  await expect.poll(() => stateOf(gone)).toBe(StepState.ABANDONED);
  expect(await stateOf(kept)).toBe(StepState.OPEN);

  // This process opened steps at the broker of before, which was told by nobody but the node that it lives.
  const child = await callerAs({}, node.socket);
  onTestFinished(() => child[Symbol.asyncDispose]());
  const below = child.call("Steps", "open", { runId: "below", step: "s", agent: "agent-one", grant } as never);
  await expect(below).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
});
