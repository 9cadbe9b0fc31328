import {
  type PresentedRequest,
  type UsageOutcome,
  VerificationError,
  type VerifiedRequest,
  type VerifiedStep,
  type Verifier,
} from "../verifier/index.ts";
import { type Answer, discard, fetchResponseOf, isOk } from "./answer.ts";
import { type Asked, askedOf, orInternal, type Sender } from "./asked.ts";
import { scopeByHeaders, termsOfCall } from "./authorize-message.ts";
import { checkedCall } from "./checked-call.ts";
import { forwardedRequest, SESSION_HEADER } from "./forwarded-request.ts";
import type { GuardSettings } from "./guard-settings.ts";
import type { ForwardedRequest, GuardedRequest } from "./guarded-request.ts";
import { encodeHeaderValue } from "./header-value.ts";
import { createAnswerListener, type NodeListener } from "./node-listener.ts";
import {
  answerOf,
  type ChallengeTerms,
  errorMessageOf,
  INTERNAL,
  isRefusal,
  type Refusal,
  refusalOf,
} from "./refusal.ts";
import { requestTargetOf } from "./request-target.ts";
import { metadataAnswer, type ProtectedResourceMetadata, resourceMetadataOf } from "./resource-metadata.ts";
import { rewrittenResult } from "./rewritten-result.ts";
import { CallCancelled, createRunningCalls, type RunningCalls } from "./running-calls.ts";
import { serveWhileOpen } from "./serve-while-open.ts";
import { createSessions, type Sessions } from "./sessions.ts";
import { signalledRequest } from "./signalled-request.ts";
import { authInfoOf, type StepAuthInfo } from "./step-auth-info.ts";
import { createTasks, type Tasks } from "./tasks.ts";

type Given = { readonly authInfo: StepAuthInfo; readonly parsedBody: unknown };

/** What is behind the guard. */
export type McpFetch = (request: Request, options: Given) => Promise<Response>;

/** The same, for whoever needs no objects of `fetch`: each costs more than all that the guard itself does. */
export type McpHandler = (request: ForwardedRequest, options: Given) => Promise<Answer>;

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
  readonly tasks: Tasks;
};

/**
 * Stands in front of an MCP server: every request must bring the JWT-SVID of an open step for this resource, with the proof
 * of what it is bound to, or a WIT-SVID with its proof and a transaction token; it calls only tools that the step was granted,
 * and is stopped when the step ends. What the guard cannot decide it refuses.
 *
 * @see MCP authorization, RFC 6750, RFC 9449, RFC 9728, draft-ietf-wimse-wpt
 */
export function createGuard(settings: GuardSettings): Guard {
  const serve = createServe(settings);
  return {
    fetch: async (request, handler, given = {}) => fetchResponseOf(await serve(request, byFetch(handler), given)),
    listener: (handler) => listenerOf(settings, serve, byFetch(handler)),
    metadata: resourceMetadataOf(settings),
    metadataPath: settings.metadataPath,
  };
}

/** A listener as `Guard.listener` is, in front of what needs no objects of `fetch`. */
export function createGuardListener(settings: GuardSettings, handler: McpHandler): NodeListener {
  return listenerOf(settings, createServe(settings), handler);
}

type Serve = (request: GuardedRequest, handler: McpHandler, given: GivenRequest) => Promise<Answer>;

function listenerOf({ resource, onError }: GuardSettings, serve: Serve, handler: McpHandler): NodeListener {
  return createAnswerListener(
    resource,
    (request, parsedBody, clientCertificate) => serve(request, handler, { parsedBody, clientCertificate }),
    onError,
  );
}

/** The body goes along as it was understood. */
function byFetch(handler: McpFetch): McpHandler {
  return ({ url, ...init }, given) => {
    const { parsedBody } = given;
    const body = parsedBody === undefined ? {} : { body: JSON.stringify(parsedBody) };
    return handler(signalledRequest(url, { ...init, ...body }), given);
  };
}

function createServe(settings: GuardSettings): Serve {
  const signalFor: Verifier["signalFor"] = (caller) => settings.verifier.signalFor(caller);
  const sessions = createSessions(signalFor, settings.sessionOwner, settings.onSessionEnded);
  const state: GuardState = { settings, sessions, calls: createRunningCalls(), tasks: createTasks(signalFor) };
  return async (request, handler, given) =>
    metadataAnswer(settings, request) ?? guardRequest(state, request, handler, given);
}

