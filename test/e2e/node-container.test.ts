import { expect, onTestFinished, test } from "vitest";
import { StepState } from "../../src/gen/stint/v1/types_pb.js";
import { startDaemon } from "../daemon.ts";
import { NODE } from "../deploy/manifests.ts";
import { callerAs } from "./as-user.ts";
import { READ_SEARCH } from "./entries.ts";
import { FOR_NODES, startNode, uid } from "./node-scene.ts";
import { operatorOf } from "./operator.ts";

// Goal: the node of the DaemonSet needs no more than its manifest gives it, and of a process in other mounts than its own it vouches for
// users and groups alone.

const { runAsUser } = NODE.of("DaemonSet")["spec"].template.spec.securityContext;
const IN_A_CONTAINER = [
  ...["unshare", "--mount", "setpriv", "--reuid", String(runAsUser), "--regid", String(runAsUser), "--clear-groups"],
  ...["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"],
];
const there = ["node:name:one", "unix:uid:4001"];

test.skipIf(process.getuid?.() !== 0)(
  "a node as the manifest has it: no capability, mounts of its own, the host's processes",
  async () => {
    await using daemon = await startDaemon({
      entries: [
        { kind: "operator", name: "local", selectors: [uid], role: "admin" },
        { kind: "node", name: "one", selectors: ["join_token:name:one"] },
        { kind: "runtime", name: "flow", selectors: there, agents: ["worker"] },
        { kind: "agent", name: "worker", selectors: there, ceiling: [READ_SEARCH] },
        { kind: "agent", name: "by-path", selectors: [...there, `unix:path:${process.execPath}`], may_open: true },
      ],
      config: FOR_NODES,
    });
    await using node = await startNode(daemon, "one", {
      development: false,
      within: { command: IN_A_CONTAINER, uid: runAsUser },
    });
    const operator = operatorOf(daemon.operatorSocket);
    onTestFinished(() => operator[Symbol.dispose]());
    const opening = (agent: string) =>
      ({ runId: "r", step: agent, agent, grant: { elements: [READ_SEARCH] } }) as never;
    {
      await using caller = await callerAs({ uid: 4001 }, node.socket);
      const { step } = await caller.call("Steps", "open", opening("worker"));
      expect(step).toMatchObject({ state: "STEP_STATE_OPEN", executor: { pid: caller.pid } });
      await expect(caller.call("Steps", "open", opening("by-path"))).rejects.toMatchObject({ reason: "NOT_ENTITLED" });
    }
    const stateOf = async () => (await operator.history.listSteps({})).steps.map(({ state }) => state);
    await expect.poll(stateOf).toEqual([StepState.ABANDONED]);

    await using own = await callerAs({ uid: runAsUser }, node.socket);
    await expect(own.call("Steps", "open", opening("worker"))).rejects.toMatchObject({
      message: expect.stringContaining("the node's own user"),
    });
  },
);
