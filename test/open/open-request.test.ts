import { describe, expect, test } from "vitest";
import { checkOpenRequest, digestOf, type OpenRequest } from "../../src/open/open-request.ts";
import { FILES, MCP } from "./path-scene.ts";

type Asked = Parameters<typeof checkOpenRequest>[0];

const ASKED: Asked = {
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
  parentToken: "",
  executor: { kind: "self" },
  requestId: "",
  allowPartial: false,
  acceptPending: false,
  principalToken: "",
};
const check = (own: Partial<Asked>): OpenRequest => checkOpenRequest({ ...ASKED, ...own });

test("a step has each audience once, however often it was named, in the order of the request", () => {
  expect(check({ audiences: [MCP, FILES, MCP, FILES] }).audiences).toEqual([MCP, FILES]);
});

test("what is left out of a request is not there, and what is in it is there as it was", () => {
  const plain = check({});
  expect(plain).toEqual({
    runId: "run-1",
    step: "search",
    agent: "worker",
    grant: [],
    audiences: [],
    executor: { kind: "self" },
    allowPartial: false,
  });
  expect(Object.keys(plain)).toHaveLength(7);
  const more = {
    attempt: 3,
    workflow: "report",
    purpose: "the report of July, for Zoë",
    expiresAt: 1_800_000_000 as OpenRequest["expiresAt"],
    leaseSeconds: 30,
    parentStepId: "step_1",
    requestId: "request 1",
  };
  expect(check(more)).toEqual({ ...plain, ...more });
});

describe("a request is within its bounds", () => {
  test.for<{ what: string; own: Partial<Asked> }>([
    { what: "attempt 1", own: { attempt: 1 } },
    { what: "the last attempt", own: { attempt: 2 ** 31 - 1 } },
    { what: "a lease of a second", own: { leaseSeconds: 1 } },
    { what: "a lease of an hour", own: { leaseSeconds: 3_600 } },
    { what: "a purpose of 1024 bytes", own: { purpose: "p".repeat(1_024) } },
    { what: "a request_id of 128 bytes", own: { requestId: "r".repeat(128) } },
    { what: "16 audiences", own: { audiences: Array.from({ length: 16 }, (_, index) => `urn:audience:${index}`) } },
  ])("with $what", ({ own }) => {
    expect(check(own)).toMatchObject(own);
  });

  test.for<{ what: string; own: Partial<Asked>; field: string }>([
    { what: "attempt 0", own: { attempt: 0 }, field: "attempt" },
    { what: "half an attempt", own: { attempt: 1.5 }, field: "attempt" },
    { what: "an attempt of more than 31 bits", own: { attempt: 2 ** 31 }, field: "attempt" },
    { what: "no lease to speak of", own: { leaseSeconds: 0.5 }, field: "lease" },
    { what: "a lease of more than an hour", own: { leaseSeconds: 3_601 }, field: "lease" },
    { what: "a lease that is no number", own: { leaseSeconds: Number.NaN }, field: "lease" },
    { what: "a purpose of 1025 bytes", own: { purpose: `${"p".repeat(1_023)}ä` }, field: "purpose" },
    { what: "a purpose that steers a terminal", own: { purpose: "a\u001b[2Jb" }, field: "purpose" },
    { what: "a purpose of two lines", own: { purpose: "a\nb" }, field: "purpose" },
    { what: "a purpose that turns the writing around", own: { purpose: "a\u202eb" }, field: "purpose" },
    { what: "half a character", own: { purpose: "a\ud800" }, field: "purpose" },
    { what: "a request_id of 129 bytes", own: { requestId: "r".repeat(129) }, field: "request_id" },
    { what: "a request_id with a control character", own: { requestId: "a\0" }, field: "request_id" },
    { what: "a run's name with a slash", own: { runId: "a/b" }, field: "run_id" },
    { what: "a step's name with a slash", own: { step: "a/b" }, field: "step" },
    { what: "an agent's name with a slash", own: { agent: "a/b" }, field: "agent" },
    { what: "a workflow with a slash", own: { workflow: "a/b" }, field: "workflow" },
    {
      what: "17 audiences",
      own: { audiences: Array.from({ length: 17 }, (_, index) => `urn:audience:${index}`) },
      field: "audiences",
    },
    { what: "an audience that is none", own: { audiences: ["a b"] }, field: "audiences" },
  ])("and not with $what, naming the field", ({ own, field }) => {
    expect(() => check(own)).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
  });
});

test("two requests are told apart by every field that the caller chose, and by no request_id", () => {
  const element = {
    type: "mcp_tool",
    locations: [MCP],
    identifier: "search",
    actions: ["read"],
    datatypes: ["a"],
  } as const;
  const asked: Partial<Asked> = {
    grant: [element],
    audiences: [MCP],
    executor: { kind: "pid", pid: 7 },
    requestId: "r",
  };
  const digest = (own: Partial<Asked>) => digestOf(check({ ...asked, ...own }));
  const same = digest({});
  expect(digest({ requestId: "another" })).toBe(same);
  const others: readonly Partial<Asked>[] = [
    { runId: "run-2" },
    { step: "fetch" },
    { agent: "reader" },
    { attempt: 2 },
    { workflow: "w" },
    { purpose: "p" },
    { leaseSeconds: 5 },
    { parentStepId: "step_1" },
    { expiresAt: 1_800_000_000 as Asked["expiresAt"] },
    { allowPartial: true },
    { audiences: [FILES] },
    { executor: { kind: "pid", pid: 8 } },
    { executor: { kind: "any" } },
    { grant: [] },
    { grant: [{ ...element, locations: [FILES] }] },
    { grant: [{ ...element, identifier: "fetch" }] },
    { grant: [{ ...element, actions: ["write"] }] },
    { grant: [{ ...element, datatypes: ["b"] }] },
  ];
  expect(new Set([same, ...others.map(digest)]).size).toBe(1 + others.length);
  // A retry has a newer token; only of whom it is matters.
  const withToken = (principalToken: string, principalId: string) =>
    digestOf(check({ ...asked, principalToken }), principalId);
  expect(withToken("one", "ada")).toBe(withToken("two", "ada"));
  expect(new Set([same, withToken("one", "ada"), withToken("one", "bob")]).size).toBe(3);
});
