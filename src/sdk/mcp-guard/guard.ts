import {
  type PresentedRequest,
  VerificationError,
  type VerifiedRequest,
  type VerifiedStep,
} from "../verifier/index.ts";
import { authorizeMessage, authorizeResponse, isModern, type Permit, scopeByHeaders } from "./authorize-message.ts";
import { forwardedRequest, SESSION_HEADER } from "./forwarded-request.ts";
import { type GuardSettings, scopeOfTool } from "./guard-settings.ts";
import { readMessage } from "./json-rpc-message.ts";
import { createNodeListener, type NodeListener } from "./node-listener.ts";
import {
  type ChallengeTerms,
  errorMessageOf,
  REFUSAL_CODES,
  type Refusal,
  refusal,
  refusalOf,
  responseOf,
} from "./refusal.ts";
import { requestTargetOf } from "./request-target.ts";
import { metadataResponse, type ProtectedResourceMetadata, resourceMetadataOf } from "./resource-metadata.ts";
import { rewrittenResult } from "./rewritten-result.ts";
import { CallCancelled, createRunningCalls, enterCall, type RunningCalls } from "./running-calls.ts";
import { serveWhileOpen } from "./serve-while-open.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { authInfoOf, type StepAuthInfo } from "./step-auth-info.ts";
import { resultViewOf } from "./visible-features.ts";

/** What is behind the guard. */
export type McpFetch = (
  request: Request,
  options: { readonly authInfo: StepAuthInfo; readonly parsedBody: unknown },
) => Promise<Response>;

/** What came with a request and is not in it. */
export type GivenRequest = {
  /** The body, where something before has parsed it. */
  readonly parsedBody?: unknown;
  /** The certificate of the connection's client, DER; see `PresentedRequest`. */
  readonly clientCertificate?: PresentedRequest["clientCertificate"];
};

export type Guard = {
  /**
   * Serves one HTTP request: the resource's metadata, a refusal, or what `handler` answers for a message that its step
   * may send. The handler gets the request without its token, and a signal that aborts when the step ends.
   *
   * @throws what the handler throws
   */
  fetch(request: Request, handler: McpFetch, given?: GivenRequest): Promise<Response>;
  /**
   * The same as a listener for `node:http`, `node:https` and `node:http2`, and a handler for Express; takes `req.body` where
   * that is parsed, and of a TLS connection the client's certificate.
   */
  listener(handler: McpFetch): NodeListener;
  readonly metadata: ProtectedResourceMetadata;
  /** Where `fetch` serves the metadata: requests for this path must reach it too. */
  readonly metadataPath: string;
};

/** What a guard keeps from request to request. */
type GuardState = {
  readonly settings: GuardSettings;
  readonly sessions: Sessions;
  readonly calls: RunningCalls;
};

/**
 * Stands in front of an MCP server: every request must bring the JWT-SVID of an open step for this resource, with the proof
 * of what it is bound to; it calls only tools that the step was granted, and is stopped when the step ends. What the
 * guard cannot decide it refuses.
 *
 * @see MCP authorization, RFC 6750, RFC 9449, RFC 9728
 */
export function createGuard(settings: GuardSettings): Guard {
  const sessions = createSessions((caller) => settings.verifier.signalFor(caller), settings.sessionOwner);
  const state: GuardState = { settings, sessions, calls: createRunningCalls() };
  const guard: Guard = {
    async fetch(request, handler, given = {}) {
      return metadataResponse(settings, request) ?? guardRequest(state, request, handler, given);
    },
    listener: (handler) =>
      createNodeListener(
        settings.resource,
        (request, parsedBody, clientCertificate) => guard.fetch(request, handler, { parsedBody, clientCertificate }),
        settings.onError,
      ),
    metadata: resourceMetadataOf(settings),
    metadataPath: settings.metadataPath,
  };
  return guard;
}

