export type { RefusedResult } from "../call-tool-result.ts";
export type { OnApprovalNeeded } from "../mcp/approved-call.ts";
export type { CallOptions } from "../mcp/call-options.ts";
export type { McpTools, McpToolsOptions } from "../mcp/mcp-tools.ts";
export { stepMcpTools } from "./step-mcp-tools.ts";
