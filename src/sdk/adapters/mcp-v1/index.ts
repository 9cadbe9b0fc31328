export type { CallOptions } from "../mcp/call-options.ts";
export type { McpTools, McpToolsOptions, RefusedResult } from "../mcp/mcp-tools.ts";
export { stepMcpTools } from "./step-mcp-tools.ts";
