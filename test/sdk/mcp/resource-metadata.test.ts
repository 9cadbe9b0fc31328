import { requireBearerAuth } from "@modelcontextprotocol/server";
import { describe, expect, onTestFinished, test } from "vitest";
import { createMcpGuard, type McpGuardOptions } from "../../../src/sdk/mcp/index.ts";
import { createVerifier } from "../../../src/sdk/verifier/index.ts";
import { manualClock } from "../verifier/manual-clock.ts";
import { scriptedBroker } from "../verifier/scripted-broker.ts";
import { guardedServer, ISSUER, STEP_ID } from "./scene.ts";

const ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

describe("the metadata of a protected resource", () => {
  test("is where RFC 9728 puts it, names the issuer, and needs no token", async () => {
    const { resource, guard } = await guardedServer({ resourceName: "Search" });
    const { origin } = new URL(resource);
    expect(guard.metadataPath).toBe("/.well-known/oauth-protected-resource/mcp");
    const response = await fetch(`${origin}${guard.metadataPath}`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("cache-control")).toBe("public, max-age=600");
    expect(await response.json()).toEqual({
      resource,
      authorization_servers: [ISSUER],
      bearer_methods_supported: ["header"],
      scopes_supported: ["mcp:tool:search", "mcp:tool:wait", "mcp:tool:stream", "mcp:tool:erase"],
      authorization_details_types_supported: ["mcp_tool"],
      dpop_signing_alg_values_supported: ALGORITHMS,
      resource_name: "Search",
    });
    expect(await (await fetch(`${origin}${guard.metadataPath}`, { method: "HEAD" })).text()).toBe("");
    const post = await fetch(`${origin}${guard.metadataPath}`, { method: "POST", body: "{}" });
    expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test.for([
    { resource: "https://mcp.example.com", path: "/.well-known/oauth-protected-resource" },
    { resource: "https://mcp.example.com/a/b?c=d", path: "/.well-known/oauth-protected-resource/a/b" },
  ])("of $resource is at $path", async ({ resource, path }) => {
    const broker = await scriptedBroker();
    const verifier = createVerifier({ endpoint: broker.socket, audiences: [resource] });
    onTestFinished(() => verifier.close());
    expect(createMcpGuard({ verifier, resource, issuer: ISSUER, tools: {} }).metadataPath).toBe(path);
  });
});

describe("the metadata about proofs", () => {
  test.for([
    { proof: "none", says: {} },
    { proof: "accepted", says: { dpop_signing_alg_values_supported: ALGORITHMS, tls: true } },
    { proof: "required", says: { dpop_signing_alg_values_supported: ALGORITHMS, tls: true } },
    {
      proof: "required",
      proofKinds: ["dpop"],
      says: { dpop_signing_alg_values_supported: ALGORITHMS, dpop_bound_access_tokens_required: true },
    },
    { proof: "accepted", proofKinds: ["dpop"], says: { dpop_signing_alg_values_supported: ALGORITHMS } },
    { proof: "required", proofKinds: ["mtls"], says: { tls: true } },
    { proof: "required", proofKinds: ["wpt"], says: {} },
  ] as const)("with proof $proof and $proofKinds", async ({ proof, says, ...kinds }) => {
    const broker = await scriptedBroker();
    const resource = "https://mcp.example.com/mcp";
    const verifier = createVerifier({ endpoint: broker.socket, audiences: [resource] });
    onTestFinished(() => verifier.close());
    const { metadata } = createMcpGuard({ verifier, resource, issuer: ISSUER, tools: {}, proof, ...kinds });
    const { tls, ...rest } = { tls: undefined, ...says };
    expect(
      Object.fromEntries(
        Object.entries(metadata).filter(([name]) => name.startsWith("dpop") || name.startsWith("tls")),
      ),
    ).toEqual({ ...rest, ...(tls && { tls_client_certificate_bound_access_tokens: true }) });
  });
});

describe("a guard", () => {
  test.for([
    {
      why: "a resource that is not canonical",
      options: { resource: "https://mcp.example.com/mcp/" },
      field: "resource",
    },
    {
      why: "a resource that its verifier does not watch",
      options: { resource: "https://mcp.example.com/mcp" },
      field: "audience",
    },
    { why: "an issuer that is no URL", options: { issuer: "stint" }, field: "issuer" },
    {
      why: "an action that there is not",
      options: { tools: { search: { actions: ["look"], datatypes: ["internal"] } } },
      field: "tools.search",
    },
    {
      why: "a tool that does nothing",
      options: { tools: { search: { actions: [], datatypes: ["internal"] } } },
      field: "tools.search",
    },
    {
      why: "a tool for everything",
      options: { tools: { "*": { actions: ["read"], datatypes: ["internal"] } } },
      field: "tools",
    },
    {
      why: "a tool whose name would break a header",
      options: { tools: { 'a" b': { actions: ["read"], datatypes: ["internal"] } } },
      field: 'tools.a" b',
    },
    { why: "calls past the tool map", options: { otherMethods: ["tools/*"] }, field: "otherMethods" },
    { why: "calls beside the tool map", options: { otherMethods: ["tools/call"] }, field: "otherMethods" },
    { why: "everything", options: { otherMethods: ["*"] }, field: "otherMethods" },
    { why: "a kind of proof that there is not", options: { proofKinds: ["hope"] }, field: "proofKinds" },
    { why: "no kind of proof", options: { proofKinds: [] }, field: "proofKinds" },
    { why: "certificates where there is no TLS", options: { proofKinds: ["mtls"] }, field: "proofKinds" },
    { why: "no body at all", options: { maxBodyBytes: 0 }, field: "maxBodyBytes" },
  ])("is not made with $why", async ({ options, field }) => {
    const { verifier, resource } = await guardedServer();
    const good = { verifier, resource, issuer: ISSUER, tools: {} };
    const act = () => createMcpGuard({ ...good, ...options } as McpGuardOptions);
    expect(act).toThrow(expect.objectContaining({ code: "INVALID_FIELD", metadata: { field } }));
  });
});

describe("the token verifier, behind the MCP SDK's own middleware", () => {
  const requestWith = (token: string) =>
    new Request("https://mcp.example.com/mcp", { headers: { authorization: `Bearer ${token}` } });

  test("tells the SDK who calls, and for which resource", async () => {
    const scene = await guardedServer();
    const gate = requireBearerAuth({ verifier: scene.guard, expectedResource: new URL(scene.resource) });
    const exp = Math.floor(Date.now() / 1_000) + 60;
    expect(await gate(requestWith(scene.token({ exp })))).toEqual({
      token: "",
      clientId: "spiffe://example.org/agent/researcher",
      scopes: ["mcp:tool:search"],
      expiresAt: exp,
      resource: new URL(scene.resource),
      resourceMetadataUrl: `${new URL(scene.resource).origin}${scene.guard.metadataPath}`,
      extra: {
        spiffeId: "spiffe://example.org/agent/researcher/run/r1/step/search/1",
        step: expect.objectContaining({ stepId: STEP_ID }),
        jti: "AYh5t0Zk3Ez8yB8n2mRkQw",
      },
    });
  });

  test("makes it answer 401 to a token that does not hold, and 500 when it cannot tell", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    const gate = requireBearerAuth({ verifier: scene.guard });
    const answer = async (token: string) => {
      const response = (await gate(requestWith(token))) as Response;
      return [response.status, await response.json()];
    };
    expect(await answer(scene.foreignToken())).toEqual([
      401,
      { error: "invalid_token", error_description: "the signature does not hold" },
    ]);
    await scene.endStep();
    expect(await answer(scene.token())).toEqual([
      401,
      { error: "invalid_token", error_description: "the step has ended" },
    ]);
    scene.silence();
    clock.advance(61_000);
    expect(await answer(scene.token())).toEqual([
      500,
      { error: "server_error", error_description: "the revocations known to the verifier are out of date" },
    ]);
  });
});
