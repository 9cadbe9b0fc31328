export type { GraphConfig } from "./graph-call.ts";
export { outcomeOfGraph } from "./graph-outcome.ts";
export { type GraphSettings, type GraphTool, stepTools } from "./step-tools.ts";
