import { BrokerError } from "../../domain/errors.ts";
import type { PolicyMember } from "../../domain/policy-members.ts";
import type { StepName } from "../../domain/spiffe-id.ts";
import type { PolicyRequest } from "../../ports/policy-engine.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json };

/** A request of 64 KiB twice, as `requested` and as `elements`, and what a run was granted: with room to spare. */
const QUESTION_BYTES_MAX = 1024 * 1024;

/**
 * How each member is written. What a request has not is `null`: a policy can tell it from what is not sent, which is
 * undefined to it.
 */
const WRITTEN = {
  act: ({ act }) => act,
  agent: ({ agent }) => agent,
  runtime: ({ runtime }) => runtime ?? null,
  step: ({ name }) => written(name),
  workflow: ({ workflow }) => workflow ?? null,
  parent: ({ parent }) => (parent === undefined ? null : { agent: parent.agent }),
  parent_step: ({ parent }) => (parent === undefined ? null : written(parent.name)),
  principal: ({ principal }) => (principal === undefined ? null : { iss: principal.iss, sub: principal.sub }),
  claims: ({ principal }) => principal?.claims ?? null,
  requested: ({ requested }) => requested,
  elements: ({ elements }) => elements,
  facts: ({ facts: { classes, actions, stepsOpen, steps } }) => ({ classes, actions, steps_open: stepsOpen, steps }),
  risk: ({ risk: { domain, agent, run } }) => ({ domain, agent, run }),
  depth: ({ depth }) => depth,
  selectors: ({ selectors }) => selectors,
  confined_to: ({ confinedTo }) => confinedTo ?? null,
  at: ({ at }) => new Date(at / 1_000).toISOString(),
} as const satisfies Record<PolicyMember, (request: PolicyRequest) => Json>;

function written({ runId, step, attempt }: StepName): Json {
  return { run_id: runId, step, attempt };
}

/**
 * The body that asks OPA's Data API for a decision.
 *
 * @param send - the members of the request that OPA is told.
 * @throws BrokerError LIMIT_EXCEEDED
 * @see OPA REST API, "Get a Document (with Input)"
 */
export function opaQuestion(request: PolicyRequest, send: readonly PolicyMember[]): Buffer {
  const input = Object.fromEntries(send.map((member) => [member, WRITTEN[member](request)]));
  const body = Buffer.from(JSON.stringify({ input }));
  if (body.length > QUESTION_BYTES_MAX) {
    throw new BrokerError("LIMIT_EXCEEDED", `more than ${QUESTION_BYTES_MAX} bytes to be asked of OPA at once`);
  }
  return body;
}
