import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type StepInterceptor, stepInterceptor } from "../../../../src/sdk/adapters/temporal/index.ts";
import { currentStep } from "../../../../src/sdk/runtime/index.ts";
import { findCredentials } from "../../../../src/sdk/testing/index.ts";
import { tenMinutesOfWork } from "../../../sdk/adapters/long-work.ts";
import { thrownBy } from "../../../sdk/runtime/scripted-broker.ts";
import { INSTALL_MS_MAX } from "../../locked-packages.ts";
import { pythonIsMissing } from "../../python/python-environment.ts";
import { type StepScene, startStepScene } from "../step-scene.ts";
import {
  type Activity,
  type Context,
  type Failure,
  startTemporal,
  type Worker,
  type Workflow,
} from "./temporal-scene.ts";

/** Of a token of the virtual broker. */
const TOKEN_MS = 120_000;

/** What an activity does, by the id of its workflow's run; set by the test that starts it. */
type Work = (context: Context, given: string) => unknown;

let scene: StepScene;
let temporal: Awaited<ReturnType<typeof startTemporal>>;
let worker: Worker;
let running: Promise<void>;
const skipped = pythonIsMissing() !== undefined;
/** Activities begin before a test can say anything of their workflow; so what they do is by their type, and each test has its own. */
const works = new Map<string, Work>();
const TYPES = [
  "search",
  "count",
  "flaky",
  "stubborn",
  "lost",
  "refused",
  "plain",
  "beating",
  "careless",
  "later",
  "revoked",
  "endless",
  "reset",
  "local",
] as const;
type Type = (typeof TYPES)[number];
/** Whose runs have to be known before a workflow is started. */
const NAMED_RUNS: readonly string[] = ["reset", "local"] satisfies readonly Type[];

beforeAll(async () => {
  if (skipped) return;
  scene = await startStepScene();
  temporal = await startTemporal();
  const { Context, ApplicationFailure } = temporal;
  const activities = TYPES.map((type): [string, Activity] => [
    type,
    async (given) => works.get(type)?.(Context.current(), given) ?? `did nothing for ${type}`,
  ]);
  const grants = TYPES.filter((type) => type !== "plain").map((type) => [type, { grant: scene.grantFor(type) }]);
  const inSteps = stepInterceptor({
    opener: scene.stint,
    calls: { ...Object.fromEntries(grants), refused: { grant: scene.above } },
    runIdOf: ({ activityType, workflowExecution }) =>
      NAMED_RUNS.includes(activityType) ? activityType : (workflowExecution?.runId ?? "none"),
    ApplicationFailure,
  });
  worker = await temporal.workerOf(Object.fromEntries(activities), inSteps);
  running = worker.run();
}, INSTALL_MS_MAX);
afterAll(async () => {
  worker?.shutdown();
  await running;
  await temporal?.[Symbol.asyncDispose]();
  await scene?.[Symbol.asyncDispose]();
});

function start(type: Type, work: Work, options: object = {}): Promise<Workflow> {
  works.set(type, work);
  return temporal.start(type, options);
}

/** What an activity failed with, behind what the workflow and the client wrap around it. */
async function failureOf(workflow: Workflow): Promise<Failure> {
  const thrown = (await thrownBy(workflow.result())) as Error & { readonly cause?: { readonly cause?: Failure } };
  return thrown.cause?.cause as Failure;
}

const stepsOf = ({ firstExecutionRunId }: Workflow) => scene.stepsOf(firstExecutionRunId);

test.skipIf(skipped)("an activity works in a step of its workflow's run, with its credentials", async () => {
  const workflow = await start("search", (_context, given) => scene.look().then((found) => `${given}: ${found}`));
  expect(await workflow.result()).toBe("owls: three owls");
  expect(await stepsOf(workflow)).toEqual(["search.1/1 COMPLETED"]);
});

