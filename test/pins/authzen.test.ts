import { describe, expect, test } from "vitest";
import { callOf, evaluationsOf } from "../../src/api/http/authzen-request.ts";
import { authzenForms, metadataOf } from "../../src/api/http/authzen-routes.ts";

// What gateways send, and where: AuthZEN's names, and ours within them.

test("the paths, at the root and below an issuer's path", () => {
  expect([...authzenForms("https://stint.example.org").keys()]).toEqual([
    "/access/v1/evaluation",
    "/access/v1/evaluations",
  ]);
  expect([...authzenForms("https://example.org/stint").keys()]).toEqual([
    "/access/v1/evaluation",
    "/access/v1/evaluations",
    "/stint/access/v1/evaluation",
    "/stint/access/v1/evaluations",
  ]);
});

const OF_CALL = {
  action: { name: "write" },
  resource: {
    type: "mcp_tool",
    id: "create_issue",
    properties: { location: "https://mcp.example.org/mcp", data_class: ["internal", "public"] },
  },
  context: { arguments_sha256: "ab".repeat(32), accept_pending: true },
};
const SUBJECT = "spiffe://example.org/agent/researcher/run/r1/step/search/1";

test("an evaluation by a JWT-SVID", () => {
  const subject = { type: "jwt_svid", id: SUBJECT, properties: { token: "h.p.s" } };
  expect(callOf({ subject, ...OF_CALL })).toEqual({
    credential: { kind: "jwt-svid", token: "h.p.s" },
    subject: SUBJECT,
    location: "https://mcp.example.org/mcp",
    use: {
      type: "mcp_tool",
      locations: ["https://mcp.example.org/mcp"],
      identifier: "create_issue",
      actions: ["write"],
      datatypes: ["internal", "public"],
    },
    argumentsSha256: "ab".repeat(32),
    acceptPending: true,
  });
});

test("an evaluation by a WIT-SVID and its transaction token", () => {
  const subject = { type: "wit_svid", id: SUBJECT, properties: { wit_svid: "a.b.c", txn_token: "d.e.f" } };
  expect(callOf({ subject, ...OF_CALL })).toMatchObject({
    credential: { kind: "wit-svid", witSvid: "a.b.c", txnToken: "d.e.f" },
  });
});

test("the metadata of the final specification, with nothing that is not there", () => {
  expect(metadataOf("https://example.org/stint")).toEqual({
    policy_decision_point: "https://example.org/stint",
    access_evaluation_endpoint: "https://example.org/stint/access/v1/evaluation",
    access_evaluations_endpoint: "https://example.org/stint/access/v1/evaluations",
  });
});

describe("evaluations, as the final specification has them", () => {
  const of = (body: object) => evaluationsOf(JSON.stringify(body));
  const [subject, action] = [{ type: "jwt_svid", id: SUBJECT }, { name: "read" }];

  test.for(["execute_all", "deny_on_first_deny", "permit_on_first_permit"])("the semantic %s", (semantic) => {
    const asked = of({ evaluations: [{}], options: { evaluations_semantic: semantic, another_option: "value" } });
    expect(asked).toMatchObject({ kind: "several", semantic });
  });

  test("execute_all where none is named, and none that is not one of the three", () => {
    expect(of({ evaluations: [{}] })).toMatchObject({ semantic: "execute_all" });
    expect(of({ evaluations: [{}], options: {} })).toMatchObject({ semantic: "execute_all" });
    for (const options of [{ evaluations_semantic: "first" }, { evaluations_semantic: 1 }]) {
      expect(() => of({ evaluations: [{}], options })).toThrow(expect.objectContaining({ code: "INVALID_FIELD" }));
    }
  });

  test("the four top-level keys are defaults, and a key of an evaluation takes the place of the whole default", () => {
    const context = { arguments_sha256: "ab" };
    const own = { name: "write", properties: {} };
    const asked = of({
      subject,
      action,
      context,
      evaluations: [{ resource: { id: "1" } }, { action: own, context: {} }],
    });
    expect(asked).toMatchObject({
      evaluations: [
        { subject, action, context, resource: { id: "1" } },
        { subject, action: own, context: {} },
      ],
    });
  });

  test.for([
    { what: "without evaluations", more: {} },
    { what: "with none in the list", more: { evaluations: [] } },
  ])("a request $what is the request for one", ({ more }) => {
    expect(of({ subject, action, ...more })).toEqual({ kind: "one", evaluation: { subject, action } });
  });
});
