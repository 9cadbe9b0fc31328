import type { AuthInfo } from "@modelcontextprotocol/server";
import { VerificationError, type VerifiedStep } from "../verifier/index.ts";
import { authInfoOf, createTokenVerifier } from "./auth-info.ts";
import { authorizeMessage, type Permit, scopeByHeaders } from "./authorize-message.ts";
import { bearerTokenOf } from "./bearer-token.ts";
import { guardSettingsOf, type McpGuardOptions, type McpGuardSettings, scopeOfTool } from "./guard-settings.ts";
import { type JsonRpcMessage, readMessage } from "./json-rpc-message.ts";
import { createNodeListener, type NodeListener } from "./node-listener.ts";
import { errorMessageOf, REFUSAL_CODES, type Refusal, refusal, refusalOf, responseOf } from "./refusal.ts";
import { metadataResponse, type ProtectedResourceMetadata, resourceMetadataOf } from "./resource-metadata.ts";
import { serveWhileOpen } from "./serve-while-open.ts";

/** What is behind the guard; `createMcpHandler(…).fetch` is one. */
export type McpFetch = (
  request: Request,
  options: { readonly authInfo: AuthInfo; readonly parsedBody: unknown },
) => Promise<Response>;

export type McpGuard = {
  /**
   * Serves one HTTP request: the resource's metadata, a refusal, or what `handler` answers for a message that its step
   * may send. The handler gets the request without its token, and a signal that aborts when the step ends.
   *
   * @param given.parsedBody - the body, where something before has parsed it.
   * @throws what the handler throws
   */
  fetch(request: Request, handler: McpFetch, given?: { readonly parsedBody?: unknown }): Promise<Response>;
  /** The same as a listener for `node:http` and a handler for Express; takes `req.body` where that is parsed. */
  listener(handler: McpFetch): NodeListener;
  /** For the MCP SDK's bearer middleware, where the guard itself cannot stand in front; see `createTokenVerifier`. */
  verifyAccessToken(token: string): Promise<AuthInfo>;
  readonly metadata: ProtectedResourceMetadata;
  /** Where `fetch` serves the metadata: requests for this path must reach it too. */
  readonly metadataPath: string;
};

/**
 * Stands in front of an MCP server: every request must bring the JWT-SVID of an open step for this resource, calls only
 * tools that the step was granted, and is stopped when the step ends. What it cannot decide it refuses.
 *
 * @throws BrokerError INVALID_FIELD
 * @see MCP authorization, RFC 6750, RFC 9728
 */
export function createMcpGuard(options: McpGuardOptions): McpGuard {
  const settings = guardSettingsOf(options);
  const guard: McpGuard = {
    async fetch(request, handler, given = {}) {
      return metadataResponse(settings, request) ?? guardRequest(settings, request, handler, given.parsedBody);
    },
    listener: (handler) =>
      createNodeListener(
        settings.resource,
        (request, parsedBody) => guard.fetch(request, handler, { parsedBody }),
        settings.onError,
      ),
    verifyAccessToken: createTokenVerifier(settings),
    metadata: resourceMetadataOf(settings),
    metadataPath: settings.metadataPath,
  };
  return guard;
}

/** Who asks, what they ask, whether they may; then it is served. */
async function guardRequest(
  settings: McpGuardSettings,
  request: Request,
  handler: McpFetch,
  parsedBody: unknown,
): Promise<Response> {
  const refuse = (refused: Refusal, id: string | number | null = null) => responseOf(refused, id, settings.metadataUrl);
  const verified = orInternal(settings, () => identify(settings, request.headers));
  if (isRefusal(verified)) return refuse(verified);
  if (request.method !== "POST") return refuse(ONLY_POST);
  const message = await readMessage(request, settings.maxBodyBytes, parsedBody);
  if (isRefusal(message)) return refuse(message);
  const permit = orInternal(settings, () => authorizeMessage(settings, verified, message, request.headers));
  const id = message.id ?? null;
  if (isRefusal(permit)) return refuse(permit, id);

  const scope = permit.use === undefined ? undefined : scopeOfTool(permit.use.tool);
  const ended = (why: unknown) => {
    if (why instanceof VerificationError) return refusalOf(why, scope);
    settings.onError(why);
    return INTERNAL;
  };
  return serveWhileOpen({
    watched: settings.verifier.signalFor(verified),
    recheck: recheckOf(settings, verified, permit),
    callerGone: request.signal,
    serve: async (signal) =>
      handler(forwarded(request, message, signal), {
        authInfo: authInfoOf(verified, settings.metadataUrl),
        parsedBody: message.body,
      }),
    refuse: (why) => refuse(ended(why), id),
    lastEvent: (why) => errorMessageOf(ended(why), id),
  });
}

/** The step whose token a request brings. */
function identify(settings: McpGuardSettings, headers: Headers): VerifiedStep | Refusal {
  const scope = scopeByHeaders(settings, headers);
  const token = bearerTokenOf(headers, scope);
  if (typeof token !== "string") return token;
  try {
    return settings.verifier.verify(token, { audience: settings.resource });
  } catch (thrown) {
    if (thrown instanceof VerificationError) return refusalOf(thrown, scope);
    throw thrown;
  }
}

/** A call goes on past the expiry of the token that it came with, which was for calling; but never past its step's. */
function recheckOf(settings: McpGuardSettings, verified: VerifiedStep, { use }: Permit): (() => void) | undefined {
  if (use === undefined) return undefined;
  return () => {
    try {
      settings.verifier.authorize(verified, use);
    } catch (thrown) {
      if (thrown instanceof VerificationError && thrown.code === "EXPIRED") return;
      throw thrown;
    }
  };
}

/** What was looked at, and no more: without the token, and with the body as it was understood. */
function forwarded(request: Request, message: JsonRpcMessage, signal: AbortSignal): Request {
  const headers = new Headers(request.headers);
  for (const name of ["authorization", "content-length", "content-encoding", "transfer-encoding"]) headers.delete(name);
  return new Request(request.url, { method: "POST", headers, body: JSON.stringify(message.body), signal });
}

const ONLY_POST = refusal({
  status: 405,
  code: REFUSAL_CODES.invalidRequest,
  reason: "HTTP_METHOD_REFUSED",
  message: "only POST is served",
  headers: { allow: "POST" },
});

const INTERNAL = refusal({
  status: 500,
  code: REFUSAL_CODES.internalError,
  reason: "INTERNAL",
  message: "internal error",
});

/** A fault of ours refuses, and says nothing of itself to the client. */
function orInternal<Value>(settings: McpGuardSettings, decide: () => Value | Refusal): Value | Refusal {
  try {
    return decide();
  } catch (thrown) {
    settings.onError(thrown);
    return INTERNAL;
  }
}

function isRefusal(value: { readonly kind?: unknown } | VerifiedStep): value is Refusal {
  return "kind" in value && value.kind === "refusal";
}
