import { toJson } from "@bufbuild/protobuf";
import { WatchResponseSchema } from "../../src/gen/stint/v1/revocations_pb.js";
import { bundle, denied, deniedStep, snapshot } from "../sdk/verifier/feed-responses.ts";
import { dpopProof, type Holder, newHolder } from "../verify/proof-forge.ts";
import { AUDIENCE, bundleDocument, ecSigner, ISSUER, type Json, mint, NOW, SUBJECT } from "../verify/token-forge.ts";
import type { GuardCase, GuardFeed, GuardVectors } from "./guard-vectors.ts";

// The cases of test/vectors/guard.json, before their tokens are pinned: what an HTTP client of a guarded server is told.

type Draft = Pick<GuardCase, "name" | "feed" | "request" | "served" | "proof" | "again"> & { readonly is: string };

const own = ecSigner("own");
const stranger = ecSigner("own");
const RESOURCE_PATH = new URL(AUDIENCE).pathname;
const METADATA_PATH = `/.well-known/oauth-protected-resource${RESOURCE_PATH}`;
const BODY_BYTES_MAX = 1_000;

const ELEMENT = {
  type: "mcp_tool",
  locations: [AUDIENCE],
  identifier: "search",
  actions: ["read"],
  datatypes: ["internal"],
};
const lasting: Json = {
  exp: NOW + 3_000,
  authorization_details: [ELEMENT, { ...ELEMENT, identifier: "write", actions: ["write"] }],
};
const bearer = (claims: Json = {}): string => `Bearer ${mint(own, { claims: { ...lasting, ...claims } })}`;
const good = bearer();

const call = (name: unknown, more: Json = {}): Json => ({
  jsonrpc: "2.0",
  id: 7,
  method: "tools/call",
  params: { name, arguments: {} },
  ...more,
});
const MODERN = "2026-07-28";
const meta = { _meta: { "io.modelcontextprotocol/protocolVersion": MODERN } };

type Options = {
  readonly authorization?: string | null;
  readonly headers?: readonly (readonly [string, string])[];
  readonly body?: unknown;
  readonly text?: string;
  readonly type?: string;
  readonly method?: string;
  readonly path?: string;
  readonly feed?: GuardFeed;
  readonly served?: NonNullable<GuardCase["served"]>;
  readonly proof?: "dpop";
  readonly again?: true;
};

/** @param is - the status, and the reason of what is refused. */
function draft(name: string, is: string, options: Options = {}): Draft {
  const {
    authorization = good,
    headers = [],
    type = "application/json",
    method = "POST",
    path = RESOURCE_PATH,
  } = options;
  const text = options.text ?? JSON.stringify(options.body ?? call("search"));
  return {
    name,
    is,
    feed: options.feed ?? "ready",
    ...(options.proof && { proof: options.proof }),
    ...(options.again && { again: options.again }),
    ...(options.served && { served: options.served }),
    request: {
      method,
      path,
      headers: [
        ...(authorization === null ? [] : [["authorization", authorization] as const]),
        ...(method === "POST" ? [["content-type", type] as const] : []),
        ...headers,
      ],
      ...(method === "POST" && { body: text }),
    },
  };
}

