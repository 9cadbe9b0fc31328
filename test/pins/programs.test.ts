import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { EXIT } from "../../src/cli/failure.ts";
import * as claudeAgent from "../../src/sdk/adapters/claude-agent/index.ts";
import * as adapters from "../../src/sdk/adapters/index.ts";
import * as langChain from "../../src/sdk/adapters/langchain/index.ts";
import * as mastra from "../../src/sdk/adapters/mastra/index.ts";
import * as temporal from "../../src/sdk/adapters/temporal/index.ts";
import * as operator from "../../src/sdk/operator/index.ts";
import * as testing from "../../src/sdk/testing/index.ts";
import { STATUS_DETAILS_KEY, STINT_DOMAIN } from "../../src/wire/error-info.ts";

// What scripts branch on and programs import. The names of stint-sdk/runtime, /mcp and /verifier are pinned beside their
// tests, and so are the reasons with their gRPC codes.

test("the exit statuses of the command line", () => {
  expect(EXIT).toEqual({ done: 0, refused: 1, usage: 2, unreachable: 3 });
});

test("where an error says its reason", () => {
  expect(STATUS_DETAILS_KEY).toBe("grpc-status-details-bin");
  expect(STINT_DOMAIN).toBe("stint");
});

test("what can be imported from stint-sdk", () => {
  const { exports } = JSON.parse(readFileSync(new URL("../../src/sdk/package.json", import.meta.url), "utf8"));
  expect(Object.keys(exports)).toEqual([
    "./runtime",
    "./verifier",
    "./mcp",
    "./mcp-v1",
    "./operator",
    "./testing",
    "./adapters",
    "./adapters/ai",
    "./adapters/claude-agent",
    "./adapters/langchain",
    "./adapters/mastra",
    "./adapters/mcp",
    "./adapters/mcp-v1",
    "./adapters/openai-agents",
    "./adapters/temporal",
    "./package.json",
  ]);
});

test("the names that stint-sdk/operator exports", () => {
  expect(Object.keys(operator).toSorted()).toEqual([
    "AuthorityState",
    "CallError",
    "Effect",
    "EntryOrigin",
    "IssuanceState",
    "OperatorRole",
    "ReceiptState",
    "RiskLevel",
    "StepState",
    "SvidKind",
    "ToolState",
    "connectOperator",
    "everyPage",
  ]);
});

test("the names that stint-sdk/testing exports", () => {
  expect(Object.keys(testing).toSorted()).toEqual(["findCredentials", "startDevBroker"]);
});

test("the names that stint-sdk/adapters exports", () => {
  expect(Object.keys(adapters).toSorted()).toEqual([
    "ToolRefusal",
    "inToolRun",
    "refusalSentence",
    "shownError",
    "streamOnCall",
    "toolRefusalOf",
    "workOnCall",
  ]);
});

test("the names that stint-sdk/adapters/langchain exports", () => {
  expect(Object.keys(langChain).toSorted()).toEqual(["outcomeOfGraph", "stepTools"]);
});

test("the names that stint-sdk/adapters/temporal exports", () => {
  expect(Object.keys(temporal).toSorted()).toEqual(["stepInterceptor"]);
});

test("the names that stint-sdk/adapters/mastra exports", () => {
  expect(Object.keys(mastra).toSorted()).toEqual(["stepTool", "unlessAborted"]);
});

test("the names that stint-sdk/adapters/claude-agent exports", () => {
  expect(Object.keys(claudeAgent).toSorted()).toEqual(["stepTool"]);
});
