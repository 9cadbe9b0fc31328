import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Grant, Stint } from "../../../../src/sdk/runtime/index.ts";
import { pythonWithPackages } from "../../python/python-environment.ts";
import { adapterFrameworks } from "../adapter-scene.ts";

export type Context = {
  readonly info: { readonly attempt: number; readonly activityId: string };
  readonly cancellationSignal: AbortSignal;
  heartbeat(details?: unknown): void;
};
export type Activity = (given: string) => Promise<unknown>;
export type Failure = Error & {
  readonly type?: string;
  readonly nonRetryable?: boolean;
  readonly details?: readonly unknown[];
};
export type Workflow = {
  readonly workflowId: string;
  readonly firstExecutionRunId: string;
  result(): Promise<unknown>;
  cancel(): Promise<unknown>;
  fetchHistory(): Promise<unknown>;
};

export type Worker = {
  run(): Promise<void>;
  runUntil<Result>(work: Promise<Result> | (() => Promise<Result>)): Promise<Result>;
  shutdown(): void;
};
type Where = { readonly url: string; readonly grant: Grant };
type Sample = { createWorker(stint: Stint, where: Where, place: object): Promise<Worker> };
type Client = {
  readonly workflow: { start(type: string, options: object): Promise<Workflow> };
  readonly activity: { complete(id: object, result: unknown): Promise<void> };
};
type Environment = { readonly nativeConnection: unknown; readonly client: Client; teardown(): Promise<void> };
type Loaded = {
  readonly testing: { readonly TestWorkflowEnvironment: { createTimeSkipping(options: object): Promise<Environment> } };
  readonly worker: {
    readonly Worker: { create(options: object): Promise<Worker> };
    readonly Runtime: { install(options: object): unknown };
    readonly DefaultLogger: new (level: string, write: (entry: unknown) => void) => unknown;
  };
  readonly activity: {
    readonly Context: { current(): Context };
    readonly ApplicationFailure: {
      create(options: object): Failure;
      nonRetryable(message: string, type: string): Failure;
    };
    readonly CompleteAsyncError: new () => Error;
  };
};

/** Of the worker that most tests share. */
const TASK_QUEUE = "owls";

/** The real server, with nothing to be downloaded when it is started. */
export async function startTemporal() {
  const python = await pythonWithPackages(join(import.meta.dirname, "requirements.txt"));
  const { folder, load, complaints } = await adapterFrameworks(import.meta.dirname);
  const loaded = {
    testing: await load("@temporalio/testing"),
    worker: await load("@temporalio/worker"),
    activity: await load("@temporalio/activity"),
  } as Loaded;
  const logged: unknown[] = [];
  loaded.worker.Runtime.install({ logger: new loaded.worker.DefaultLogger("DEBUG", (entry) => logged.push(entry)) });
  const path = join(dirname(python), "temporal-test-server");
  const environment = await loaded.testing.TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: "existing-path", path } },
  });
  const beside = mkdtempSync(join(folder, ".workflows-"));
  copyFileSync(join(import.meta.dirname, "workflows.js"), join(beside, "workflows.js"));
  const place = { connection: environment.nativeConnection, workflowsPath: join(beside, "workflows.js") };
  const sample = (await load("./samples/temporal.ts")) as Sample;
  let workflows = 0;

  return {
    logged,
    complaints,
    /** The worker of the guide's sample. */
    sampleWorker: (stint: Stint, where: Where) => sample.createWorker(stint, where, place),
    workerOf: (
      activities: Readonly<Record<string, Activity>>,
      interceptor: unknown,
      taskQueue = TASK_QUEUE,
    ): Promise<Worker> =>
      loaded.worker.Worker.create({
        ...place,
        taskQueue,
        activities,
        interceptors: { activity: [interceptor] },
        shutdownGraceTime: 0,
      }),
    client: environment.client,
    ...loaded.activity,
    /** Starts a workflow that runs one activity. */
    start(
      activityType: string,
      options: object = {},
      taskQueue = TASK_QUEUE,
      workflowType = "callActivity",
    ): Promise<Workflow> {
      workflows += 1;
      const args = [activityType, { retry: { maximumAttempts: 1 }, ...options }];
      const workflowId = `owls ${workflows}`;
      return environment.client.workflow.start(workflowType, { taskQueue, workflowId, args });
    },
    async [Symbol.asyncDispose]() {
      await environment.teardown();
      rmSync(beside, { recursive: true });
    },
  };
}
