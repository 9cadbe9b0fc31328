import { expect, test } from "vitest";
import * as mcp from "../../../src/sdk/mcp/index.ts";
import * as mcpV1 from "../../../src/sdk/mcp-v1/index.ts";
import * as runtime from "../../../src/sdk/runtime/index.ts";

// Pinned: programs import these names and switch on these words.

test("the runtime SDK exports these names", () => {
  expect(Object.keys(runtime).toSorted()).toEqual([
    "SDK_REASONS",
    "StintError",
    "createDpopKey",
    "createStint",
    "credentialsFromFd",
    "currentStep",
    "isStintError",
    "mcpRefusalOf",
    "segment",
  ]);
});

test("the runtime SDK's own reasons are these", () => {
  expect(runtime.SDK_REASONS).toEqual([
    "NO_ENDPOINT",
    "NO_EVIDENCE",
    "NO_CREDENTIALS",
    "UNREACHABLE",
    "BROKER_FAILED",
    "UNIMPLEMENTED",
    "HOLD_LOST",
    "APPROVAL_TIMEOUT",
    "NO_CURRENT_STEP",
    "NO_LOCATION",
    "AUTHORIZATION_GIVEN",
    "REDIRECT_REFUSED",
  ]);
});

test.for([
  { reason: "UNREACHABLE", retryable: true },
  { reason: "LEDGER_UNAVAILABLE", retryable: true },
  { reason: "AUTHORITY_UNAVAILABLE", retryable: true },
  { reason: "NOT_SERVING", retryable: true },
  { reason: "HOLD_LOST", retryable: false },
  { reason: "STEP_CLOSED", retryable: false },
  { reason: "A_REASON_OF_A_NEWER_BROKER", retryable: false },
])("$reason may succeed later: $retryable", ({ reason, retryable }) => {
  const error = new runtime.StintError(reason, "no");
  expect(error.retryable).toBe(retryable);
  expect(runtime.isStintError(error)).toBe(true);
  expect(runtime.isStintError(error, "POLICY_DENIED")).toBe(false);
});

test("the MCP adapter exports these names", () => {
  expect(Object.keys(mcp).toSorted()).toEqual([
    "GUARD_REASONS",
    "OTHER_METHODS",
    "REFUSAL_CODES",
    "createMcpGuard",
    "stepOf",
  ]);
});

test("the adapter for the older MCP SDK exports the same, and how to serve without sessions", () => {
  expect(Object.keys(mcpV1).toSorted()).toEqual([...Object.keys(mcp), "serveStateless"].toSorted());
});

test("the MCP adapter's own reasons, codes and methods are these", () => {
  expect(mcp.GUARD_REASONS).toEqual([
    "HTTP_METHOD_REFUSED",
    "BODY_TOO_LARGE",
    "REQUEST_MALFORMED",
    "HEADER_MISMATCH",
    "METHOD_REFUSED",
    "TOOL_UNDECLARED",
    "RESOURCE_UNDECLARED",
    "PROMPT_UNDECLARED",
    "SESSION_NOT_FOUND",
    "REQUEST_STATE_INVALID",
    "TASK_NOT_FOUND",
    "STEP_CLOSED",
    "INTERNAL",
  ]);
  expect(mcp.REFUSAL_CODES).toEqual({
    parseError: -32700,
    invalidRequest: -32600,
    methodNotFound: -32601,
    invalidParams: -32602,
    internalError: -32603,
    sessionNotFound: -32001,
    headerMismatch: -32020,
    refused: -32010,
  });
  expect(mcp.OTHER_METHODS).toEqual(["initialize", "ping", "server/discover", "tools/list", "notifications/*"]);
});
