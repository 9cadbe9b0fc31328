import type { ToolCall } from "../index.ts";

/** What Temporal says of an activity that it runs (`Info` of `@temporalio/activity`), as far as it is needed here. */
export type ActivityInfo = {
  readonly activityId: string;
  readonly activityType: string;
  /** From 1. A local activity's is counted by its worker alone, and so begins anew with another one. */
  readonly attempt: number;
  readonly isLocal: boolean;
  /** Absent for an activity that no workflow started, which has a run of its own. */
  readonly workflowExecution?: { readonly workflowId: string; readonly runId: string };
  readonly activityRunId?: string;
  /** Milliseconds; 0 or absent: none. */
  readonly startToCloseTimeoutMs: number;
  readonly heartbeatTimeoutMs?: number;
};

/** `Context` of `@temporalio/activity`, which is another object for each attempt. */
export type ActivityContext = {
  readonly info: ActivityInfo;
  /** Aborts when the activity is cancelled, timed out, paused or reset, or its worker shuts down. */
  readonly cancellationSignal: AbortSignal;
  heartbeat(details?: unknown): void;
};

/** An attempt of an activity. A newer one supersedes it, wherever it runs: Temporal's count of attempts is the fence. */
export function activityCallOf({ info, cancellationSignal: signal }: ActivityContext, input: unknown): ToolCall {
  const { activityType: tool, activityId: callId, attempt, isLocal } = info;
  return { tool, callId, input, signal, ...(!isLocal && { attempt }) };
}

/** The run of the workflow, which is another one each time that a workflow is started, reset or goes on as new. */
export function activityRunIdOf({ workflowExecution, activityRunId, activityId }: ActivityInfo): string {
  return workflowExecution?.runId ?? activityRunId ?? activityId;
}
