export { stepOf } from "./auth-info.ts";
export { type McpGuardOptions, OTHER_METHODS, type ToolNeeds } from "./guard-settings.ts";
export { createMcpGuard, type McpFetch, type McpGuard } from "./mcp-guard.ts";
export type { NodeListener } from "./node-listener.ts";
export { GUARD_REASONS, REFUSAL_CODES, type RefusalReason } from "./refusal.ts";
export type { ProtectedResourceMetadata } from "./resource-metadata.ts";
