import { expect, test } from "vitest";
import { checkOpenRequest } from "../../src/open/open-request.ts";
import { FILES, MCP } from "./opening-scene.ts";

const ASKED: Parameters<typeof checkOpenRequest>[0] = {
  runId: "run-1",
  step: "search",
  attempt: undefined,
  agent: "worker",
  workflow: "",
  purpose: "",
  grant: [],
  audiences: [],
  expiresAt: undefined,
  leaseSeconds: undefined,
  parentStepId: "",
  executor: { kind: "self" },
  requestId: "",
  allowPartial: false,
  principalToken: "",
};

test("a step has each audience once, however often it was named, in the order of the request", () => {
  expect(checkOpenRequest({ ...ASKED, audiences: [MCP, FILES, MCP, FILES] }).audiences).toEqual([MCP, FILES]);
});