const tokens: readonly Draft[] = [
  draft("a call of a granted tool", "200"),
  draft("a step of another run", "200", {
    authorization: bearer({ sub: SUBJECT.replace("/r1/", "/r2/"), run_id: "r2", step_id: "step_other", jti: "other" }),
  }),
  draft("no token", "401 TOKEN_MISSING", { authorization: null }),
  draft("no token, for a tool that the headers name", "401 TOKEN_MISSING", {
    authorization: null,
    headers: [
      ["mcp-method", "tools/call"],
      ["mcp-name", "search"],
    ],
  }),
  draft("no token, for a tool that is not declared", "401 TOKEN_MISSING", {
    authorization: null,
    headers: [
      ["mcp-method", "tools/call"],
      ["mcp-name", "unheard"],
    ],
  }),
  draft("another scheme", "401 TOKEN_MISSING", { authorization: "Basic YTpi" }),
  draft("the scheme of proofs, which are not taken", "401 TOKEN_MISSING", {
    authorization: good.replace("Bearer", "DPoP"),
  }),
  draft("bearer in small letters", "200", { authorization: good.replace("Bearer", "bearer") }),
  draft("two words after Bearer", "400 REQUEST_MALFORMED", { authorization: `${good} x` }),
  draft("nothing after Bearer", "400 REQUEST_MALFORMED", { authorization: "Bearer" }),
  draft("two tokens", "400 REQUEST_MALFORMED", { headers: [["authorization", good]] }),
  draft("no JWT", "401 TOKEN_MALFORMED", { authorization: "Bearer abc" }),
  draft("another's key", "401 SIGNATURE_INVALID", { authorization: `Bearer ${mint(stranger)}` }),
  draft("another audience", "401 AUDIENCE_MISMATCH", { authorization: bearer({ aud: ["https://other.example.org"] }) }),
  draft("an expired token", "401 EXPIRED", {
    authorization: bearer({ iat: NOW - 200, nbf: NOW - 200, exp: NOW - 100 }),
  }),
  draft("a bound token", "401 PROOF_REQUIRED", { authorization: bearer({ cnf: { jkt: "A".repeat(43) } }) }),
  draft("a token of no step", "401 CLAIMS_INVALID", { authorization: bearer({ step_id: undefined }) }),
  draft("a step that has ended", "401 STEP_CLOSED", { feed: "step denied" }),
  draft("a verifier without its feed yet", "503 NOT_READY", { feed: "not ready" }),
  draft("a verifier that has been without its feed for too long", "503 STALE", { feed: "61 s old" }),
  draft("reading, 16 s after the feed", "200", { feed: "16 s old" }),
  draft("writing, 16 s after the feed", "503 STALE", { feed: "16 s old", body: call("write") }),
];

const calls: readonly Draft[] = [
  draft("a tool that the step was not granted", "403 GRANT_EXCEEDED", { body: call("erase") }),
  draft("a tool that is not declared", "200 TOOL_UNDECLARED", { body: call("unheard") }),
  draft("a tool named like a member of objects", "200 TOOL_UNDECLARED", { body: call("constructor") }),
  draft("a call without a name", "400 REQUEST_MALFORMED", { body: call(undefined) }),
  draft("a call of a list", "400 REQUEST_MALFORMED", { body: call(["search"]) }),
  draft("a call without an id", "400 REQUEST_MALFORMED", { body: call("search", { id: undefined }) }),
  draft("a call whose id is a text", "403 GRANT_EXCEEDED", { body: call("erase", { id: 'a"b' }) }),
  draft("another method that is permitted", "200", { body: { jsonrpc: "2.0", id: 7, method: "ping" } }),
  draft("a notification", "200", { body: { jsonrpc: "2.0", method: "notifications/initialized" } }),
  draft("a method that is not permitted", "200 METHOD_REFUSED", {
    body: { jsonrpc: "2.0", id: 7, method: "resources/read" },
  }),
  draft("a notification that is not permitted", "400 METHOD_REFUSED", {
    body: { jsonrpc: "2.0", method: "resources/x" },
  }),
  draft("a method that is not permitted, of the modern protocol", "404 METHOD_REFUSED", {
    body: { jsonrpc: "2.0", id: 7, method: "resources/read", params: meta },
    headers: [["mcp-method", "resources/read"]],
  }),
  draft("another's state", "200 REQUEST_STATE_INVALID", {
    headers: [
      ["mcp-protocol-version", MODERN],
      ["mcp-method", "tools/call"],
      ["mcp-name", "search"],
    ],
    body: call("search", { params: { name: "search", arguments: {}, requestState: "x" } }),
  }),
];

