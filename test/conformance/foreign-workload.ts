import { realpathSync } from "node:fs";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Step } from "../../src/gen/stint/v1/types_pb.js";
import { sceneThroughNode } from "./node-scene.ts";
import { type ForeignSvid, startTold, type ToldWorkload, type WorkloadEvent } from "./told-workload.ts";
import { AGENT, hintOf, NO_OPERATOR, PLAIN, RESOURCE, type Scene, startScene } from "./workload-scene.ts";

/** A program in another language as the agent of a daemon whose runtime is the process that runs the tests. */
export type ForeignWorkload = {
  readonly workload: ToldWorkload;
  /** The same program once more, as a process of its own; ends with the test. */
  another(): Promise<ToldWorkload>;
  /** Opens a step that the workload executes, which is closed with the test. */
  open(more?: { readonly agent?: string; readonly by?: ToldWorkload }): Promise<Step>;
  close(step: Step): Promise<void>;
};

/**
 * Starts daemon and program before the tests of this `describe`, and ends them with it.
 *
 * @param build - gives the command that runs the program, first the executable.
 * @param through - `node`: as on a machine without a broker.
 */
export function foreignWorkload(
  build: () => Promise<readonly string[]>,
  buildMsMax: number,
  through: "socket" | "node" = "socket",
): ForeignWorkload {
  let command: readonly string[] = [];
  let scene: Scene;
  let workload: ToldWorkload;
  let opened: Step[] = [];
  const others: ToldWorkload[] = [];

  beforeAll(async () => {
    command = await build();
    const place = through === "node" ? ["node:name:one"] : [];
    const selectors = [...place, `unix:path:${realpathSync(command[0] ?? "")}`];
    // By their executables, so that the workload is the agent and nothing else.
    const entries = [
      { ...AGENT, selectors },
      { ...AGENT, name: "brief", selectors, x509_svid_ttl: 10 },
      {
        kind: "runtime",
        name: "flow",
        selectors: [...place, `unix:path:${realpathSync(process.execPath)}`],
        agents: ["worker", "brief"],
      },
    ];
    scene =
      through === "node" ? await sceneThroughNode(entries) : await startScene({ entries: [...entries, NO_OPERATOR] });
    workload = await start();
  }, buildMsMax);
  afterEach(async () => {
    for (const step of opened.splice(0)) await scene.close(step);
    for (const other of others.splice(0)) await other[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await workload?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  const start = () => startTold(command, scene.socket);
  return {
    get workload() {
      return workload;
    },
    async another() {
      const started = await start();
      others.push(started);
      return started;
    },
    async open(more = {}) {
      const step = await scene.open({
        agent: more.agent ?? "worker",
        executor: { executor: { case: "pid", value: (more.by ?? workload).pid } },
      });
      opened.push(step);
      return step;
    },
    async close(step) {
      opened = opened.filter((one) => one !== step);
      await scene.close(step);
    },
  };
}

/** As whose SVIDs a library with hints shows those of these steps. */
export const named = (steps: readonly Step[]) => steps.map((step) => ({ id: step.spiffeId, hint: hintOf(step) }));

export const svidsOf = (event: WorkloadEvent) => event["svids"] as readonly ForeignSvid[];

/** How a library names the gRPC codes. */
export type CodeNames = { readonly permissionDenied: string; readonly invalidArgument: string };

/** What every SPIFFE library fetches, and has validated. */
export function fetchingContract(
  foreign: ForeignWorkload,
  codes: CodeNames,
  shown: (steps: readonly Step[]) => readonly object[] = named,
): void {
  test("is told that it has no permission without a step", async () => {
    const refused = { code: codes.permissionDenied };
    await expect(foreign.workload.tell("x509")).rejects.toMatchObject(refused);
    await expect(foreign.workload.tell("jwt", { audience: [PLAIN] })).rejects.toMatchObject(refused);
  });

  test("fetches every X.509-SVID, oldest step first, and verifies it against the bundles", async () => {
    const steps = [await foreign.open(), await foreign.open()];
    expect(await foreign.workload.tell("x509")).toMatchObject(shown(steps));
  });

  test("fetches JWT-SVIDs, of all steps or of the one it names, and verifies them against the bundles", async () => {
    const { workload, open } = foreign;
    const steps = [await open(), await open()] as const;
    expect(await workload.tell("jwt", { audience: [RESOURCE] })).toMatchObject(shown(steps));
    expect(await workload.tell("jwt", { audience: [PLAIN], spiffe_id: steps[1].spiffeId })).toMatchObject(
      shown([steps[1]]),
    );
  });

  test("has a JWT-SVID validated, and refused for another audience and once its step has ended", async () => {
    const { workload, open, close } = foreign;
    const step = await open();
    await open();
    const [svid] = (await workload.tell("jwt", { audience: [PLAIN] })) as readonly ForeignSvid[];
    const order = { audience: [PLAIN], token: svid?.token ?? "" };
    const refused = { code: codes.invalidArgument };
    expect(await workload.tell("validate", order)).toMatchObject({ id: step.spiffeId });
    await expect(workload.tell("validate", { ...order, audience: [RESOURCE] })).rejects.toMatchObject(refused);
    await close(step);
    await expect(workload.tell("validate", order)).rejects.toMatchObject(refused);
  });
}

/** What a library sees that watches its SVIDs. */
export function watchingContract({ another, open, close }: ForeignWorkload): void {
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
}

/** Of a library whose source does not drop what was withdrawn. Not as it should be, and as the guide says that it is. */
export function keptContract(
  { another, open, close }: ForeignWorkload,
  codes: CodeNames,
  order: (step: Step) => object = (step) => ({ hint: hintOf(step) }),
): void {
  test("gives out the SVID of a step that ended, also once that has expired, without an error", async () => {
    const keeping = await another();
    const step = await open({ agent: "brief", by: keeping });
    await keeping.tell("keep", { ...order(step) });
    await close(step);
    await expect(keeping.tell("x509")).rejects.toMatchObject({ code: codes.permissionDenied });
    const kept = (await keeping.tell("kept")) as { readonly id: string; readonly not_after: number };
    expect(kept.id).toBe(step.spiffeId);
    await expect.poll(() => Date.now() / 1_000, { timeout: 20_000 }).toBeGreaterThan(kept.not_after + 1);
    expect(await keeping.tell("kept")).toEqual(kept);
  });
}

/** Of a library that tells whoever watches of an error. */
export function endOfWatchContract({ another, open, close }: ForeignWorkload, codes: CodeNames): void {
  test("the end of the last step ends the watch", async () => {
    const watching = await another();
    const steps = [await open({ by: watching }), await open({ by: watching })];
    await watching.tell("watch");
    await watching.event("x509");
    for (const step of steps) await close(step);
    expect(await watching.event("x509-error")).toMatchObject({ code: codes.permissionDenied });
  });
}
