export type { GivenRequest, McpFetch } from "../mcp-guard/guard.ts";
export { type CheckTerms, type McpGuardOptions, OTHER_METHODS, type ToolNeeds } from "../mcp-guard/guard-settings.ts";
export type { NodeListener } from "../mcp-guard/node-listener.ts";
export { GUARD_REASONS, REFUSAL_CODES, type RefusalReason } from "../mcp-guard/refusal.ts";
export type { ProtectedResourceMetadata } from "../mcp-guard/resource-metadata.ts";
export type { SessionOwner } from "../mcp-guard/sessions.ts";
export { type StepAuthInfo, stepOf } from "../mcp-guard/step-auth-info.ts";
export { createMcpGuard, type McpGuard } from "./mcp-guard.ts";
export { serveStateless } from "./serve-stateless.ts";
