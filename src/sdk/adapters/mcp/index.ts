export type { CallOptions } from "./call-options.ts";
export type { McpTools, McpToolsOptions, RefusedResult } from "./mcp-tools.ts";
export { stepMcpTools } from "./step-mcp-tools.ts";
