// Workflows are bundled by the worker, and so lie beside the framework when they are run.
import { ActivityCancellationType, proxyActivities, proxyLocalActivities } from "@temporalio/workflow";

/** Runs one activity, whose options the test gives. */
export function callActivity(activityType, options) {
  const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;
  return proxyActivities({ startToCloseTimeout: "1 minute", cancellationType, ...options })[activityType]("owls");
}

/** The same, in the workflow's own worker. */
export function callLocalActivity(activityType, options) {
  return proxyLocalActivities({ startToCloseTimeout: "1 minute", ...options })[activityType]("owls");
}
