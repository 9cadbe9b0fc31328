import type { PolicyMember } from "../../domain/policy-members.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ExternalPolicy } from "../../ports/external-policy.ts";
import type { Log } from "../../ports/log.ts";
import type { PolicyAnswer, PolicyEffect, PolicyRequest } from "../../ports/policy-engine.ts";
import { type OpaCredentials, openOpaConnections } from "./opa-connections.ts";
import { type NoDecision, opaDecision } from "./opa-decision.ts";
import { opaQuestion } from "./opa-question.ts";

export type OpaOptions = {
  /** Origin of the OPA server: https, or http to this machine; whoever configures it has made sure. */
  readonly url: string;
  /** Of the document that is the decision, below `data`, e.g. `stint/decision`. */
  readonly path: string;
  /** What OPA is told of a request. */
  readonly send: readonly PolicyMember[];
  /** For a whole question, the wait for a connection included. */
  readonly timeoutMs: number;
  readonly credentials: () => OpaCredentials;
  /** Of what is decided for: sent along, as W3C Trace Context has it. */
  readonly traceparent?: () => string | undefined;
  readonly clock: Pick<Clock, "schedule">;
  readonly log: Pick<Log, "fault">;
};

/**
 * Asks an OPA server for decisions, one question for each request.
 *
 * OPA is always asked to be strict with its built-in functions: otherwise one that fails makes its rule undefined, and
 * a `default` takes the place of what failed, without a trace.
 *
 * @see OPA REST API, Data API
 */
export function createOpaPolicy({ url, path, send, log, ...options }: OpaOptions): ExternalPolicy {
  // OPA takes `true` here, and passes over `1` and `yes`.
  const connections = openOpaConnections({
    ...options,
    url: new URL(`${url}/v1/data/${path}?strict-builtin-errors=true`),
  });

  return {
    name: "opa",
    async evaluate(request) {
      if (request.openerUnknown === true && send.some((member) => OF_OPENER.includes(member)))
        return unanswerable(request);
      const answer = await connections.ask(opaQuestion(request, send));
      const decision = opaDecision(answer, request.elements.length);
      if (!isNoDecision(decision)) return decision;
      log.fault("OPA's answer is no decision, and denies", new Error(`${decision.reason}: ${decision.detail}`));
      return allDenied(request, decision);
    },
    async close() {
      connections.close();
    },
  };
}

/** What can't be told of a step whose opener is not on record; what a rule reads in its place must not decide. */
const OF_OPENER: readonly PolicyMember[] = ["runtime", "selectors"];

function unanswerable({ elements }: PolicyRequest): PolicyAnswer {
  const denied: PolicyEffect = { effect: "deny", policies: ["opener-unknown"] };
  return { whole: denied, elements: elements.map(() => denied) };
}

function isNoDecision(decision: PolicyAnswer | NoDecision): decision is NoDecision {
  return "kind" in decision;
}

function allDenied({ elements }: PolicyRequest, { reason }: NoDecision): PolicyAnswer {
  const denied: PolicyEffect = { effect: "deny", policies: [], errors: [reason] };
  return { whole: denied, elements: elements.map(() => denied) };
}
