import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { Steps } from "../../src/gen/stint/v1/steps_pb.js";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { createStint } from "../../src/sdk/runtime/index.ts";
import { createVerifier } from "../../src/sdk/verifier/index.ts";
import { openChannel } from "../../src/wire/channel.ts";
import { createClient } from "../../src/wire/client.ts";
import { STINT } from "../programs.ts";
import { READ_SEARCH, SEARCH } from "./entries.ts";
import { brokerForNodes, cableTo, portOf, startNode } from "./node-scene.ts";
import { operatorOf } from "./operator.ts";

// Goal: a connection of the node's that ends, as it does with each of its X.509-SVIDs, takes no step along that somebody still holds, and
// no verifier's knowledge.

const grant = { elements: [READ_SEARCH] };

test("who holds a step through a node goes on by itself, the SDK and `stint step run` alike, and a verifier goes on to hear", async () => {
  await using daemon = await brokerForNodes();
  await using cable = await cableTo(portOf(daemon, "nodesPort"));
  await using node = await startNode(daemon, "one", { nodesPort: cable.port });
  const operator = operatorOf(daemon.operatorSocket);
  onTestFinished(() => operator[Symbol.dispose]());
  const stateOf = async (runId: string) => (await operator.history.listSteps({ filter: { runId } })).steps[0]?.state;

  // First, since what a process with a part in steps starts opens none.
  const args = ["--socket", node.socket, "step", "run", "--run", "by-cli", "--step", "s", "--agent", "agent-one"];
  const command = [process.execPath, "--eval", "process.stdin.resume()"];
  const cli: ChildProcess = spawn(process.execPath, [STINT, ...args, "--", ...command], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  onTestFinished(() => void cli.kill("SIGKILL"));
  const exited = once(cli, "exit");
  await expect.poll(() => stateOf("by-cli")).toBe(StepState.OPEN);

  using stint = createStint({ endpoint: node.endpoint, agent: "agent-one" });
  const step = await stint.openStep({ runId: "by-sdk", step: "s", grant: [READ_SEARCH] as never });
  const verifier = createVerifier({ endpoint: node.endpoint, audiences: [SEARCH], development: true });
  onTestFinished(() => verifier.close());
  await verifier.ready();
  const token = (await step.jwtSvid(SEARCH)).svid();
  expect(verifier.verify(token).spiffeId).toBe(step.spiffeId);

  // One that nobody holds any more after this: when it is over, the others have outlasted what a step has without a hold.
  const channel = openChannel(node.socket);
  const steps = createClient(Steps, channel);
  const left = await steps.open({ runId: "by-nobody", step: "s", agent: "agent-one", grant });
  const hold = steps.hold({ stepId: left.step?.stepId ?? "" });
  expect((await hold.next()).value?.step?.state).toBe(StepState.OPEN);

  const seen = node.log.length;
  cable.cut();
  channel.close();
  await node.line("the broker can't be reached", seen);
  cable.mend();
  await node.line("attended by the broker", seen);
  await expect.poll(() => stateOf("by-nobody"), { timeout: 20_000 }).toBe(StepState.ABANDONED);
  expect([await stateOf("by-sdk"), await stateOf("by-cli")]).toEqual([StepState.OPEN, StepState.OPEN]);

  const again = (await step.jwtSvid(SEARCH)).svid();
  expect(verifier.verify(again).spiffeId).toBe(step.spiffeId);
  expect((await step.close()).state).toBe("COMPLETED");
  await expect.poll(() => refusalOf(() => verifier.verify(again))).toBe("REVOKED");
  cli.stdin?.end();
  expect(await exited).toEqual([0, null]);
  expect(await stateOf("by-cli")).toBe(StepState.COMPLETED);
});

function refusalOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (thrown) {
    return (thrown as { readonly code?: string }).code;
  }
}