const headers: readonly Draft[] = [
  draft("headers that say what the body says", "200", {
    headers: [
      ["mcp-protocol-version", MODERN],
      ["mcp-method", "tools/call"],
      ["mcp-name", "search"],
    ],
  }),
  draft("a name in Base64", "200", {
    headers: [
      ["mcp-method", "tools/call"],
      ["mcp-name", `=?base64?${Buffer.from("search").toString("base64")}?=`],
    ],
  }),
  draft("a name in bad Base64", "400 HEADER_MISMATCH", { headers: [["mcp-name", "=?base64?c2Vhcm?="]] }),
  draft("a header that names another tool", "400 HEADER_MISMATCH", { headers: [["mcp-name", "erase"]] }),
  draft("a header that names another method", "400 HEADER_MISMATCH", { headers: [["mcp-method", "tools/list"]] }),
  draft("the modern protocol without its headers", "400 HEADER_MISMATCH", {
    headers: [["mcp-protocol-version", MODERN]],
  }),
  draft("the modern protocol without the header of the name", "400 HEADER_MISMATCH", {
    headers: [
      ["mcp-protocol-version", MODERN],
      ["mcp-method", "tools/call"],
    ],
  }),
  draft("the modern protocol by its body alone", "400 HEADER_MISMATCH", {
    body: call("search", { params: { name: "search", ...meta } }),
  }),
  draft("an argument in bad Base64", "400 HEADER_MISMATCH", {
    headers: [
      ["mcp-protocol-version", MODERN],
      ["mcp-method", "tools/call"],
      ["mcp-name", "search"],
      ["mcp-param-query", "=?base64?*?="],
    ],
  }),
];

const bodies: readonly Draft[] = [
  draft("another content type", "415 REQUEST_MALFORMED", { type: "text/plain" }),
  draft("a content type with a parameter", "200", { type: "Application/JSON; charset=utf-8" }),
  draft("a body that is too long", "413 BODY_TOO_LARGE", { text: " ".repeat(BODY_BYTES_MAX + 1) }),
  draft("a body that is no JSON", "400 REQUEST_MALFORMED", { text: "{" }),
  draft("a body with NaN", "400 REQUEST_MALFORMED", { text: '{"jsonrpc":"2.0","id":NaN,"method":"ping"}' }),
  draft("an empty body", "400 REQUEST_MALFORMED", { text: "" }),
  draft("a batch", "400 REQUEST_MALFORMED", { body: [call("search")] }),
  draft("another version of JSON-RPC", "400 REQUEST_MALFORMED", { body: call("search", { jsonrpc: "1.0" }) }),
  draft("an id of null", "400 REQUEST_MALFORMED", { body: call("search", { id: null }) }),
  draft("an id with a fraction", "400 REQUEST_MALFORMED", { body: call("search", { id: 1.5 }) }),
  draft("an id of true", "400 REQUEST_MALFORMED", { body: call("search", { id: true }) }),
  draft("parameters that are a list", "400 REQUEST_MALFORMED", { body: call("search", { params: [] }) }),
  draft("parameters that are null", "400 REQUEST_MALFORMED", { body: call("search", { params: null }) }),
  draft("a response outside a session", "400 REQUEST_MALFORMED", { body: { jsonrpc: "2.0", id: 7, result: {} } }),
  draft("a response with a method", "200", { body: { jsonrpc: "2.0", id: 7, method: "ping", result: {} } }),
];

const LISTED = [{ name: "search", description: "a" }, { name: "erase" }, { name: "unheard" }, { name: 7 }, "search"];
const listOf = (result: Json, more: Json = {}) => ({ jsonrpc: "2.0", id: 7, result, ...more });
const asJson = (body: unknown, headers: Readonly<Record<string, string>> = {}) => ({
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});
const asEvents = (body: string) => ({ headers: { "content-type": "text/event-stream" }, body });
const list: Json = { jsonrpc: "2.0", id: 7, method: "tools/list" };
const counted = bearer({ authorization_details: [{ ...ELEMENT, max_calls: 1 }] });
const anyTool = bearer({ authorization_details: [{ ...ELEMENT, identifier: "*" }] });