/** Who asks, what they ask, whether they may; then it is served. */
async function guardRequest(
  state: GuardState,
  request: GuardedRequest,
  handler: McpHandler,
  { parsedBody, clientCertificate }: GivenRequest,
): Promise<Answer> {
  const { settings } = state;
  const terms = challengeTermsOf(settings, request.headers);
  await settings.verifier.learn(request);
  const identified = orInternal(settings, () => identify(settings, request, clientCertificate, terms));
  if (isRefusal(identified)) return answerOf(identified, null, settings.metadataUrl);
  const { step: verified } = identified;
  const dpopNonce = identified.kind === "jwt-svid" ? identified.dpopNonce : undefined;
  const sender: Sender = (sessionId) => senderOf(settings, request, handler, verified, sessionId);
  const asked = await askedOf(state, request, verified, parsedBody, terms, sender);
  if (asked.kind === "refused") return answerOf(asked.refusal, asked.id, settings.metadataUrl);
  const answer = await serveAsked(state, request, handler, verified, asked, terms);
  keepSession(state.sessions, verified, request.method, asked.sessionId, answer);
  return dpopNonce === undefined ? answer : withNonce(answer, dpopNonce);
}

async function serveAsked(
  { settings }: GuardState,
  request: GuardedRequest,
  handler: McpHandler,
  verified: VerifiedStep,
  { id, body, sessionId, use, check, running, view }: Asked,
  terms: ChallengeTerms,
): Promise<Answer> {
  const termsOfThis = use === undefined ? { ...terms, scope: undefined } : termsOfCall(settings, use, terms);
  const ended = (why: unknown) => {
    if (why instanceof VerificationError) return refusalOf(why, termsOfThis);
    settings.onError(why);
    return INTERNAL;
  };
  /** The broker's word on this very call, after everything else: what it allows, it has counted. */
  const checkCall = async (call: Parameters<typeof checkedCall>[2]): Promise<Refusal | undefined> => {
    try {
      await checkedCall(settings, verified, call);
      return undefined;
    } catch (thrown) {
      call.signal.throwIfAborted();
      return ended(thrown);
    }
  };
  const report = (outcome: UsageOutcome) => {
    if (use !== undefined) settings.verifier.report(verified, use, outcome);
  };
  // To the client of a stream that no request has, no answer is due: it comes again, and is refused then.
  const isAnswered = (why: unknown) => request.method === "POST" && !(why instanceof CallCancelled);
  return serveWhileOpen({
    watched: settings.verifier.signalFor(verified),
    running,
    recheck: recheckOf(settings, verified, use),
    callerGone: request.signal,
    serve: async (signal) => {
      const denied = use === undefined || check === undefined ? undefined : await checkCall({ use, check, signal });
      if (denied !== undefined) {
        report("refused");
        return answerOf(denied, id, settings.metadataUrl);
      }
      const answer = await reporting(
        report,
        () =>
          handler(forwardedRequest(request, { sessionId, unencoded: view !== undefined, signal }), {
            authInfo: authInfoOf(verified, settings.metadataUrl),
            parsedBody: body,
          }),
        signal,
      );
      if (view === undefined) return answer;
      const inSession = sessionId !== undefined || answer.headers.has(SESSION_HEADER);
      return rewrittenResult(answer, (result) => view.change(result, inSession), view.ifText);
    },
    refuse: (why) => (why instanceof CallCancelled ? unanswered() : answerOf(ended(why), id, settings.metadataUrl)),
    lastEvent: (why) => (isAnswered(why) ? errorMessageOf(ended(why), id) : undefined),
  });
}

/** Reports what became of a call, by the head of its answer: what is in it is nobody's business here. */
async function reporting(
  report: (outcome: UsageOutcome) => void,
  serve: () => Promise<Answer>,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const answer = await serve();
    report(signal.aborted ? "stopped" : isOk(answer) ? "served" : "failed");
    return answer;
  } catch (thrown) {
    report(signal.aborted ? "stopped" : "failed");
    throw thrown;
  }
}

/** A server is slow to take a word of the guard's own, or does not take it: then the guard does not wait any longer. */
const OWN_MESSAGE_MS_MAX = 10_000;

/**
 * Says to the server what the step itself did not say, as the step. What is returned may be kept for long, so it has of the
 * request only what it needs, and nothing of its body.
 */
