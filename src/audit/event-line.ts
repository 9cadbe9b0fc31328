import type { AuthorityState } from "../domain/authority.ts";
import type { AuthorityPut, ExchangeAnswered, LedgerEvent, RiskSet, StepClosed } from "../domain/ledger-event.ts";
import type { Facts } from "../ports/log.ts";

/** A line of the log: what happened, and its facts. */
export type EventLine = { readonly what: string; readonly isWarning?: true; readonly facts: Facts };

const OF_AUTHORITY: Readonly<Record<AuthorityState, string>> = {
  prepared: "a key was made; it does not sign yet",
  active: "a key signs from now on",
  old: "a key was replaced: it signs no more, and what it signed verifies until it expires",
  removed: "a key was removed: nothing that it signed verifies any more",
};

/**
 * What the log says of an event that no request's line tells of: what the broker did by itself, and what changes who is
 * believed. `undefined` for all other events, which are as many as there are requests.
 */
export function eventLine(event: LedgerEvent): EventLine | undefined {
  switch (event.type) {
    case "epoch.started":
      return { what: "an epoch of the ledger begins", facts: { epoch: event.epoch, reason: event.reason } };
    case "entry.put": {
      const { content, revision, disabled } = event.entry;
      const facts = { entry: `${content.kind}/${content.name}`, revision, disabled };
      return { what: "an entry was registered or changed", facts };
    }
    case "entry.retired":
      return { what: "an entry was removed", facts: { entryId: event.entryId } };
    case "step.closed":
      return ofClose(event);
    case "process.enrolled":
      return { what: "a process may open steps, though a runtime started it", facts: { process: event.process } };
    case "run.barred":
      return { what: "a run was barred: no step of it is opened any more", facts: { runId: event.runId } };
    case "exchange.answered":
      return ofExchange(event);
    case "exchange.ended": {
      const { exchangeId, ending } = event;
      return { what: "a secret of another system has ended there", facts: { exchangeId, ending } };
    }
    case "authority.put":
      return ofAuthority(event);
    case "authority.tainted": {
      const { authorityId, reason, count } = event;
      const facts = { authorityId, reason, revoked: count };
      return { what: "a key is trusted no more, and all that it signed is revoked", isWarning: true, facts };
    }
    case "federation.put":
      return { what: "a foreign trust domain is believed", facts: { foreign: event.relationship.trustDomain } };
    case "federation.ended":
      return { what: "a foreign trust domain is believed no more", facts: { foreign: event.trustDomain } };
    case "bundle.accepted": {
      const { trustDomain: foreign, bundle } = event;
      const facts = { foreign, ...(bundle.sequence === undefined ? {} : { bundleSequence: bundle.sequence }) };
      return { what: "a foreign trust domain has new keys", facts };
    }
    case "policy_set.activated": {
      const what = event.version === 0 ? "no policies are in force: ceilings alone decide" : "policies are in force";
      return { what, facts: { version: event.version, reason: event.reason } };
    }
    case "risk.set":
      return ofRisk(event);
    case "tool.seen": {
      const { location, tool, sha256 } = event.tool;
      const what = event.pinned ? "a tool was seen first, and is pinned" : "a tool was seen first, and waits";
      return { what, facts: { location, tool, sha256 } };
    }
    case "tool.changed": {
      const { location, tool, sha256 } = event.tool;
      return { what: "a tool's definition is another", isWarning: true, facts: { location, tool, sha256 } };
    }
    case "steps.judged":
      return { what: "open steps were judged anew, and go on", facts: { steps: event.stepIds.length } };
    case "operator.acted":
      return { what: "an operator acted", facts: { act: event.act, target: event.target, reason: event.reason } };
    default:
      return undefined;
  }
}

/** A close that somebody asked for is in the line of the request. */
function ofClose({ stepId, state, count, revoked, by }: StepClosed): EventLine | undefined {
  if (by.kind !== "broker") return undefined;
  const facts = { stepId, cause: by.cause, stepsClosed: count, credentialsRevoked: revoked };
  if (state === "EXPIRED") return { what: "a step expired", facts };
  return { what: state === "ABANDONED" ? "a step was abandoned" : "the broker closed a step", facts };
}

/** An answer that was given is in the line of the request. */
function ofExchange({ exchangeId, outcome }: ExchangeAnswered): EventLine | undefined {
  if (outcome.kind === "issued" || !outcome.mayExist) return undefined;
  const what = "another system may have made a secret that nobody was given";
  return { what, isWarning: true, facts: { exchangeId, why: outcome.failure } };
}

function ofRisk({ scope, level, expiresAt, reason }: RiskSet): EventLine {
  const facts = { scope, risk: level, expiresAt: new Date(expiresAt * 1_000).toISOString(), reason };
  return { what: "the risk was set", ...(level === "low" ? {} : { isWarning: true }), facts };
}

function ofAuthority({ authority: { authorityId, family, state, expiresAt } }: AuthorityPut): EventLine {
  return {
    what: OF_AUTHORITY[state],
    facts: { authorityId, family, expiresAt: new Date(expiresAt * 1_000).toISOString() },
  };
}
