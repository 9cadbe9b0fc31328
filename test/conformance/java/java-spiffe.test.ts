import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Step } from "../../../src/gen/stint/v1/types_pb.js";
import { type ForeignSvid, startTold, type ToldWorkload, type WorkloadEvent } from "../told-workload.ts";
import { AGENT, hintOf, NO_OPERATOR, PLAIN, RESOURCE, type Scene, startScene } from "../workload-scene.ts";
import { buildJava, JAVA_BUILD_MS_MAX, javaIsMissing } from "./java-toolchain.ts";

// java-spiffe speaks by grpc-java, which sends the socket's path as `:authority`. Each test is what a Java agent does.

describe.skipIf(javaIsMissing("tests with java-spiffe"))("java-spiffe", () => {
  let directory = "";
  let command: readonly string[] = [];
  let scene: Scene;
  let workload: ToldWorkload;
  let opened: Step[] = [];
  const others: ToldWorkload[] = [];

  beforeAll(async () => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "stint-java-")));
    command = await buildJava(import.meta.dirname, directory);
    const selectors = [`unix:path:${command[0]}`];
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
  }, JAVA_BUILD_MS_MAX);
  afterEach(async () => {
    for (const step of opened.splice(0)) await scene.close(step);
    for (const other of others.splice(0)) await other[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await workload?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  const start = () => startTold(command, scene.daemon.workloadSocket);
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

  test("is told PERMISSION_DENIED without a step", async () => {
    await expect(workload.tell("x509")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    await expect(workload.tell("jwt", { audience: [PLAIN] })).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
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
      code: "INVALID_ARGUMENT",
    });
    await close(step);
    await expect(workload.tell("validate", order)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  });

  test("watches: a step that opens is added, one that closes is gone", async () => {
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

  test("comes back by itself: the end of the last step, then another", async () => {
    const watching = await another();
    const step = await open({ by: watching });
    await watching.tell("watch");
    await watching.event("x509");
    await close(step);
    const after = await open({ by: watching });
    expect(svidsOf(await watching.event("x509"))).toMatchObject(named([after]));
  });

  test("a source that is one step is none of the others: when its step ends, it has nothing", async () => {
    const keeping = await another();
    const [other, own] = [await open({ by: keeping }), await open({ by: keeping })];
    expect(await keeping.tell("keep", { hint: hintOf(own) })).toMatchObject(named([own])[0] ?? {});
    await close(own);
    await expect.poll(() => keeping.tell("kept").catch(String), { timeout: 10_000 }).toMatch(/no SVID/);
    expect(await keeping.tell("x509")).toMatchObject(named([other]));
  });

  // Not as it should be, and as the guide says that it is. What bites is that verifiers refuse it.
  test("keeps the SVID of the last step when that ends, until it expires", async () => {
    const keeping = await another();
    const step = await open({ by: keeping });
    const kept = await keeping.tell("keep", { hint: hintOf(step) });
    await close(step);
    await expect(keeping.tell("x509")).rejects.toMatchObject({ code: "PERMISSION_DENIED" });
    expect(await keeping.tell("kept")).toEqual(kept);
  });
});
