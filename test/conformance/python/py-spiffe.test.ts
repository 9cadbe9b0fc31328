import { realpathSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Step } from "../../../src/gen/stint/v1/types_pb.js";
import { type ForeignSvid, startTold, type ToldWorkload, type WorkloadEvent } from "../told-workload.ts";
import { AGENT, NO_OPERATOR, PLAIN, RESOURCE, type Scene, startScene } from "../workload-scene.ts";
import { pythonIsMissing, pythonWithPackages } from "./python-environment.ts";

// py-spiffe shows no hints, so its users tell identities apart by their SPIFFE IDs.

/** Time to download and unpack the packages, once; afterwards it is there. */
const INSTALL_MS_MAX = 300_000;

describe.skipIf(pythonIsMissing() !== undefined)("py-spiffe", () => {
  let python = "";
  let scene: Scene;
  let workload: ToldWorkload;
  let opened: Step[] = [];

  beforeAll(async () => {
    python = await pythonWithPackages();
    scene = await startScene({
      entries: [
        // By their executables, so that the workload is the agent and nothing else.
        { ...AGENT, selectors: [`unix:path:${realpathSync(python)}`] },
        {
          kind: "runtime",
          name: "flow",
          selectors: [`unix:path:${realpathSync(process.execPath)}`],
          agents: ["worker"],
        },
        NO_OPERATOR,
      ],
    });
    workload = await startTold(
      [python, "-B", join(import.meta.dirname, "spiffe_workload.py")],
      scene.daemon.workloadSocket,
    );
  }, INSTALL_MS_MAX);
  afterEach(async () => {
    for (const step of opened.splice(0)) await scene.close(step);
  });
  afterAll(async () => {
    await workload?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  async function open(): Promise<Step> {
    const step = await scene.open({ executor: { executor: { case: "pid", value: workload.pid } } });
    opened.push(step);
    return step;
  }
  async function close(step: Step): Promise<void> {
    opened = opened.filter((one) => one !== step);
    await scene.close(step);
  }
  const named = (steps: readonly Step[]) => steps.map((step) => ({ id: step.spiffeId }));
  const svidsOf = (event: WorkloadEvent) => event["svids"] as readonly ForeignSvid[];

  test("is told PERMISSION_DENIED without a step", async () => {
    await expect(workload.tell("x509")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(workload.tell("jwt", { audience: [PLAIN] })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
  });

  test("fetches every X.509-SVID, each with its key and signed by an authority of the bundle", async () => {
    const steps = [await open(), await open()];
    expect(await workload.tell("x509")).toMatchObject(named(steps));
  });

  test("fetches JWT-SVIDs, of all steps or of the one it names, and verifies them against the bundles", async () => {
    const steps = [await open(), await open()] as const;
    expect(await workload.tell("jwt", { audience: [RESOURCE] })).toMatchObject(named(steps));
    expect(await workload.tell("jwt", { audience: [PLAIN], spiffe_id: steps[1].spiffeId })).toMatchObject(
      named([steps[1]]),
    );
  });

  test("keeps the X.509-SVID of the step it picks by its SPIFFE ID", async () => {
    const steps = [await open(), await open()] as const;
    expect(await workload.tell("source", { spiffe_id: steps[1].spiffeId })).toMatchObject({ id: steps[1].spiffeId });
  });

  test("has a JWT-SVID validated, and refused once its step has ended", async () => {
    const step = await open();
    const [svid] = (await workload.tell("jwt", { audience: [PLAIN] })) as readonly ForeignSvid[];
    const order = { audience: [PLAIN], token: svid?.token ?? "" };
    expect(await workload.tell("validate", order)).toMatchObject({ id: step.spiffeId });
    await close(step);
    await expect(workload.tell("validate", order)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("watches: a step that closes is gone, and the last one ends the watch", async () => {
    const [one, two] = [await open(), await open()];
    await workload.tell("watch");
    expect(svidsOf(await workload.event("x509"))).toMatchObject(named([one, two]));
    await close(one);
    const left = svidsOf(await workload.event("x509"));
    expect(left).toMatchObject(named([two]));
    expect(left).toHaveLength(1);
    await close(two);
    expect(await workload.event("x509-error")).toMatchObject({ code: expect.stringContaining("PERMISSION_DENIED") });
  });
});
