import { realpathSync } from "node:fs";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Step } from "../../../src/gen/stint/v1/types_pb.js";
import { type ForeignSvid, startTold, type ToldWorkload, type WorkloadEvent } from "../told-workload.ts";
import { AGENT, hintOf, NO_OPERATOR, PLAIN, RESOURCE, type Scene, startScene } from "../workload-scene.ts";
import { buildRust, RUST_BUILD_MS_MAX, rustIsMissing } from "./cargo-toolchain.ts";

// The crate `spiffe` is what Rust workloads use. Each test is what one of them does.

const POLL = { timeout: 10_000 };

describe.skipIf(rustIsMissing("tests with the crate spiffe"))("the crate spiffe", () => {
  let program = "";
  let scene: Scene;
  let workload: ToldWorkload;
  let opened: Step[] = [];
  const others: ToldWorkload[] = [];

  beforeAll(async () => {
    program = await buildRust(import.meta.dirname);
    const selectors = [`unix:path:${realpathSync(program)}`];
    // By their executables, so that the workload is the agent and nothing else.
    scene = await startScene({
      entries: [
        { ...AGENT, selectors },
        { ...AGENT, name: "brief", selectors, x509_svid_ttl: 10 },
        {
          kind: "runtime",
          name: "flow",
          selectors: [`unix:path:${realpathSync(process.execPath)}`],
          agents: ["worker", "brief"],
        },
        NO_OPERATOR,
      ],
    });
    workload = await start();
  }, RUST_BUILD_MS_MAX);
  afterEach(async () => {
    for (const step of opened.splice(0)) await scene.close(step);
    for (const other of others.splice(0)) await other[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await workload?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  const start = () => startTold([program], scene.daemon.workloadSocket);
  async function another(): Promise<ToldWorkload> {
    const started = await start();
    others.push(started);
    return started;
  }
  async function open(more: { readonly agent?: string; readonly by?: ToldWorkload } = {}): Promise<Step> {
    const step = await scene.open({
      agent: more.agent ?? "worker",
      executor: { executor: { case: "pid", value: (more.by ?? workload).pid } },
    });
    opened.push(step);
    return step;
  }
  async function close(step: Step): Promise<void> {
    opened = opened.filter((one) => one !== step);
    await scene.close(step);
  }
  const named = (steps: readonly Step[]) => steps.map((step) => ({ id: step.spiffeId, hint: hintOf(step) }));
  const svidsOf = (event: WorkloadEvent) => event["svids"] as readonly ForeignSvid[];

  test("is told PermissionDenied without a step", async () => {
    await expect(workload.tell("x509")).rejects.toMatchObject({ code: "PermissionDenied" });
    await expect(workload.tell("jwt", { audience: [PLAIN] })).rejects.toMatchObject({ code: "PermissionDenied" });
  });

  test("fetches every X.509-SVID with its hint, oldest step first, and verifies it against the bundles", async () => {
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

  test("has a JWT-SVID validated, and refused once its step has ended", async () => {
    const step = await open();
    const [svid] = (await workload.tell("jwt", { audience: [PLAIN] })) as readonly ForeignSvid[];
    const order = { audience: [PLAIN], token: svid?.token ?? "" };
    expect(await workload.tell("validate", order)).toMatchObject({ id: step.spiffeId });
    await expect(workload.tell("validate", { ...order, audience: [RESOURCE] })).rejects.toMatchObject({
      code: "InvalidArgument",
    });
    await close(step);
    await expect(workload.tell("validate", order)).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("watches: a step that opens is added, one that closes is gone, and the last one ends the watch", async () => {
    const watching = await another();
    const one = await open({ by: watching });
    await watching.tell("watch");
    expect(svidsOf(await watching.event("x509"))).toMatchObject(named([one]));
    const two = await open({ by: watching });
    expect(svidsOf(await watching.event("x509"))).toMatchObject(named([one, two]));
    await close(one);
    const left = svidsOf(await watching.event("x509"));
    expect(left).toMatchObject(named([two]));
    expect(left).toHaveLength(1);
    await close(two);
    expect(await watching.event("x509-error")).toMatchObject({ code: "PermissionDenied" });
  });

  test("watches the rotation: the same identity by another certificate, before the first is over", async () => {
    const watching = await another();
    const step = await open({ agent: "brief", by: watching });
    await watching.tell("watch");
    const [first] = svidsOf(await watching.event("x509"));
    const [second] = svidsOf(await watching.event("x509"));
    expect([first, second]).toMatchObject([...named([step]), ...named([step])]);
    expect(second?.serial).not.toBe(first?.serial);
  });

  test("a source that is one step has nothing when its step ends, whatever else there is", async () => {
    const keeping = await another();
    const [other, own] = [await open({ by: keeping }), await open({ by: keeping })];
    expect(await keeping.tell("keep", { hint: hintOf(own) })).toMatchObject(named([own])[0] ?? {});
    await close(own);
    await expect.poll(() => keeping.tell("kept").catch(String), POLL).toMatch(/no suitable svid/);
    expect(await keeping.tell("x509")).toMatchObject(named([other]));
  });

  test("keeps nothing when the last step ends, other than most libraries", async () => {
    const keeping = await another();
    const step = await open({ by: keeping });
    await keeping.tell("keep", { hint: hintOf(step) });
    await close(step);
    await expect.poll(() => keeping.tell("kept").then(JSON.stringify, String), POLL).toMatch(/^Error/);
  });
});
