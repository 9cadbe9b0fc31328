export { type MastraSettings, stepTool } from "./step-tool.ts";
export type { MastraContext } from "./tool-context.ts";
export { unlessAborted } from "./unless-aborted.ts";