function senderOf(
  settings: GuardSettings,
  request: GuardedRequest,
  handler: McpHandler,
  verified: VerifiedStep,
  sessionId: string | undefined,
): ReturnType<Sender> {
  const from = { method: "POST", url: request.url, headers: new Headers(request.headers) };
  // The request may have been for a session's stream.
  from.headers.delete("last-event-id");
  from.headers.set("content-type", "application/json");
  from.headers.set("accept", "application/json, text/event-stream");
  for (const name of [...from.headers.keys()]) {
    if (name === "mcp-name" || name.startsWith("mcp-param-")) from.headers.delete(name);
  }
  const ask: ReturnType<Sender>["ask"] = (message) => {
    const signal = AbortSignal.timeout(OWN_MESSAGE_MS_MAX);
    const forwarded = forwardedRequest(from, { sessionId, unencoded: true, signal });
    forwarded.headers.set("mcp-method", String(message["method"]));
    const { taskId } = message["params"] as { readonly taskId?: string };
    if (taskId !== undefined) forwarded.headers.set("mcp-name", encodeHeaderValue(taskId));
    return handler(forwarded, { authInfo: authInfoOf(verified, settings.metadataUrl), parsedBody: message });
  };
  return {
    ask,
    async tell(message) {
      try {
        await discard(await ask(message));
      } catch (thrown) {
        settings.onError(thrown);
      }
    },
  };
}

/** MCP cancellation: whoever has cancelled a request gets no response to it. */
function unanswered(): Answer {
  const headers = new Headers({ "content-type": "text/event-stream", "cache-control": "no-store" });
  return { status: 200, headers, body: "" };
}

function challengeTermsOf({ proofKinds }: GuardSettings, headers: Headers): ChallengeTerms {
  const [dpop, wpt] = [proofKinds.includes("dpop"), proofKinds.includes("wpt")];
  const [, named = ""] = /^(DPoP|WPT)(?:\s|$)/i.exec(headers.get("authorization") ?? "") ?? [];
  const scheme = named.toUpperCase();
  return { scheme: wpt && scheme === "WPT" ? "WPT" : dpop && scheme === "DPOP" ? "DPoP" : "Bearer", dpop, wpt };
}

type Identified = Exclude<VerifiedRequest, { kind: "wit-svid" }>;

/** The step whose token a request brings, as what it may do. */
function identify(
  settings: GuardSettings,
  { method, url, headers }: GuardedRequest,
  clientCertificate: GivenRequest["clientCertificate"],
  terms: ChallengeTerms,
): Identified | Refusal {
  const { resource, proof, proofKinds } = settings;
  const request = { method, url: requestTargetOf(resource, url), headers, clientCertificate };
  try {
    const verified = settings.verifier.verifyRequest(request, { audience: resource, proof, proofKinds });
    if (verified.kind !== "wit-svid") return verified;
    throw new VerificationError("TOKEN_MISSING", "a Txn-Token is required: a WIT-SVID alone grants nothing", {
      credential: verified.kind,
    });
  } catch (thrown) {
    if (thrown instanceof VerificationError) {
      return refusalOf(thrown, { ...terms, scope: scopeByHeaders(settings, headers) });
    }
    throw thrown;
  }
}

/** RFC 9449 section 8.2: the next proof is to have the new nonce. */
function withNonce({ body, status, headers: given }: Answer, nonce: string): Answer {
  const headers = new Headers(given);
  headers.set("dpop-nonce", nonce);
  return { status, headers, body };
}

/** A call goes on past the expiry of the token that it came with, which was for calling; but never past its step's. */
function recheckOf(settings: GuardSettings, verified: VerifiedStep, use: Asked["use"]): () => void {
  if (use === undefined) return () => settings.verifier.recheck(verified);
  return () => {
    try {
      settings.verifier.authorize(verified, use);
    } catch (thrown) {
      // That the broker had to be asked is what is looked at last, and it was asked when the call began.
      const goesOn = thrown instanceof VerificationError && ["EXPIRED", "CHECK_REQUIRED"].includes(thrown.code);
      if (!goesOn) throw thrown;
      // It ends with its token all the same where nobody would tell of its step's end any more.
      settings.verifier.recheck(verified);
    }
  };
}

/** A session that the server has opened is whose request it was; one that it has ended or does not know any more is nobody's. */
function keepSession(
  sessions: Sessions,
  verified: VerifiedStep,
  method: string,
  sessionId: string | undefined,
  answer: Answer,
): void {
  const { status, headers } = answer;
  const ok = isOk(answer);
  const opened = headers.get(SESSION_HEADER);
  if (opened !== null && !(ok && method === "DELETE")) sessions.bind(opened, verified);
  if (sessionId !== undefined && (status === 404 || (ok && method === "DELETE"))) sessions.forget(sessionId);
}