test.skipIf(skipped)("two workflows at once in one worker do not mix", async () => {
  const both = Promise.withResolvers<void>();
  const ids: string[] = [];
  const work: Work = async () => {
    ids.push(currentStep()?.spiffeId ?? "none");
    if (ids.length === 2) both.resolve();
    await both.promise;
    return `${await scene.look()} ${currentStep()?.name.runId}`;
  };
  const workflows = [await start("count", work), await start("count", work)];
  for (const workflow of workflows) {
    expect(await workflow.result()).toBe(`three owls ${workflow.firstExecutionRunId}`);
    expect(await stepsOf(workflow)).toEqual(["count.1/1 COMPLETED"]);
  }
  expect(new Set(ids).size).toBe(2);
});

test.skipIf(skipped)("a retry is the next attempt of the step", async () => {
  const work: Work = ({ info }) => {
    if (info.attempt === 1) throw new Error("not yet");
    return scene.look();
  };
  const workflow = await start("flaky", work, { retry: { maximumAttempts: 2, initialInterval: 1 } });
  expect(await workflow.result()).toBe("three owls");
  expect(await stepsOf(workflow)).toEqual(["flaky.1/1 FAILED", "flaky.1/2 COMPLETED"]);
});

test.skipIf(skipped)("an activity that ignores that it was cancelled leaves a cancelled step", async () => {
  const begun = Promise.withResolvers<void>();
  const work: Work = async (context) => {
    begun.resolve();
    const beating = setInterval(() => context.heartbeat(), 50);
    await once(context.cancellationSignal, "abort");
    clearInterval(beating);
    return "all the same";
  };
  const workflow = await start("stubborn", work, { heartbeatTimeout: "20 seconds" });
  await begun.promise;
  await workflow.cancel();
  expect(await workflow.result()).toBe("all the same");
  expect(await stepsOf(workflow)).toEqual(["stubborn.1/1 CANCELLED"]);
});

test.skipIf(skipped)(
  "an attempt that Temporal gave up is superseded while it still runs, and what it does then is refused",
  async () => {
    const released = Promise.withResolvers<void>();
    const late = Promise.withResolvers<unknown>();
    const work: Work = async ({ info }) => {
      if (info.attempt > 1) return scene.look();
      // Without a heartbeat, as in a process that hangs.
      await released.promise;
      late.resolve(await thrownBy(scene.look()));
      return "too late";
    };
    const retry = { maximumAttempts: 2, initialInterval: 1 };
    const workflow = await start("lost", work, { retry, heartbeatTimeout: "1 second" });
    expect(await workflow.result()).toBe("three owls");
    expect(await stepsOf(workflow)).toEqual(["lost.1/1 SUPERSEDED", "lost.1/2 COMPLETED"]);
    released.resolve();
    expect(await late.promise).toMatchObject({ reason: "STEP_CLOSED", metadata: { state: "SUPERSEDED" } });
  },
);

test.skipIf(skipped)(
  "a refusal that will be the same again is not retried, and the workflow is told which and why",
  async () => {
    let begun = 0;
    const work: Work = () => {
      begun += 1;
    };
    const workflow = await start("refused", work, { retry: { maximumAttempts: 5, initialInterval: 1 } });
    const failure = await failureOf(workflow);
    expect(failure).toMatchObject({
      type: "ToolRefusal",
      nonRetryable: true,
      details: [{ tool: "refused", reason: "POLICY_DENIED" }],
    });
    expect(failure.message).toContain('The call of the tool "refused" was not permitted (POLICY_DENIED).');
    expect([begun, await stepsOf(workflow)]).toEqual([0, []]);
  },
);

test.skipIf(skipped)("a step that an operator ended stays ended: its activity is not tried again", async () => {
  const work: Work = async () => {
    const { name, signal } = currentStep() ?? {};
    await scene.revoke(name?.runId ?? "", name?.step ?? "");
    if (signal?.aborted === false) await once(signal, "abort");
    return "all the same";
  };
  const workflow = await start("revoked", work, { retry: { maximumAttempts: 5, initialInterval: 1 } });
  expect(await failureOf(workflow)).toMatchObject({ nonRetryable: true, details: [{ state: "REVOKED" }] });
  expect(await stepsOf(workflow)).toEqual(["revoked.1/1 REVOKED"]);
});

