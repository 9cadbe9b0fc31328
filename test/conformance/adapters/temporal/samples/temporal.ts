// With Temporal, for the documentation.

// #region temporal
import { ApplicationFailure } from "@temporalio/activity";
import { type NativeConnection, Worker } from "@temporalio/worker";
import { stepInterceptor } from "stint-sdk/adapters/temporal";
import { currentStep, type Grant, type Stint } from "stint-sdk/runtime";

export function createWorker(
  stint: Stint,
  { url, grant }: { url: string; grant: Grant },
  { connection, workflowsPath }: { connection: NativeConnection; workflowsPath: string },
) {
  async function search(query: string): Promise<string> {
    // Aborts when the activity is cancelled, and when its step ends.
    const signal = currentStep()?.signal ?? null;
    const response = await stint.fetch(url, { method: "POST", body: query, signal });
    return response.text();
  }
  const inSteps = stepInterceptor({ opener: stint, calls: { search: { grant } }, ApplicationFailure });
  return Worker.create({
    connection,
    workflowsPath,
    taskQueue: "research",
    activities: { search },
    interceptors: { activity: [inSteps] },
  });
}
// #endregion
