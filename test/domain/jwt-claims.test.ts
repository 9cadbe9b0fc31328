import { describe, expect, test } from "vitest";
import { confirmationOf } from "../../src/domain/confirmation.ts";
import { parseGrant } from "../../src/domain/grant.ts";
import { jwtClaims, jwtHeader } from "../../src/domain/jwt-claims.ts";
import { parseSpiffeId } from "../../src/domain/spiffe-id.ts";
import { addSeconds } from "../../src/domain/time.ts";
import { NOW, STEP } from "../samples/credentials.ts";

const ISSUER = "https://broker.example.org";
const search = "https://mcp.example.org/search";
const files = "https://mcp.example.org/files";

const facts = {
  step: STEP,
  audiences: [search],
  grant: STEP.grant,
  notBefore: addSeconds(NOW, -5),
  expiresAt: addSeconds(NOW, 120),
  jti: "AZq7IF0AAAAAAAAAAAAAAA",
};

test("the claims are pinned, by name, value and order", () => {
  expect(JSON.stringify(jwtClaims(ISSUER, facts), undefined, 1)).toBe(
    JSON.stringify(
      {
        iss: "https://broker.example.org",
        sub: "spiffe://example.org/agent/researcher/run/invoice-2026-11/step/search/2",
        aud: ["https://mcp.example.org/search"],
        iat: 1_795_341_595,
        nbf: 1_795_341_595,
        exp: 1_795_341_720,
        jti: "AZq7IF0AAAAAAAAAAAAAAA",
        client_id: "spiffe://example.org/agent/researcher",
        txn: "invoice-2026-11",
        scope: "mcp:tool:search",
        authorization_details: [
          {
            type: "mcp_tool",
            locations: ["https://mcp.example.org/search"],
            identifier: "search",
            actions: ["read"],
            datatypes: ["internal"],
          },
        ],
        workflow: "invoice",
        run_id: "invoice-2026-11",
        step: "search",
        attempt: 2,
        step_id: "step_019aab20-5d00-7abc-8def-000000000001",
      },
      undefined,
      1,
    ),
  );
});

test("a bound token names what it is bound to, last; any other names nothing", () => {
  expect(jwtClaims(ISSUER, facts)).not.toHaveProperty("cnf");
  const confirmation = confirmationOf("jkt", new Uint8Array(32).fill(7), "cnf");
  const bound = jwtClaims(ISSUER, { ...facts, confirmation });
  expect(Object.entries(bound).at(-1)).toEqual(["cnf", { jkt: "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc" }]);
  expect(() => confirmationOf("x5t#S256", new Uint8Array(31), "wanted.cnf")).toThrow(
    expect.objectContaining({ code: "INVALID_FIELD", metadata: { field: "wanted.cnf" } }),
  );
});

test("the header is pinned: three members, in this order", () => {
  expect(jwtHeader("b18b86ce1389e46de87aa4a5131ce83c1160fa33")).toBe(
    '{"alg":"ES256","kid":"b18b86ce1389e46de87aa4a5131ce83c1160fa33","typ":"JWT"}',
  );
});

describe("what a step has beyond its name", () => {
  test("is said where it has it: its parent, and on whose behalf it works", () => {
    const principal = { iss: "https://login.example.org", sub: "ada", salt: "s", secret: "never told" };
    const claims = jwtClaims(ISSUER, { ...facts, principal, step: { ...STEP, parentStepId: "step_parent" } });
    expect(claims.parent_step_id).toBe("step_parent");
    expect(claims.principal).toEqual({ iss: "https://login.example.org", sub: "ada", salt: "s" });
  });

  test("is absent where it has it not, rather than null", () => {
    const { workflow: _, ...step } = STEP;
    const claims = jwtClaims(ISSUER, { ...facts, step });
    for (const name of ["workflow", "parent_step_id", "principal"]) expect(claims).not.toHaveProperty(name);
  });
});

describe("the grant in a token", () => {
  test("is narrowed to its audience, and its scope names each named tool once and never `*`", () => {
    const claims = jwtClaims(ISSUER, { ...facts, audiences: [files] });
    expect(claims.authorization_details).toEqual([
      { ...STEP.grant[0], locations: [files] },
      { ...STEP.grant[1], locations: [files] },
    ]);
    expect(claims.scope).toBe("mcp:tool:search");
  });

  test("is only what was asked of the step's", () => {
    const claims = jwtClaims(ISSUER, { ...facts, audiences: [files], grant: STEP.grant.slice(1) });
    expect(claims.authorization_details).toHaveLength(1);
    expect(claims).not.toHaveProperty("scope");
  });

  test("is absent at an audience that is not one of its locations", () => {
    const claims = jwtClaims(ISSUER, { ...facts, audiences: ["https://api.example.org"] });
    expect(claims).not.toHaveProperty("scope");
    expect(claims).not.toHaveProperty("authorization_details");
  });

  test("is absent when there are several audiences: one could use at another what was meant for that one", () => {
    const claims = jwtClaims(ISSUER, { ...facts, audiences: [search, files] });
    expect(claims.aud).toEqual([search, files]);
    expect(claims).not.toHaveProperty("scope");
    expect(claims).not.toHaveProperty("authorization_details");
  });
});

test("an agent whose template stands elsewhere is named by all that stands before its run", () => {
  const spiffeId = parseSpiffeId("spiffe://example.org/team/run/agents/researcher/run/r/step/s/1");
  expect(jwtClaims(ISSUER, { ...facts, step: { ...STEP, spiffeId } }).client_id).toBe(
    "spiffe://example.org/team/run/agents/researcher",
  );
});

test("neither a token without an audience nor one of something that is no step can be written", () => {
  expect(() => jwtClaims(ISSUER, { ...facts, audiences: [] })).toThrow(TypeError);
  const spiffeId = parseSpiffeId("spiffe://example.org/agent/researcher");
  expect(() => jwtClaims(ISSUER, { ...facts, step: { ...STEP, spiffeId } })).toThrow(TypeError);
});

test("text of any script comes through as it is", () => {
  const workflow = 'Rechnung "№ 7" \\ 請求';
  const claims = jwtClaims(ISSUER, { ...facts, step: { ...STEP, workflow } });
  expect(JSON.parse(JSON.stringify(claims))).toMatchObject({ workflow });
  expect(parseGrant(JSON.parse(JSON.stringify(claims.authorization_details)), { ceiling: false })).toEqual(
    claims.authorization_details,
  );
});
