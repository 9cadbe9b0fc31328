export type { RefusalFacts } from "./refusal-facts.ts";
export { refusalSentence } from "./refusal-sentence.ts";
export { shownError } from "./shown-error.ts";
export { streamOnCall } from "./stream-on-call.ts";
export type { ToolCall } from "./tool-call.ts";
export { ToolRefusal, toolRefusalOf } from "./tool-refusal.ts";
export { inToolRun, type ToolRun } from "./tool-run.ts";
export { type CallStepOptions, type CallSteps, type CallWork, type ToolSettings, workOnCall } from "./work-on-call.ts";
