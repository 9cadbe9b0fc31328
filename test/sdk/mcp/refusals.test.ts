import { request as httpRequest } from "node:http";
import { describe, expect, test, vi } from "vitest";
import { manualClock } from "../verifier/manual-clock.ts";
import { guardedServer, type Scene, searchGrant } from "./scene.ts";

// What a client sees of a refusal, literally: other people's clients act on every word of it.

const CALL = { jsonrpc: "2.0", id: 7, method: "tools/call", params: { name: "search", arguments: {} } };

function callOf(name: unknown): object {
  return { ...CALL, params: { name, arguments: {} } };
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Status, challenge and body of an answer, with the resource's own URLs replaced. */
async function answerOf({ resource }: Scene, response: Response) {
  const { origin } = new URL(resource);
  const challenge = response.headers.get("www-authenticate")?.replaceAll(origin, "<origin>");
  const text = (await response.text()).replaceAll(origin, "<origin>");
  return { status: response.status, challenge, body: text === "" ? undefined : JSON.parse(text) };
}

/** What a call of `erase` would take. */
const ERASE = {
  type: "mcp_tool",
  locations: ["<origin>/mcp"],
  identifier: "erase",
  actions: ["write"],
  datatypes: ["internal"],
};

const METADATA = `resource_metadata="<origin>/.well-known/oauth-protected-resource/mcp"`;

const ALGORITHMS = "ES256 ES384 ES512 RS256 RS384 RS512 PS256 PS384 PS512";
const OR_OTHERS = `DPoP algs="${ALGORITHMS}", ${METADATA}, WPT`;

function refused(id: number | null, message: string, data: object, code = -32010) {
  return { jsonrpc: "2.0", id, error: { code, message, data } };
}

describe("a request that is refused for its token", () => {
  test.for([
    {
      without: "a token",
      headers: () => ({}),
      status: 401,
      challenge: `Bearer ${METADATA}, ${OR_OTHERS}`,
      body: refused(null, "a token is required", { reason: "TOKEN_MISSING" }),
    },
    {
      without: "a token, for a tool that its headers name",
      headers: () => ({ "mcp-method": "tools/call", "mcp-name": "search" }),
      status: 401,
      challenge: `Bearer scope="mcp:tool:search", ${METADATA}, DPoP scope="mcp:tool:search", algs="${ALGORITHMS}", ${METADATA}, WPT`,
      body: refused(null, "a token is required", { reason: "TOKEN_MISSING" }),
    },
    {
      without: "a scheme that there is",
      headers: ({ token }: Scene) => ({ authorization: `Basic ${token()}` }),
      status: 401,
      challenge: `Bearer ${METADATA}, ${OR_OTHERS}`,
      body: refused(null, "a token is required", { reason: "TOKEN_MISSING" }),
    },
    {
      without: "a well-formed header",
      headers: ({ token }: Scene) => ({ authorization: `Bearer ${token()} x` }),
      status: 400,
      challenge: `Bearer error="invalid_request", error_description="REQUEST_MALFORMED: the Authorization header must be one token: Bearer, DPoP or WPT", ${METADATA}`,
      body: refused(null, "the Authorization header must be one token: Bearer, DPoP or WPT", {
        reason: "REQUEST_MALFORMED",
      }),
    },
    {
      without: "a JWT",
      headers: () => bearer("abc"),
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="TOKEN_MALFORMED: not a JWT-SVID: expected three base64url parts joined by dots", ${METADATA}`,
      body: refused(null, "not a JWT-SVID: expected three base64url parts joined by dots", {
        reason: "TOKEN_MALFORMED",
      }),
    },
    {
      without: "a signature of the trust domain",
      headers: ({ foreignToken }: Scene) => bearer(foreignToken()),
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="SIGNATURE_INVALID: the signature does not hold", ${METADATA}`,
      body: refused(null, "the signature does not hold", { reason: "SIGNATURE_INVALID" }),
    },
    {
      without: "its audience",
      headers: ({ token }: Scene) => bearer(token({ aud: ["https://other.example.com/mcp"] })),
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="AUDIENCE_MISMATCH: the token is for another audience", ${METADATA}`,
      body: refused(null, "the token is for another audience", { reason: "AUDIENCE_MISMATCH" }),
    },
    {
      without: "time left",
      headers: ({ token }: Scene) => bearer(token({ iat: 1_700_000_000, nbf: 1_700_000_000, exp: 1_700_000_120 })),
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="EXPIRED: the token has expired", ${METADATA}`,
      body: refused(null, "the token has expired", { reason: "EXPIRED" }),
    },
    {
      without: "the proof that its token asks for",
      headers: ({ token }: Scene) => bearer(token({ cnf: { jkt: "A".repeat(43) } })),
      status: 401,
      challenge: `DPoP error="invalid_token", error_description="PROOF_REQUIRED: the token is bound to a key: a DPoP proof of it is required", algs="${ALGORITHMS}", ${METADATA}`,
      body: refused(null, "the token is bound to a key: a DPoP proof of it is required", { reason: "PROOF_REQUIRED" }),
    },
  ])("without $without is answered $status", async ({ headers, ...expected }) => {
    const scene = await guardedServer();
    const response = await scene.post(CALL, headers(scene));
    expect(response.headers.get("cache-control")).toBe("no-store");
    const { without, ...pinned } = expected;
    expect(await answerOf(scene, response), without).toEqual(pinned);
    expect(scene.calls).toEqual([]);
  });

  test("of a step that has ended is answered 401 with the state", async () => {
    const scene = await guardedServer();
    await scene.endStep();
    expect(await answerOf(scene, await scene.post(CALL, bearer(scene.token())))).toEqual({
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="STEP_CLOSED: the step has ended", ${METADATA}`,
      body: refused(null, "the step has ended", { reason: "STEP_CLOSED", state: "COMPLETED" }),
    });
  });

  test("in the query is not seen", async () => {
    const scene = await guardedServer();
    const response = await fetch(`${scene.resource}?access_token=${scene.token()}`, {
      method: "POST",
      body: JSON.stringify(CALL),
    });
    expect(response.status).toBe(401);
  });

  test("with two Authorization headers is answered 400, whichever of them would do", async () => {
    const scene = await guardedServer();
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = ["authorization", `Bearer ${scene.token()}`, "authorization", "Bearer other"];
      const { host } = new URL(scene.resource);
      const request = httpRequest(scene.resource, { method: "POST", headers: ["host", host, ...headers] });
      request.on("response", (response) => resolve(response.resume().statusCode));
      request.on("error", reject).end(JSON.stringify(CALL));
    });
    expect(status).toBe(400);
  });
});

describe("a request that is refused for what it asks", () => {
  test.for([
    {
      what: "a tool outside the grant",
      message: callOf("erase"),
      status: 403,
      challenge: `Bearer error="insufficient_scope", error_description="GRANT_EXCEEDED: the grant of the step does not permit this, which takes a step that was opened for it (refused: erase at <origin>/mcp to write of internal)", scope="mcp:tool:erase", ${METADATA}`,
      body: refused(7, "the grant of the step does not permit this, which takes a step that was opened for it", {
        reason: "GRANT_EXCEEDED",
        refused: [ERASE],
        authorization: {
          reason: "insufficient_authorization",
          remediationHints: [{ type: "oauth_authorization_details", authorization_details: [ERASE] }],
        },
      }),
    },
    {
      what: "a tool that the server has and the tool map has not",
      message: callOf("hidden"),
      status: 200,
      challenge: undefined,
      body: refused(7, "the tool is not one that this server permits", { reason: "TOOL_UNDECLARED" }, -32602),
    },
    {
      what: "a tool named like a member that every object has",
      message: callOf("constructor"),
      status: 200,
      challenge: undefined,
      body: refused(7, "the tool is not one that this server permits", { reason: "TOOL_UNDECLARED" }, -32602),
    },
    {
      what: "a method that is not listed",
      message: { ...CALL, method: "resources/read", params: { uri: "file:///etc/passwd" } },
      status: 200,
      challenge: undefined,
      body: refused(7, "the method is not one that this server permits", { reason: "METHOD_REFUSED" }, -32601),
    },
    {
      what: "a call without a tool",
      message: callOf(["search"]),
      status: 400,
      challenge: undefined,
      body: refused(7, "tools/call must be a request that names its tool", { reason: "REQUEST_MALFORMED" }, -32600),
    },
    {
      what: "a call as a notification",
      message: { ...CALL, id: undefined },
      status: 400,
      challenge: undefined,
      body: refused(null, "tools/call must be a request that names its tool", { reason: "REQUEST_MALFORMED" }, -32600),
    },
    {
      what: "a batch",
      message: [CALL],
      status: 400,
      challenge: undefined,
      body: refused(null, "the body must be a single JSON-RPC message", { reason: "REQUEST_MALFORMED" }, -32600),
    },
    {
      what: "a response outside of a session",
      message: { jsonrpc: "2.0", id: 7, result: {} },
      status: 400,
      challenge: undefined,
      body: refused(
        null,
        "a JSON-RPC response must be sent in the session in which it was asked for",
        { reason: "REQUEST_MALFORMED" },
        -32600,
      ),
    },
    {
      what: "what is not JSON",
      message: "{",
      status: 400,
      challenge: undefined,
      body: refused(null, "the body is not JSON", { reason: "REQUEST_MALFORMED" }, -32700),
    },
    {
      what: "another content type",
      message: CALL,
      headers: { "content-type": "text/plain" },
      status: 415,
      challenge: undefined,
      body: refused(null, "the content type must be application/json", { reason: "REQUEST_MALFORMED" }, -32600),
    },
    {
      what: "another method in the header than in the body",
      message: callOf("search"),
      headers: { "mcp-method": "tools/list" },
      status: 400,
      challenge: undefined,
      body: refused(7, "the header Mcp-Method must be the method of the body", { reason: "HEADER_MISMATCH" }, -32020),
    },
    {
      what: "another tool in the header than in the body",
      message: callOf("search"),
      headers: { "mcp-method": "tools/call", "mcp-name": "erase" },
      status: 400,
      challenge: undefined,
      body: refused(
        7,
        "the header Mcp-Name must be the name of the tool in the body",
        { reason: "HEADER_MISMATCH" },
        -32020,
      ),
    },
    {
      what: "no tool in the header where the protocol asks for it",
      message: callOf("search"),
      headers: { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call" },
      status: 400,
      challenge: undefined,
      body: refused(
        7,
        "the header Mcp-Name must be the name of the tool in the body",
        { reason: "HEADER_MISMATCH" },
        -32020,
      ),
    },
  ])("$what is answered $status", async ({ message, headers = {}, status, challenge, body }) => {
    const scene = await guardedServer();
    const response = await scene.post(message, { ...bearer(scene.token()), ...headers });
    expect(await answerOf(scene, response)).toEqual({ status, challenge, body });
    expect(scene.calls).toEqual([]);
  });

  test("a body that is too long is answered 413", async () => {
    const scene = await guardedServer({ maxBodyBytes: 100 });
    expect(await answerOf(scene, await scene.post("x".repeat(101), bearer(scene.token())))).toEqual({
      status: 413,
      challenge: undefined,
      body: refused(null, "the body must be at most 100 bytes", { reason: "BODY_TOO_LARGE" }, -32600),
    });
  });

  test("GET, for a stream of no call's, is answered 405", async () => {
    const scene = await guardedServer();
    const response = await fetch(scene.resource, { headers: bearer(scene.token()) });
    expect(response.headers.get("allow")).toBe("POST");
    expect(await answerOf(scene, response)).toEqual({
      status: 405,
      challenge: undefined,
      body: refused(
        null,
        "only POST is served, and in a session GET and DELETE",
        { reason: "HTTP_METHOD_REFUSED" },
        -32600,
      ),
    });
  });
});

describe("a fault of the guard's own", () => {
  test("is answered 500 without a word of it, and told to the server's operator", async () => {
    const faults: unknown[] = [];
    const scene = await guardedServer({ onError: (thrown) => faults.push(thrown) });
    const fault = new TypeError("a secret");
    vi.spyOn(scene.verifier, "authorize").mockImplementation(() => {
      throw fault;
    });
    expect(await answerOf(scene, await scene.post(CALL, bearer(scene.token())))).toEqual({
      status: 500,
      challenge: undefined,
      body: refused(7, "internal error", { reason: "INTERNAL" }, -32603),
    });
    expect(faults).toEqual([fault]);
    expect(scene.calls).toEqual([]);
  });
});

describe("a verifier that cannot tell", () => {
  test("is answered 503 with when to come back, and no challenge: a new token would not help", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    scene.silence();
    clock.suspend(61_000);
    const response = await scene.post(CALL, bearer(scene.token()));
    expect(response.headers.get("retry-after")).toBe("2");
    expect(await answerOf(scene, response)).toEqual({
      status: 503,
      challenge: undefined,
      body: refused(null, "the revocations known to the verifier are out of date", { reason: "STALE" }),
    });
  });

  test("refuses a call that writes sooner than one that reads", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    const details = [
      ...(searchGrant(scene.resource)["authorization_details"] as object[]),
      {
        type: "mcp_tool",
        locations: [scene.resource],
        identifier: "erase",
        actions: ["write"],
        datatypes: ["internal"],
      },
    ];
    const token = scene.token({ authorization_details: details, exp: Math.floor(Date.now() / 1_000) + 300 });
    scene.silence();
    clock.advance(20_000);
    expect((await scene.post(CALL, bearer(token))).status).toBe(200);
    expect((await scene.post(callOf("erase"), bearer(token))).status).toBe(503);
  });

  test("stops a call that is under way", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    const begun = scene.called();
    const answer = scene.post(callOf("wait"), bearer(scene.token()));
    const context = await begun;
    scene.silence();
    clock.suspend(61_000);
    const text = await (await answer).text();
    expect(text).toContain('"reason":"STALE"');
    await vi.waitFor(() => expect(context.mcpReq.signal.aborted).toBe(true));
  });
});

describe("a call that is under way when its step ends", () => {
  const stopped = refused(7, "the step has ended", { reason: "STEP_CLOSED", state: "COMPLETED" });

  test("is answered 401 where no answer has begun", async () => {
    const scene = await guardedServer();
    const begun = scene.called();
    const params = {
      name: "wait",
      arguments: {},
      _meta: {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { name: "test", version: "1" },
      },
    };
    const headers = {
      ...bearer(scene.token()),
      "mcp-protocol-version": "2026-07-28",
      "mcp-method": "tools/call",
      "mcp-name": "wait",
    };
    const answer = scene.post({ ...CALL, params }, headers);
    await begun;
    await scene.endStep();
    expect(await answerOf(scene, await answer)).toEqual({
      status: 401,
      challenge: `Bearer error="invalid_token", error_description="STEP_CLOSED: the step has ended", scope="mcp:tool:wait", ${METADATA}`,
      body: stopped,
    });
  });

  test("ends with the error as its last event where a stream has begun", async () => {
    const scene = await guardedServer();
    const begun = scene.called();
    const response = await scene.post(callOf("stream"), bearer(scene.token()));
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    await begun;
    await scene.endStep();
    const events = (await response.text()).split("\n\n").filter((event) => event !== "");
    expect(events[0]).toContain("notifications/progress");
    expect(events.at(-1)).toBe(`event: message\ndata: ${JSON.stringify(stopped)}`);
  });

  test("goes on past the expiry of its token, which was for calling", async () => {
    const clock = manualClock(Date.now());
    const scene = await guardedServer({ clock });
    const begun = scene.called();
    const answer = scene.post(callOf("wait"), bearer(scene.token({ exp: Math.floor(Date.now() / 1_000) + 1 })));
    const context = await begun;
    const looks = vi.spyOn(scene.verifier, "authorize");
    clock.advance(10_000);
    await vi.waitFor(() => expect(looks.mock.settledResults.length).toBeGreaterThanOrEqual(2), { timeout: 10_000 });
    expect(looks.mock.results[0]).toMatchObject({ type: "throw", value: { code: "EXPIRED" } });
    expect(context.mcpReq.signal.aborted).toBe(false);
    await scene.endStep();
    expect(await (await answer).text()).toContain("STEP_CLOSED");
  });

  test("is over for the handler too when its caller goes away", async () => {
    const scene = await guardedServer();
    const begun = scene.called();
    const caller = new AbortController();
    const headers = {
      ...bearer(scene.token()),
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    const answer = fetch(scene.resource, {
      method: "POST",
      headers,
      body: JSON.stringify(callOf("wait")),
      signal: caller.signal,
    }).then((response) => response.text());
    const context = await begun;
    caller.abort();
    await expect(answer).rejects.toThrow();
    await vi.waitFor(() => expect(context.mcpReq.signal.aborted).toBe(true));
  });
});
