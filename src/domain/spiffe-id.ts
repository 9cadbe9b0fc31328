import { BrokerError, invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";

declare const checked: unique symbol;

/** A SPIFFE ID that was checked, exactly as written. */
export type SpiffeId = string & { readonly [checked]: "spiffe-id" };

/** A trust domain's name, e.g. `example.org`. */
export type TrustDomain = string & { readonly [checked]: "trust-domain" };

/** A single SPIFFE path segment: what runs, steps and agents are named by. */
export type Segment = string & { readonly [checked]: "segment" };

const SCHEME = "spiffe://";
const SPIFFE_ID_BYTES_MAX = 2_048;
const TRUST_DOMAIN_BYTES_MAX = 255;
const TRUST_DOMAIN = /^[a-z0-9._-]+$/;
const SEGMENT = /^[A-Za-z0-9._-]+$/;

export function isSegment(text: string): text is Segment {
  return SEGMENT.test(text) && text !== "." && text !== "..";
}

/**
 * Accepts a trust domain's name.
 *
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE-ID section 2.1
 */
export function parseTrustDomain(text: string, field = "trust_domain"): TrustDomain {
  if (text.length > TRUST_DOMAIN_BYTES_MAX || !TRUST_DOMAIN.test(text)) {
    throw invalidField(field, "a trust domain of 1 to 255 characters a-z, 0-9, '.', '-', '_'");
  }
  return text as TrustDomain;
}

/**
 * Accepts a segment; nothing is escaped or normalized, since a name that was changed is another name.
 *
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE-ID section 2.2
 */
export function parseSegment(text: string, field: string): Segment {
  if (text.length > LIMITS.segmentBytesMax || !isSegment(text)) {
    throw invalidField(
      field,
      `1 to ${LIMITS.segmentBytesMax} characters A-Z, a-z, 0-9, '.', '_', '-', and not '.' or '..'`,
    );
  }
  return text;
}

/**
 * Accepts a SPIFFE ID with or without a path. Stricter than the standard in one point: upper case in scheme or trust
 * domain is refused, as go-spiffe does, rather than folded.
 *
 * @throws BrokerError INVALID_FIELD
 * @see SPIFFE-ID section 2
 */
export function parseSpiffeId(text: string, field = "spiffe_id"): SpiffeId {
  const expected = "a SPIFFE ID, e.g. spiffe://example.org/agent/researcher";
  if (!text.startsWith(SCHEME) || text.length > SPIFFE_ID_BYTES_MAX) throw invalidField(field, expected);
  const [trustDomain, ...segments] = text.slice(SCHEME.length).split("/");
  if (trustDomain === undefined || trustDomain.length > TRUST_DOMAIN_BYTES_MAX || !TRUST_DOMAIN.test(trustDomain)) {
    throw invalidField(field, expected);
  }
  if (!segments.every(isSegment)) throw invalidField(field, expected);
  return text as SpiffeId;
}

export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf("/", SCHEME.length);
  return id.slice(SCHEME.length, slash === -1 ? undefined : slash) as TrustDomain;
}

/** The path with its leading slash; empty for the trust domain itself. */
export function pathOf(id: SpiffeId): string {
  const rest = id.slice(SCHEME.length);
  const slash = rest.indexOf("/");
  return slash === -1 ? "" : rest.slice(slash);
}

/** `spiffe://<trust domain>`: the identity of the signing authority itself. */
export function trustDomainId(trustDomain: TrustDomain): SpiffeId {
  return `${SCHEME}${trustDomain}` as SpiffeId;
}

/**
 * Makes a SPIFFE ID of a trust domain and a path such as `/agent/researcher`. The result is checked whole, so that a
 * template can never yield an ID that would be refused if it were written out.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function spiffeIdAt(trustDomain: TrustDomain, path: string, field = "spiffe_id"): SpiffeId {
  return parseSpiffeId(`${SCHEME}${trustDomain}${path}`, field);
}

/**
 * The SPIFFE ID with one more segment.
 *
 * @throws BrokerError INVALID_FIELD when the whole is longer than SPIFFE allows to generate
 */
export function spiffeIdBelow(id: SpiffeId, segment: Segment): SpiffeId {
  return parseSpiffeId(`${id}/${segment}`);
}

/** Names one attempt of one step of one run. */
export type StepName = { readonly runId: Segment; readonly step: Segment; readonly attempt: number };

/**
 * The identity of a step: the agent's own path and the fixed suffix from which a step can always be read back.
 *
 * @throws BrokerError INVALID_FIELD when the whole is longer than SPIFFE allows to generate
 * @see contracts section 1
 */
export function stepSpiffeId(agent: SpiffeId, name: StepName): SpiffeId {
  return parseSpiffeId(`${agent}/run/${name.runId}/step/${name.step}/${name.attempt}`);
}

const STEP_SUFFIX = /^(.+)\/run\/([^/]+)\/step\/([^/]+)\/([1-9][0-9]{0,9})$/;

/** Reads a step back from its SPIFFE ID; `undefined` when the ID is not a step's. */
export function stepNameOf(id: SpiffeId): (StepName & { readonly agent: SpiffeId }) | undefined {
  const match = STEP_SUFFIX.exec(id);
  const [, agent, runId, step, attempt] = match ?? [];
  if (agent === undefined || runId === undefined || step === undefined || attempt === undefined) return undefined;
  if (pathOf(agent as SpiffeId) === "") return undefined;
  return { agent: agent as SpiffeId, runId: runId as Segment, step: step as Segment, attempt: Number(attempt) };
}

const INFRASTRUCTURE = /^\/(runtime|verifier|operator|stint\/node)\/([^/]+)$/;
const MACHINE = /^\/(stint\/node)\/([^/]+)\/([^/]+)$/;
const INFRASTRUCTURE_KINDS = ["runtime", "verifier", "operator", "node"] as const;

type InfrastructureName = {
  readonly kind: (typeof INFRASTRUCTURE_KINDS)[number];
  readonly name: Segment;
  /** Of nodes that are a group: which of its machines. */
  readonly machine?: Segment;
};

/** What a runtime's, verifier's, operator's or node's SPIFFE ID names; `undefined` for any other SPIFFE ID. */
export function infrastructureNameOf(id: SpiffeId): InfrastructureName | undefined {
  const [, path, name, machine] = INFRASTRUCTURE.exec(pathOf(id)) ?? MACHINE.exec(pathOf(id)) ?? [];
  const kind = INFRASTRUCTURE_KINDS.find((one) => path === one || path === `stint/${one}`);
  if (kind === undefined || name === undefined) return undefined;
  return { kind, name: name as Segment, ...(machine === undefined ? {} : { machine: machine as Segment }) };
}

/** Whether a text is a SPIFFE ID, for code that must not throw. */
export function isSpiffeId(text: string): text is SpiffeId {
  try {
    parseSpiffeId(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof BrokerError) return false;
    throw thrown;
  }
}
