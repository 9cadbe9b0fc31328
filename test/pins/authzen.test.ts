import { expect, test } from "vitest";
import { callOf } from "../../src/api/http/authzen-request.ts";
import { authzenForms } from "../../src/api/http/authzen-routes.ts";

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