/** A step is shown the tools that it may call. */
const lists: readonly Draft[] = [
  draft("a list of tools", "200", { body: list, served: asJson(listOf({ tools: LISTED, nextCursor: "a" })) }),
  draft("a list of tools, for a grant that is counted", "200", {
    body: list,
    authorization: counted,
    served: asJson(listOf({ tools: LISTED })),
  }),
  draft("a list of tools, for a grant of any", "200", {
    body: list,
    authorization: anyTool,
    served: asJson(listOf({ tools: LISTED })),
  }),
  draft("a list of tools, for everybody's caches", "200", {
    body: list,
    served: asJson(listOf({ tools: LISTED, cacheScope: "public" })),
  }),
  draft("a list of tools, of the modern protocol", "200", {
    body: { ...list, params: meta },
    headers: [["mcp-method", "tools/list"]],
    served: asJson(listOf({ tools: LISTED })),
  }),
  draft("a list of tools with a length", "200", {
    body: list,
    served: asJson(listOf({ tools: LISTED }), { "content-length": "184" }),
  }),
  draft("a list of tools that is none", "200", { body: list, served: asJson(listOf({ tools: { search: {} } })) }),
  draft("a list of tools as an event", "200", {
    body: list,
    served: asEvents(
      `: begins\n\nid: 1\ndata:\n\nevent: message\ndata: ${JSON.stringify(listOf({ tools: LISTED }))}\n\n`,
    ),
  }),
  draft("a list of tools as an event of several lines", "200", {
    body: list,
    served: asEvents(`data: {"jsonrpc":"2.0",\r\ndata:"id":7,"result":\rdata: {"tools":[{"name":"erase"}]}}\r\n\r\n`),
  }),
  draft("a list of tools as an event that is cut off", "200", {
    body: list,
    served: asEvents(`data: ${JSON.stringify(listOf({ tools: LISTED }))}\n`),
  }),
  draft("an error in place of a list of tools", "200 OF_THE_SERVER", {
    body: list,
    served: asJson({
      jsonrpc: "2.0",
      id: 7,
      error: { code: -32_602, message: "no", data: { reason: "OF_THE_SERVER", tools: LISTED } },
    }),
  }),
  draft("a list of tools in the answer to something else", "200", { served: asJson(listOf({ tools: LISTED })) }),
];

const holder = await newHolder();
const stranded = await newHolder();
const p384 = await newHolder("P-384");
const rsa = await newHolder("RSA");
const boundTo = ({ jkt }: Holder, claims: Json = {}) => mint(own, { claims: { ...lasting, cnf: { jkt }, ...claims } });
const bound = boundTo(holder);
const unbound = good.replace("Bearer ", "");

type Proof = Omit<Options, "text"> & {
  readonly claims?: Json;
  readonly header?: Json;
  readonly by?: Holder;
  readonly token?: string;
  readonly scheme?: string;
  /** In place of the proof; `null`: none. */
  readonly text?: string | null;
};

async function proved(name: string, is: string, given: Proof = {}): Promise<Draft> {
  const { claims = {}, header = {}, by = holder, token = bound, scheme = "DPoP", text, ...options } = given;
  const proof = text === undefined ? await dpopProof(by, token, { claims, header }) : text;
  return draft(name, is, {
    ...options,
    proof: "dpop",
    authorization: options.authorization === undefined ? `${scheme} ${token}` : options.authorization,
    headers: [...(proof === null ? [] : [["dpop", proof] as const]), ...(options.headers ?? [])],
  });
}

const [proofHeader, proofClaims] = (await dpopProof(holder, bound)).split(".");
const [, , foreignSignature] = (await dpopProof(stranded, bound)).split(".");
const INVALID = "401 PROOF_INVALID";