test.skipIf(skipped)(
  "an activity of which nothing is said works without a step, and so without credentials",
  async () => {
    const workflow = await start("plain", () => thrownBy(scene.look()).then((thrown) => (thrown as Error).message));
    expect(await workflow.result()).toBe("stint.fetch works inside of withStep");
    expect(await stepsOf(workflow)).toEqual([]);
  },
);

test.skipIf(skipped)("heartbeats renew the step's lease, and the step is as long as the attempt may take", async () => {
  const work: Work = async (context) => {
    const step = currentStep();
    const first = await scene.leaseOf(step?.stepId ?? "");
    let now = first;
    // A step whose lease nobody renews is abandoned.
    while (now.getTime() === first.getTime() && step?.signal.aborted === false) {
      context.heartbeat();
      now = await scene.leaseOf(step?.stepId ?? "");
    }
    return [(step?.expiresAt.getTime() ?? 0) - Date.now(), first < now];
  };
  const workflow = await start("beating", work, { heartbeatTimeout: "1 second", startToCloseTimeout: "10 minutes" });
  const [leftMs, isLater] = (await workflow.result()) as [number, boolean];
  expect(isLater).toBe(true);
  // More than the five minutes that a step has by default.
  expect(leftMs).toBeGreaterThan(300_000);
});

test.skipIf(skipped)(
  "an activity that may take longer than its agent's steps is refused rather than cut off",
  async () => {
    const workflow = await start("endless", () => "done", { startToCloseTimeout: "1 day" });
    const failure = await failureOf(workflow);
    expect(failure).toMatchObject({ details: [{ reason: "INVALID_FIELD" }], nonRetryable: true });
    expect((failure.cause as Error).message).toContain("expires_at");
  },
);

test.skipIf(skipped)("an activity that something else completes is done with its step when it returns", async () => {
  const workflow = await start("later", () => {
    throw new temporal.CompleteAsyncError();
  });
  const activity = { workflowId: workflow.workflowId, runId: workflow.firstExecutionRunId, activityId: "1" };
  await expect.poll(() => stepsOf(workflow)).toEqual(["later.1/1 CANCELLED"]);
  await temporal.client.activity.complete(activity, "by a person");
  expect(await workflow.result()).toBe("by a person");
});

test.skipIf(skipped)(
  "histories and logs have nothing of a credential, also of an activity that puts one into its error",
  async () => {
    const work: Work = async () => {
      await scene.look();
      throw temporal.ApplicationFailure.nonRetryable(`Authorization: Bearer ${scene.shown.at(-1)}`, "NoOwls");
    };
    const workflow = await start("careless", work, { retry: { maximumAttempts: 5, initialInterval: 1 } });
    // Neither its type nor that it is not to be retried is lost with the message.
    expect(await failureOf(workflow)).toMatchObject({ type: "NoOwls", nonRetryable: true });
    const successful = await start("search", () => scene.look());
    await successful.result();
    const kept = await Promise.all([workflow, successful].map((each) => each.fetchHistory()));
    expect(temporal.logged.length).toBeGreaterThan(0);
    expect(findCredentials([kept, temporal.logged], { secrets: scene.shown })).toEqual([]);
  },
);

// The adapter knows Temporal by the parts that it uses, and imports none of it; this holds it to the SDK's own types.
test.skipIf(skipped)("the sample compiles against Temporal's types", { timeout: INSTALL_MS_MAX }, async () => {
  expect(await temporal.complaints()).toBe("");
});

test.skipIf(skipped)("the sample's activity works in a step", async () => {
  const where = { url: scene.resource, grant: scene.grantFor("search") };
  const worker = await temporal.sampleWorker(scene.stint, where);
  const workflow = await temporal.start("search", {}, "research");
  expect(await worker.runUntil(workflow.result())).toBe("three owls");
  expect(await stepsOf(workflow)).toEqual(["search.1/1 COMPLETED"]);
});

