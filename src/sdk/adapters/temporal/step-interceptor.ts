import { type CallStepOptions, type ToolCall, type ToolSettings, workOnCall } from "../index.ts";
import { type NamedRunSettings, namedRunOf } from "../named-run.ts";
import { type ActivityContext, type ActivityInfo, activityCallOf, activityRunIdOf } from "./activity-call.ts";
import { type ApplicationFailureClass, activityFailureOf, isLeft, outcomeOfActivity } from "./activity-failure.ts";
import { activityStepDefaults, renewByHeartbeat } from "./activity-step.ts";

/** A run is that of a workflow, by its run id. */
export type ActivitySettings = Pick<ToolSettings, "run"> &
  NamedRunSettings<ActivityInfo> & {
    /** What the steps of activities ask for, by the activity's type. Other activities work without a step, and so without credentials. */
    readonly calls: NonNullable<ToolSettings["calls"]>;
    /** The class of `@temporalio/activity`, in which Temporal is told what was refused, and whether trying again can help. */
    readonly ApplicationFailure: ApplicationFailureClass;
  };

/** What a worker is given, as its `interceptors.activity`. */
export type StepInterceptor = (context: ActivityContext) => {
  readonly inbound: {
    execute<Input extends { readonly args: unknown[] }>(
      input: Input,
      next: (input: Input) => Promise<unknown>,
    ): Promise<unknown>;
  };
};

/**
 * An interceptor for Temporal's workers: activities work in steps. Each attempt is an attempt of the step, and supersedes the one before,
 * also where that still runs in a worker that Temporal has lost sight of. The step is as long as the attempt may take
 * (`startToCloseTimeout`), its lease is renewed by the activity's heartbeats, and a cancelled activity leaves a cancelled step, whatever it
 * returns.
 *
 * `currentStep()` is the step within the activity. Its signal aborts with the activity and with the step; Temporal's own knows of the
 * activity alone.
 *
 * @example
 * Worker.create({ …, interceptors: { activity: [stepInterceptor({ opener: stint, calls: { search: { grant } }, ApplicationFailure })] } });
 */
export function stepInterceptor(settings: ActivitySettings): StepInterceptor {
  return (context) => ({ inbound: { execute: (input, next) => inStep(context, input, next, settings) } });
}

async function inStep<Input extends { readonly args: unknown[] }>(
  context: ActivityContext,
  input: Input,
  next: (input: Input) => Promise<unknown>,
  settings: ActivitySettings,
): Promise<unknown> {
  const { info } = context;
  const { calls, ApplicationFailure } = settings;
  if (!Object.hasOwn(calls, info.activityType)) return next(input);
  const call = activityCallOf(context, input.args);
  try {
    return await workOnCall(
      call,
      { run: namedRunOf(info, settings, activityRunIdOf), calls: { [call.tool]: stepOptionsOf(call, info, settings) } },
      (step) => {
        renewByHeartbeat(context, step);
        return next(input);
      },
      outcomeOfActivity,
    );
  } catch (thrown) {
    throw isLeft(thrown) ? thrown : activityFailureOf(thrown, info.activityType, ApplicationFailure);
  }
}

function stepOptionsOf(call: ToolCall, info: ActivityInfo, { calls, opener }: ActivitySettings): CallStepOptions {
  const given = calls[call.tool];
  const parentEnds = opener !== undefined && "expiresAt" in opener ? opener.expiresAt : undefined;
  const defaults = activityStepDefaults(info, parentEnds instanceof Date ? parentEnds : undefined);
  return { ...defaults, ...(typeof given === "function" ? given(call) : given) };
}