/** Tokens that are bound to a key, and the proofs of it. */
const proofs: readonly Draft[] = await Promise.all([
  proved("a bound token with the proof of its key", "200"),
  proved("the same by a key on P-384", "200", { by: p384, token: boundTo(p384), header: { alg: "ES384" } }),
  proved("the same by an RSA key", "200", { by: rsa, token: boundTo(rsa), header: { alg: "PS256" } }),
  proved("the same proof again", "401 PROOF_REPLAYED", { again: true }),
  proved("a bound token as a bearer token, where proofs are taken", "401 PROOF_REQUIRED", { scheme: "Bearer" }),
  proved("a bearer token, where proofs are taken", "200", { token: unbound, scheme: "Bearer", text: null }),
  proved("a bearer token beside a proof that is not looked at", "200", { token: unbound, scheme: "Bearer", text: "x" }),
  proved("no token, where proofs are taken", "401 TOKEN_MISSING", { authorization: null, text: null }),
  proved("two tokens of two schemes", "400 REQUEST_MALFORMED", { headers: [["authorization", good]] }),
  proved("a bearer token as one with a proof", "401 PROOF_MISMATCH", { token: unbound }),
  proved("the proof of another key", "401 PROOF_MISMATCH", { by: stranded }),
  proved("a token with no proof", INVALID, { text: null }),
  proved("a proof that is empty", INVALID, { text: "" }),
  proved("a proof that is none", INVALID, { text: "x" }),
  proved("two proofs", INVALID, { headers: [["dpop", "x"]] }),
  proved("a proof with another's signature", INVALID, { text: `${proofHeader}.${proofClaims}.${foreignSignature}` }),
  proved("a proof of type JWT", INVALID, { header: { typ: "JWT" } }),
  proved("a proof without a key", INVALID, { header: { jwk: undefined } }),
  proved("a proof with a key for another algorithm", INVALID, { header: { jwk: p384.jwk } }),
  proved("a proof that shows its private key", INVALID, {
    header: { jwk: { ...holder.jwk, d: "AAAA" } },
  }),
  proved("a proof with another parameter", "200", { header: { x: 1 } }),
  proved("a proof for another method", INVALID, { claims: { htm: "GET" } }),
  proved("a proof for a method in small letters", INVALID, { claims: { htm: "post" } }),
  proved("a proof for another path", INVALID, { claims: { htu: `${AUDIENCE}/other` } }),
  proved("a proof for another host", INVALID, { claims: { htu: AUDIENCE.replace("mcp", "evil") } }),
  proved("a proof for another scheme", INVALID, { claims: { htu: AUDIENCE.replace("https", "http") } }),
  proved("a proof for another port", INVALID, { claims: { htu: AUDIENCE.replace(".org", ".org:8443") } }),
  proved("a proof with a query", INVALID, { claims: { htu: `${AUDIENCE}?a=b` } }),
  proved("a proof with a fragment", INVALID, { claims: { htu: `${AUDIENCE}#a` } }),
  proved("a proof with a user", INVALID, { claims: { htu: AUDIENCE.replace("//", "//user@") } }),
  proved("a proof with a trailing slash", INVALID, { claims: { htu: `${AUDIENCE}/` } }),
  proved("a proof with a backslash", INVALID, { claims: { htu: AUDIENCE.replace("/tools", "\\tools") } }),
  proved("a proof with half of an escape", INVALID, { claims: { htu: `${AUDIENCE}%2` } }),
  proved("a proof for a list of URIs", INVALID, { claims: { htu: [AUDIENCE] } }),
  proved("a proof for the URI in other letters", "200", { claims: { htu: "HTTPS://MCP.example.ORG:443/tools" } }),
  proved("a proof for the URI with a needless escape", "200", { claims: { htu: AUDIENCE.replace("/t", "/%74") } }),
  proved("a proof for the URI with dot segments", "200", { claims: { htu: AUDIENCE.replace("/t", "/a/./../t") } }),
  proved("a proof of a request with a query", "200", { path: `${RESOURCE_PATH}?a=b` }),
  proved("a proof for another token", INVALID, { claims: { ath: "x" } }),
  proved("a proof that is 60 s old", "200", { claims: { iat: NOW - 60 } }),
  proved("a proof that is 61 s old", INVALID, { claims: { iat: NOW - 61 } }),
  proved("a proof 5 s ahead", "200", { claims: { iat: NOW + 5 } }),
  proved("a proof 6 s ahead", INVALID, { claims: { iat: NOW + 6 } }),
  proved("a proof whose time is a text", INVALID, { claims: { iat: String(NOW) } }),
  proved("a proof without a jti", INVALID, { claims: { jti: undefined } }),
  proved("a proof with a jti of 257 characters", INVALID, { claims: { jti: "x".repeat(257) } }),
  proved("a proof for a token that has expired", "401 EXPIRED", {
    token: boundTo(holder, { iat: NOW - 200, nbf: NOW - 200, exp: NOW - 100 }),
  }),
  proved("a proof for a call that was not granted", "403 GRANT_EXCEEDED", { body: call("erase") }),
  proved("a proof for a step that has ended", "401 STEP_CLOSED", { feed: "step denied" }),
]);

