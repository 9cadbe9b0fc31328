import { parseSegment } from "../../src/domain/spiffe-id.ts";
import type { Step } from "../../src/domain/step.ts";
import type { DelegationOrder } from "../../src/issue/entitle-delegation.ts";
import type { OpenRequest } from "../../src/open/open-request.ts";
import type { SimulatedProcess } from "../simulation/kernel.ts";
import { pathScene, READ, segment, WRITE } from "./path-scene.ts";

/** Two runtimes: `runtime` has a step with all that its agent may do, and `receiver` may be let below it. */
export async function delegationScene() {
  const scene = await pathScene();
  const { broker, enter, kernel, runtime } = scene;
  const agents = ["researcher", "writer"];
  const entry = await enter({ kind: "runtime", name: "receiver", selectors: ["unix:uid:12"], agents });
  const receiver = kernel.start(12);
  const parent = await scene.open(runtime, { grant: [READ, WRITE] });
  let children = 0;

  async function tokenOf(step: Step, own: Partial<DelegationOrder> = {}, by: SimulatedProcess = runtime) {
    const order = { stepId: step.stepId, runtime: segment("receiver"), uses: 1, ...own };
    return Buffer.from((await broker.delegate(by, order)).svid).toString("latin1");
  }

  /** Opens a child in a run of the opener's own. */
  async function openChild(by: SimulatedProcess, parentToken: string, own: Partial<OpenRequest> = {}): Promise<Step> {
    children += 1;
    const runId = parseSegment(`run-of-child-${children}`, "run_id");
    return scene.open(by, { runId, agent: segment("writer"), grant: [READ], parentToken, ...own });
  }

  return { ...scene, receiver, entries: { ...scene.entries, receiver: entry }, parent, tokenOf, openChild };
}
