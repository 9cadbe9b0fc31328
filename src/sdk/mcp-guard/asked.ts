import type { JsonObject } from "../../domain/strict-json.ts";
import type { ToolUse, VerifiedStep } from "../verifier/index.ts";
import {
  authorizeMessage,
  authorizeResponse,
  isModern,
  isModernVersion,
  type Permit,
  toolAskedFor,
} from "./authorize-message.ts";
import { SESSION_HEADER } from "./forwarded-request.ts";
import type { GuardSettings } from "./guard-settings.ts";
import type { GuardedRequest } from "./guarded-request.ts";
import { type JsonRpcMessage, type JsonRpcResponse, readMessage } from "./json-rpc-message.ts";
import { type AskServer, ownList } from "./own-list.ts";
import { type ChallengeTerms, INTERNAL, isRefusal, REFUSAL_CODES, type Refusal, refusal } from "./refusal.ts";
import { STATE_INVALID, STATE_TEXT } from "./request-state.ts";
import { enterCall, type RunningCall, type RunningCalls } from "./running-calls.ts";
import type { Sessions } from "./sessions.ts";
import { cancellerOf, NO_TASK, TASK_TEXT, TASKS_LIST, type Tasks } from "./tasks.ts";
import type { LookAtList } from "./tool-definitions.ts";
import { type ResultView, repeatedResultViewOf, resultViewOf } from "./visible-features.ts";

/** What a request asks of the server, which its step may ask. */
export type Asked = {
  readonly kind: "asked";
  /** `null` where no answer is due to a message. */
  readonly id: string | number | null;
  /** The message; `undefined` for a request that has none. */
  readonly body: unknown;
  /** The session in which it is served; `undefined`: in none. */
  readonly sessionId: string | undefined;
  /** Present for a call of a tool. */
  readonly use: ToolUse | undefined;
  /** Present for a call that the broker has to allow. */
  readonly check: Permit["check"];
  readonly running: RunningCall | undefined;
  /** How results have to be changed; `undefined`: not at all. */
  readonly view: View | undefined;
};

/** A view, and of which results. */
export type View = {
  readonly change: ResultView;
  /** Only those with one of these texts in them are looked at. Absent: all, and an answer that can't be is not passed on. */
  readonly ifText?: readonly string[];
};

/** Speaks to the server that a request is for, as its step and in that session, for the guard itself. */
export type Sender = (sessionId: string | undefined) => {
  /** Says something that nobody waits for. Never throws. */
  readonly tell: (message: JsonObject) => Promise<void>;
  /** Asks something. @throws what the handler throws */
  readonly ask: AskServer;
};

/** What it may not ask. */
type Refused = { readonly kind: "refused"; readonly refusal: Refusal; readonly id: string | number | null };

type AskedState = {
  readonly settings: GuardSettings;
  readonly sessions: Sessions;
  readonly calls: RunningCalls;
  readonly tasks: Tasks;
};

/**
 * A message of a POST; and of a session its stream (GET) and its end (DELETE).
 *
 * @param sender - for messages to the same server, as the same step.
 */
export async function askedOf(
  state: AskedState,
  request: GuardedRequest,
  verified: VerifiedStep,
  parsedBody: unknown,
  terms: ChallengeTerms,
  sender: Sender,
): Promise<Asked | Refused> {
  const { method, headers } = request;
  if (method !== "POST") return askedOfSession(state, method, headers, verified, sender);
  const message = await readMessage(request, state.settings.maxBodyBytes, parsedBody);
  if (isRefusal(message)) return refused(message);
  return askedByMessage(state, message, headers, verified, terms, sender);
}

function askedOfSession(
  { settings, sessions, tasks }: AskedState,
  method: string,
  headers: Headers,
  verified: VerifiedStep,
  sender: Sender,
): Asked | Refused {
  const sessionId = sessionIdOf(headers);
  const isOfSession = (method === "GET" || method === "DELETE") && !isModernVersion(headers);
  // Of a server without sessions clients ask for a stream too, to see that it has none.
  if (!isOfSession || sessionId === undefined) return refused(ONLY_POST);
  if (!sessions.isOf(sessionId, verified)) return refused(NO_SESSION);
  const shown = repeatedResultViewOf(settings, verified);
  const change: ResultView = async (result, inSession) => {
    if (hasTasks(settings)) tasks.note(result, verified, () => cancellerOf(undefined, sender(sessionId).tell));
    return tasks.repeated(await shown(result, inSession), verified);
  };
  const view = method === "GET" ? { change } : undefined;
  return {
    kind: "asked",
    id: null,
    body: undefined,
    sessionId,
    use: undefined,
    check: undefined,
    running: undefined,
    view,
  };
}

