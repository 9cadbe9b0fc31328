export type { ActivityContext, ActivityInfo } from "./activity-call.ts";
export type { ApplicationFailureClass } from "./activity-failure.ts";
export { type ActivitySettings, type StepInterceptor, stepInterceptor } from "./step-interceptor.ts";