/** Who asks, what they ask, whether they may; then it is served. */
async function guardRequest(
  { settings, sessions, calls }: GuardState,
  request: Request,
  handler: McpFetch,
  { parsedBody, clientCertificate }: GivenRequest,
): Promise<Response> {
  const terms = challengeTermsOf(settings, request.headers);
  const refuse = (refused: Refusal, id: string | number | null = null) => responseOf(refused, id, settings.metadataUrl);
  const identified = orInternal(settings, () => identify(settings, request, clientCertificate, terms));
  if (isRefusal(identified)) return refuse(identified);
  const { step: verified, dpopNonce } = identified;
  if (request.method !== "POST") return refuse(ONLY_POST);
  const message = await readMessage(request, settings.maxBodyBytes, parsedBody);
  if (isRefusal(message)) return refuse(message);
  const id = (message.kind === "message" ? message.id : undefined) ?? null;
  // Where the protocol has no sessions, none is looked at here, and none gets to the server.
  const modern = isModern(message, request.headers);
  const sessionId = modern ? undefined : request.headers.get(SESSION_HEADER)?.trim();
  if (sessionId !== undefined && !sessions.isOf(sessionId, verified)) return refuse(NO_SESSION, id);
  const permit = orInternal(settings, () =>
    message.kind === "message"
      ? authorizeMessage(settings, verified, message, request.headers, terms)
      : authorizeResponse(sessionId),
  );
  if (isRefusal(permit)) return refuse(permit, id);
  const running = enterCall(calls, message, verified.spiffeId, sessionId);
  if (running === "taken") return refuse(ID_TAKEN, id);

  const view = message.kind === "message" ? resultViewOf(settings, verified, message.method, modern) : undefined;
  const scope = permit.use === undefined ? undefined : scopeOfTool(permit.use.tool);
  const ended = (why: unknown) => {
    if (why instanceof VerificationError) return refusalOf(why, { ...terms, scope });
    settings.onError(why);
    return INTERNAL;
  };
  const response = await serveWhileOpen({
    watched: settings.verifier.signalFor(verified),
    running,
    recheck: recheckOf(settings, verified, permit),
    callerGone: request.signal,
    serve: async (signal) => {
      const response = await handler(
        forwardedRequest(request, message.body, { sessionId, unencoded: view !== undefined, signal }),
        {
          authInfo: authInfoOf(verified, settings.metadataUrl),
          parsedBody: message.body,
        },
      );
      return view === undefined ? response : rewrittenResult(response, view);
    },
    refuse: (why) => (why instanceof CallCancelled ? unanswered() : refuse(ended(why), id)),
    lastEvent: (why) => (why instanceof CallCancelled ? undefined : errorMessageOf(ended(why), id)),
  });
  keepSession(sessions, verified, sessionId, response);
  return dpopNonce === undefined ? response : withNonce(response, dpopNonce);
}

const ID_TAKEN = refusal({
  status: 400,
  code: REFUSAL_CODES.invalidRequest,
  reason: "REQUEST_MALFORMED",
  message: "a request with this id is under way in the session",
});

/** MCP cancellation: whoever has cancelled a request gets no response to it. */
function unanswered(): Response {
  return new Response("", { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

function challengeTermsOf({ proofKinds }: GuardSettings, headers: Headers): ChallengeTerms {
  const dpop = proofKinds.includes("dpop");
  const isDpop = dpop && /^DPoP(\s|$)/i.test(headers.get("authorization") ?? "");
  return { scheme: isDpop ? "DPoP" : "Bearer", dpop };
}

type Identified = Extract<VerifiedRequest, { kind: "jwt-svid" }>;

/** The step whose token a request brings. */
function identify(
  settings: GuardSettings,
  { method, url, headers }: Request,
  clientCertificate: GivenRequest["clientCertificate"],
  terms: ChallengeTerms,
): Identified | Refusal {
  const { resource, proof, proofKinds } = settings;
  const request = { method, url: requestTargetOf(resource, url), headers, clientCertificate };
  try {
    const verified = settings.verifier.verifyRequest(request, { audience: resource, proof, proofKinds });
    if (verified.kind === "jwt-svid") return verified;
    throw new VerificationError("TOKEN_MISSING", "a token is required: a WIT-SVID alone grants nothing");
  } catch (thrown) {
    if (thrown instanceof VerificationError) {
      return refusalOf(thrown, { ...terms, scope: scopeByHeaders(settings, headers) });
    }
    throw thrown;
  }
}

/** RFC 9449 section 8.2: the next proof is to have the new nonce. */
function withNonce({ body, status, statusText, headers: given }: Response, nonce: string): Response {
  const headers = new Headers(given);
  headers.set("dpop-nonce", nonce);
  return new Response(body, { status, statusText, headers });
}

/** A call goes on past the expiry of the token that it came with, which was for calling; but never past its step's. */
function recheckOf(settings: GuardSettings, verified: VerifiedStep, { use }: Permit): () => void {
  if (use === undefined) return () => settings.verifier.recheck(verified);
  return () => {
    try {
      settings.verifier.authorize(verified, use);
    } catch (thrown) {
      if (thrown instanceof VerificationError && thrown.code === "EXPIRED") return;
      throw thrown;
    }
  };
}

/** A session that the server has opened is whose request it was; one that the server does not know any more is nobody's. */
function keepSession(
  sessions: Sessions,
  verified: VerifiedStep,
  sessionId: string | undefined,
  { status, headers }: Response,
): void {
  const opened = headers.get(SESSION_HEADER);
  if (opened !== null) sessions.bind(opened, verified);
  if (sessionId !== undefined && status === 404) sessions.forget(sessionId);
}

const ONLY_POST = refusal({
  status: 405,
  code: REFUSAL_CODES.invalidRequest,
  reason: "HTTP_METHOD_REFUSED",
  message: "only POST is served",
  headers: { allow: "POST" },
});

const NO_SESSION = refusal({
  status: 404,
  code: REFUSAL_CODES.sessionNotFound,
  reason: "SESSION_NOT_FOUND",
  message: "there is no such session",
});

const INTERNAL = refusal({
  status: 500,
  code: REFUSAL_CODES.internalError,
  reason: "INTERNAL",
  message: "internal error",
});

/** A fault of ours refuses, and says nothing of itself to the client. */
function orInternal<Value>(settings: GuardSettings, decide: () => Value | Refusal): Value | Refusal {
  try {
    return decide();
  } catch (thrown) {
    settings.onError(thrown);
    return INTERNAL;
  }
}

function isRefusal(value: { readonly kind: string }): value is Refusal {
  return value.kind === "refusal";
}
