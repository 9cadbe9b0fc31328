import { TLSSocket } from "node:tls";
import { type Context, Hono } from "hono";
import type { CallAnswer } from "../../check/answer-denials.ts";
import type { CallRequest } from "../../check/call-request.ts";
import type { PendingAnswer } from "../../check/policy-denied.ts";
import { BrokerError, type Denial, type ErrorCode } from "../../domain/errors.ts";
import { LIMITS } from "../../domain/limits.ts";
import type { Attested } from "../../domain/stages.ts";
import type { JsonObject } from "../../domain/strict-json.ts";
import { microsOf } from "../../domain/time.ts";
import type { Clock } from "../../ports/clock.ts";
import { callOf, evaluationOf, evaluationsOf, type Semantic } from "./authzen-request.ts";
import { answerWith, issuerPrefixes, NO_STORE_PRAGMA } from "./document.ts";
import { answerProved, type WithConnection } from "./proved-caller.ts";
import type { FormPaths } from "./request-guard.ts";

export type AuthzenFacts = {
  /** The caller at the other end of a connection, by its X.509-SVID as it is now; NO_IDENTITY where there is none. */
  callerOf(socket: TLSSocket): Promise<Attested | Denial>;
  /** The answer to one question, which is on record. */
  check(caller: Attested, request: CallRequest): Promise<CallAnswer>;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** The broker's issuer URL; where it has a path, the API is below that path too. */
  readonly issuer: string;
};

const WELL_KNOWN = "/.well-known/authzen-configuration";
const EVALUATION = "/access/v1/evaluation";
const EVALUATIONS = "/access/v1/evaluations";
const CONFIGURATION_MAX_AGE_SECONDS = 3_600;
const NEEDS_TLS = "calls are asked about over TLS 1.3 with a client certificate\n";

/** The paths that take JSON: at the root, and below the issuer's path too, where the issuer has one. */
export function authzenForms(issuer: string): FormPaths {
  const terms = { bytesMax: LIMITS.requestBytesMax, media: "json" } as const;
  return new Map(issuerPrefixes(issuer).flatMap((at) => [EVALUATION, EVALUATIONS].map((path) => [at + path, terms])));
}

/**
 * Lets gateways ask about calls of tools, as policy enforcement points: by the X.509-SVID of a verifier, and always with
 * the credential that came with the call.
 *
 * @see AuthZEN Authorization API 1.0; RFC 8615
 */
export function authzenRoutes(facts: AuthzenFacts): Hono {
  const routes = new Hono<WithConnection>();
  for (const prefix of issuerPrefixes(facts.issuer)) {
    // The well-known part stands between host and path.
    routes.get(WELL_KNOWN + prefix, (context) => configuration(context, prefix));
    routes.post(prefix + EVALUATION, (context) =>
      answering(context, facts, (caller, body) => evaluated(facts, caller, evaluationOf(body))),
    );
    routes.post(prefix + EVALUATIONS, (context) =>
      answering(context, facts, (caller, body) => all(facts, caller, body)),
    );
  }
  return routes as unknown as Hono;
}

/**
 * What a policy decision point says of itself. What it does not name is not there: no search.
 *
 * @see AuthZEN Authorization API 1.0, "Policy Decision Point Metadata"
 */
export function metadataOf(identifier: string): JsonObject {
  return {
    policy_decision_point: identifier,
    access_evaluation_endpoint: identifier + EVALUATION,
    access_evaluations_endpoint: identifier + EVALUATIONS,
  };
}

/** The identifier is the one that was asked by: its host was looked at already. */
function configuration(context: Context<WithConnection>, prefix: string): Response {
  const { incoming } = context.env;
  if (!(incoming.socket instanceof TLSSocket)) return context.text(NEEDS_TLS, 404, NO_STORE_PRAGMA);
  const body = JSON.stringify(metadataOf(`https://${(incoming.headers.host ?? "").toLowerCase()}${prefix}`));
  return withRequestId(
    context,
    answerWith(context, { body, mediaType: "application/json", maxAgeSeconds: CONFIGURATION_MAX_AGE_SECONDS }),
  );
}

async function answering(
  context: Context<WithConnection>,
  { callerOf }: AuthzenFacts,
  evaluate: (caller: Attested, body: string) => Promise<JsonObject>,
): Promise<Response> {
  const refused = (status: Status, text: string) => context.text(`${text}\n`, status, NO_STORE_PRAGMA);
  const response = await answerProved(
    context,
    {
      needsTls: () => context.text(NEEDS_TLS, 404, NO_STORE_PRAGMA),
      callerOf,
      refused,
      failed: ({ code, message }) => refused(statusOf(code), message),
    },
    async (caller) => context.json(await evaluate(caller, await context.req.text()), 200, NO_STORE_PRAGMA),
  );
  return withRequestId(context, response);
}

type Status = 400 | 401 | 403 | 429 | 500 | 503;

/** The status of an error that is no answer. */
function statusOf(code: ErrorCode): Status {
  switch (code) {
    case "INVALID_FIELD":
      return 400;
    case "NOT_ENTITLED":
      return 403;
    case "LIMIT_EXCEEDED":
      return 429;
    default:
      return 503;
  }
}

function withRequestId(context: Context, response: Response): Response {
  const id = context.req.header("x-request-id");
  if (id !== undefined) response.headers.set("x-request-id", id);
  return response;
}

async function evaluated({ check }: AuthzenFacts, caller: Attested, evaluation: JsonObject): Promise<JsonObject> {
  const answer = await check(caller, callOf(evaluation));
  const { decisionId: decision_id } = answer;
  if (answer.effect === "allow") {
    const { callsLeft } = answer;
    return { decision: true, context: { decision_id, ...(callsLeft === undefined ? {} : { calls_left: callsLeft }) } };
  }
  const { reason, message, metadata, pending } = answer;
  const waits = pending === undefined ? {} : { pending: pendingMember(pending) };
  return { decision: false, context: { decision_id, reason, message, ...metadata, ...waits } };
}

function pendingMember({ approvalId, until }: PendingAnswer): JsonObject {
  return { approval_id: approvalId, until: new Date(microsOf(until) / 1_000).toISOString() };
}

async function all(facts: AuthzenFacts, caller: Attested, body: string): Promise<JsonObject> {
  const asked = evaluationsOf(body);
  if (asked.kind === "one") return evaluated(facts, caller, asked.evaluation);
  const endsAtMs = facts.clock.monotonicMs() + LIMITS.checkBatchMs;
  const evaluations: JsonObject[] = [];
  // One after the other, so that an earlier one is counted before a later one, and none that need not be made.
  for (const evaluation of asked.evaluations) {
    const answer =
      facts.clock.monotonicMs() < endsAtMs
        ? await evaluatedOrError(facts, caller, evaluation)
        : errorOf(503, "the time for these evaluations is over");
    evaluations.push(answer);
    if (isLast(answer, asked.semantic)) break;
  }
  return { evaluations };
}

function isLast({ decision }: JsonObject, semantic: Semantic): boolean {
  return semantic === (decision === true ? "permit_on_first_permit" : "deny_on_first_deny");
}

/** What is wrong with one evaluation denies that one. */
async function evaluatedOrError(facts: AuthzenFacts, caller: Attested, evaluation: JsonObject): Promise<JsonObject> {
  try {
    return await evaluated(facts, caller, evaluation);
  } catch (thrown) {
    if (!(thrown instanceof BrokerError)) throw thrown;
    return errorOf(statusOf(thrown.code), thrown.message);
  }
}

function errorOf(status: Status, message: string): JsonObject {
  return { decision: false, context: { error: { status, message } } };
}
