export type { RefusedResult } from "../call-tool-result.ts";
export type { OnApprovalNeeded } from "./approved-call.ts";
export type { CallOptions } from "./call-options.ts";
export type { McpTools, McpToolsOptions } from "./mcp-tools.ts";
export { stepMcpTools } from "./step-mcp-tools.ts";