const others: readonly Draft[] = [
  draft("a stream without a session", "405 HTTP_METHOD_REFUSED", { method: "GET" }),
  draft("another method of HTTP", "405 HTTP_METHOD_REFUSED", { method: "PUT" }),
  draft("a session that nobody has opened", "404 SESSION_NOT_FOUND", { headers: [["mcp-session-id", "s1"]] }),
  draft("a stream of a session that nobody has opened", "404 SESSION_NOT_FOUND", {
    method: "GET",
    headers: [["mcp-session-id", "s1"]],
  }),
  draft("a session in the modern protocol, which has none", "200", {
    headers: [
      ["mcp-session-id", "s1"],
      ["mcp-protocol-version", MODERN],
      ["mcp-method", "tools/call"],
      ["mcp-name", "search"],
    ],
  }),
  draft("the metadata, without a token", "200", { method: "GET", path: METADATA_PATH, authorization: null }),
  draft("the metadata by another method", "405", { method: "PUT", path: METADATA_PATH, authorization: null }),
];

export const GUARD_DRAFTS: readonly Draft[] = [
  ...tokens,
  ...calls,
  ...headers,
  ...bodies,
  ...lists,
  ...proofs,
  ...others,
];

export const GUARD_FRAME: Omit<GuardVectors, "cases"> = {
  about: [
    "What an HTTP client of a guarded MCP server is told, whatever the guard's language: status, headers and JSON body. The guard takes bearer tokens alone (`proof: none` in TypeScript), but where a case says `proof: dpop` (`proof: accepted`, `proofKinds: [dpop]`).",
    "Behind it is an application that answers everything with status 200 and a JSON-RPC result, or with what is `served`; `feed` says how it stands with the verifier.",
    "Written by `WRITE_VECTORS=1 npx vitest run test/clients/guard-vectors.test.ts` from test/clients/guard-cases.ts; the private keys were kept nowhere.",
  ],
  now_ms: NOW * 1_000,
  resource: AUDIENCE,
  issuer: ISSUER,
  tools: {
    search: { actions: ["read"], datatypes: ["internal"] },
    write: { actions: ["write"], datatypes: ["internal"] },
    erase: { actions: ["write"], datatypes: ["internal", "restricted"] },
  },
  max_body_bytes: BODY_BYTES_MAX,
  messages: {
    snapshot: toJson(WatchResponseSchema, snapshot([], "c1")),
    bundle: toJson(WatchResponseSchema, bundle(bundleDocument(own), { issuer: ISSUER })),
    denied: toJson(WatchResponseSchema, denied([deniedStep("step_0190a5f2", SUBJECT)], "d1")),
  },
};