async function askedByMessage(
  state: AskedState,
  given: JsonRpcMessage | JsonRpcResponse,
  headers: Headers,
  verified: VerifiedStep,
  terms: ChallengeTerms,
  sender: Sender,
): Promise<Asked | Refused> {
  const { settings, sessions, calls, tasks } = state;
  const id = (given.kind === "message" ? given.id : undefined) ?? null;
  const message = given.kind === "message" ? settings.requestStates.opened(given, verified) : given;
  if (message === undefined) return refused(STATE_INVALID, id);
  // Where the protocol has no sessions, none is looked at here, and none gets to the server.
  const modern = isModern(message, headers);
  const sessionId = modern ? undefined : sessionIdOf(headers);
  if (sessionId !== undefined && !sessions.isOf(sessionId, verified)) return refused(NO_SESSION, id);
  if (message.kind === "message") {
    const tool = toolAskedFor(settings, message);
    const list: LookAtList = (page) => ownList(sender(sessionId).ask, message.params["_meta"])(page);
    if (tool !== undefined) await settings.definitions.look(tool, verified, list);
  }
  const permit = orInternal(settings, () =>
    message.kind === "message"
      ? authorizeMessage(settings, verified, message, headers, terms)
      : authorizeResponse(sessionId),
  );
  if (isRefusal(permit)) return refused(permit, id);
  if (message.kind === "message" && !tasks.areOf(message, verified)) return refused(NO_TASK, id);
  const running = enterCall(calls, message, verified.spiffeId, sessionId);
  if (running === "taken") return refused(ID_TAKEN, id);
  const view =
    message.kind === "message" ? viewOf(state, verified, message, modern, () => sender(sessionId).tell) : undefined;
  return { kind: "asked", id, body: message.body, sessionId, use: permit.use, check: permit.check, running, view };
}

function viewOf(
  { settings, tasks }: AskedState,
  verified: VerifiedStep,
  message: JsonRpcMessage,
  modern: boolean,
  sender: () => ReturnType<Sender>["tell"],
): View | undefined {
  const { requestStates } = settings;
  const isFirst = message.params["cursor"] === undefined;
  const shown = resultViewOf(settings, verified, { method: message.method, isFirst }, modern);
  if (shown !== undefined) return { change: shown };
  if (message.id === undefined) return undefined;
  if (message.method === TASKS_LIST) return { change: (result) => tasks.listed(result, verified) };
  const withTasks = hasTasks(settings);
  // Before, no result has such a state.
  const ifText = [...(modern ? [STATE_TEXT] : []), ...(withTasks ? [TASK_TEXT] : [])];
  if (ifText.length === 0) return undefined;
  const change = (result: JsonObject) => {
    if (withTasks) tasks.note(result, verified, () => cancellerOf(message.params["_meta"], sender()));
    return modern ? requestStates.sealed(result, message, verified) : result;
  };
  return { change, ifText };
}

function hasTasks({ otherMethods }: GuardSettings): boolean {
  return otherMethods.some((method) => method.startsWith("tasks/"));
}

function sessionIdOf(headers: Headers): string | undefined {
  return headers.get(SESSION_HEADER)?.trim();
}

function refused(refusal: Refusal, id: string | number | null = null): Refused {
  return { kind: "refused", refusal, id };
}

/** A fault of ours refuses, and says nothing of itself to the client. */
export function orInternal<Value>(settings: GuardSettings, decide: () => Value | Refusal): Value | Refusal {
  try {
    return decide();
  } catch (thrown) {
    settings.onError(thrown);
    return INTERNAL;
  }
}

const ONLY_POST = refusal({
  status: 405,
  code: REFUSAL_CODES.invalidRequest,
  reason: "HTTP_METHOD_REFUSED",
  message: "only POST is served, and in a session GET and DELETE",
  headers: { allow: "POST" },
});

const NO_SESSION = refusal({
  status: 404,
  code: REFUSAL_CODES.sessionNotFound,
  reason: "SESSION_NOT_FOUND",
  message: "there is no such session",
});

const ID_TAKEN = refusal({
  status: 400,
  code: REFUSAL_CODES.invalidRequest,
  reason: "REQUEST_MALFORMED",
  message: "a request with this id is under way in the session",
});