test.skipIf(skipped)(
  "an attempt below the newest is refused, and tried again until it has come past that",
  async () => {
    const run = { runId: "reset", step: "reset.1", grant: scene.grantFor("reset") };
    await using held = await scene.stint.openStep({ ...run, attempt: 2 });
    const workflow = await start("reset", async ({ info }) => [await scene.look(), info.attempt], {
      retry: { maximumAttempts: 5, initialInterval: 1 },
    });
    expect(await workflow.result()).toEqual(["three owls", 3]);
    expect(held.signal.reason).toMatchObject({ metadata: { state: "SUPERSEDED" } });
    expect(await scene.stepsOf("reset")).toEqual(["reset.1/2 SUPERSEDED", "reset.1/3 COMPLETED"]);
  },
);

test.skipIf(skipped)("a worker that shuts down cancels the steps of its activities", async () => {
  const begun = Promise.withResolvers<AbortSignal | undefined>();
  const search: Activity = async () => {
    const { signal } = currentStep() ?? {};
    begun.resolve(signal);
    if (signal?.aborted === false) await once(signal, "abort");
    return "all the same";
  };
  const { ApplicationFailure } = temporal;
  const inSteps = stepInterceptor({ opener: scene.stint, calls: { search: {} }, ApplicationFailure });
  const leaving = await temporal.workerOf({ search }, inSteps, "leaving");
  const left = leaving.run();
  const workflow = await temporal.start("search", {}, "leaving");
  await begun.promise;
  leaving.shutdown();
  await left;
  expect(await stepsOf(workflow)).toEqual(["search.1/1 CANCELLED"]);
});

test.skipIf(skipped)("an activity works for ten minutes with tokens that live two", async () => {
  const long = Promise.withResolvers<Awaited<ReturnType<typeof tenMinutesOfWork>>>();
  const search: Activity = async () => (await long.promise).work();
  // Time is virtual from when the work is there, and a worker is made in real time.
  const { ApplicationFailure } = temporal;
  const inSteps: StepInterceptor = (context) => ({
    inbound: {
      async execute(input, next) {
        const { settings } = await long.promise;
        const { calls = {}, run } = settings;
        return stepInterceptor({ calls, run, ApplicationFailure })(context).inbound.execute(input, next);
      },
    },
  });
  const patient = await temporal.workerOf({ search }, inSteps, "patient");
  const workflow = await temporal.start("search", { startToCloseTimeout: "15 minutes" }, "patient");
  await patient.runUntil(async () => {
    const work = await tenMinutesOfWork("search");
    long.resolve(work);
    expect(await workflow.result()).toBe("ten minutes");
    expect(Math.max(...work.ages)).toBeLessThan(TOKEN_MS);
  });
});

test.skipIf(skipped)(
  "a local activity, which its worker alone counts, has its attempts counted by the broker",
  async () => {
    // As of another worker, which has counted to two, and of which this one knows nothing.
    const run = { runId: "local", step: "local.1", grant: scene.grantFor("local") };
    await using held = await scene.stint.openStep({ ...run, attempt: 2 });
    works.set("local", () => scene.look());
    const workflow = await temporal.start("local", {}, undefined, "callLocalActivity");
    expect(await workflow.result()).toBe("three owls");
    expect(held.signal.reason).toMatchObject({ metadata: { state: "SUPERSEDED" } });
    expect(await scene.stepsOf("local")).toEqual(["local.1/2 SUPERSEDED", "local.1/3 COMPLETED"]);
  },
);

test.skipIf(skipped)("below a step of the run an activity has no more time than that", async () => {
  const { ApplicationFailure } = temporal;
  await using opener = await scene.stint.openStep({ runId: "parent", step: "all", grant: scene.grantFor("search") });
  const search: Activity = async () => [currentStep()?.parentStepId, currentStep()?.expiresAt.getTime()];
  const calls = { search: { grant: scene.grantFor("search") } };
  const below = await temporal.workerOf({ search }, stepInterceptor({ opener, calls, ApplicationFailure }), "below");
  const workflow = await temporal.start("search", { startToCloseTimeout: "10 minutes" }, "below");
  expect(await below.runUntil(workflow.result())).toEqual([opener.stepId, opener.expiresAt.getTime()]);
});
