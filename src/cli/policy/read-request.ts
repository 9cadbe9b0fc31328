import { invalidField } from "../../domain/errors.ts";
import { ACTIONS, type Grant, parseGrant } from "../../domain/grant.ts";
import { RISK_LEVELS, type RiskAround } from "../../domain/risk.ts";
import type { RunFacts } from "../../domain/run-facts.ts";
import { parseSegment, type Segment, type StepName } from "../../domain/spiffe-id.ts";
import type { UnixMicros } from "../../domain/time.ts";
import { POLICY_ACTS, type PolicyRequest, type Principal } from "../../ports/policy-engine.ts";
import { count, listOf, memberOf, members, oneOf, type Read, text } from "./read-value.ts";

type Mapping = Readonly<Record<string, unknown>>;

const segment: Read<Segment> = (input, field) => parseSegment(text(input, field), field);
const risk = oneOf(RISK_LEVELS);

const MEMBERS = [
  "act",
  "agent",
  "run",
  "step",
  "attempt",
  "runtime",
  "workflow",
  "parent",
  "principal",
  "grant",
  "facts",
  "risk",
  "depth",
  "selectors",
  "confined_to",
  "at",
] as const;
/** When no test says when. */
const AT_DEFAULT = "2026-01-01T12:00:00Z";
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z$/;

/**
 * Reads the request of a test. Only `agent` and `grant` must be there: the rest is a first step in a new run, without
 * principal, at low risk.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function readRequest(input: unknown, field: string): PolicyRequest {
  const request = members(input, field, MEMBERS);
  const at = <Value>(name: (typeof MEMBERS)[number], read: Read<Value>): Value | undefined =>
    optional(request, name, field, read);
  const runtime = at("runtime", segment);
  const workflow = at("workflow", text);
  const parent = at("parent", readParent);
  const principal = at("principal", readPrincipal);
  const confinedTo = at("confined_to", listOf(text));
  const grant = readGrant(memberOf(request, "grant"), `${field}.grant`);
  return {
    act: at("act", oneOf(POLICY_ACTS)) ?? "open",
    agent: segment(memberOf(request, "agent"), `${field}.agent`),
    name: readName(request, field),
    ...(runtime !== undefined && { runtime }),
    ...(workflow !== undefined && { workflow }),
    ...(parent !== undefined && { parent }),
    ...(principal !== undefined && { principal }),
    requested: grant,
    elements: grant,
    facts: readFacts(memberOf(request, "facts") ?? {}, `${field}.facts`),
    risk: readRisk(memberOf(request, "risk") ?? "low", `${field}.risk`),
    depth: at("depth", count) ?? (parent === undefined ? 0 : 1),
    selectors: at("selectors", listOf(text)) ?? [],
    ...(confinedTo !== undefined && { confinedTo }),
    at: at("at", readInstant) ?? readInstant(AT_DEFAULT, field),
  };
}

function optional<Value>(mapping: Mapping, name: string, field: string, read: Read<Value>): Value | undefined {
  const value = memberOf(mapping, name);
  return value === undefined ? undefined : read(value, `${field}.${name}`);
}

function readName(mapping: Mapping, field: string): StepName {
  const attempt = optional(mapping, "attempt", field, count) ?? 1;
  if (attempt === 0) throw invalidField(`${field}.attempt`, "a whole number from 1");
  return {
    runId: optional(mapping, "run", field, segment) ?? ("run" as Segment),
    step: optional(mapping, "step", field, segment) ?? ("step" as Segment),
    attempt,
  };
}

const readParent: Read<{ readonly agent: Segment; readonly name: StepName }> = (input, field) => {
  const parent = members(input, field, ["agent", "run", "step", "attempt"]);
  return { agent: segment(memberOf(parent, "agent"), `${field}.agent`), name: readName(parent, field) };
};

const readPrincipal: Read<Principal> = (input, field) => {
  const principal = members(input, field, ["iss", "sub", "claims"]);
  const claims = members(memberOf(principal, "claims") ?? {}, `${field}.claims`, undefined);
  return {
    iss: text(memberOf(principal, "iss"), `${field}.iss`),
    sub: text(memberOf(principal, "sub"), `${field}.sub`),
    claims: Object.fromEntries(
      Object.keys(claims).map((name) => [name, readClaim(claims[name], `${field}.claims.${name}`)]),
    ),
  };
};

const readClaim: Read<Principal["claims"][string]> = (input, field) => {
  if (typeof input === "string" || typeof input === "number" || typeof input === "boolean") return input;
  return listOf(text)(input, field);
};

/** `type` may be left out, as there is one alone. */
function readGrant(input: unknown, field: string): Grant {
  if (!Array.isArray(input) || input.length === 0) throw invalidField(field, "a list of at least one element");
  const isMapping = (one: unknown): one is object => typeof one === "object" && one !== null && !Array.isArray(one);
  const elements = input.map((one: unknown) => (isMapping(one) ? { type: "mcp_tool", ...one } : one));
  return parseGrant(elements, { ceiling: false }, field);
}

const readFacts: Read<RunFacts> = (input, field) => {
  const facts = members(input, field, ["classes", "actions", "steps", "steps_open"]);
  return {
    classes: optional(facts, "classes", field, listOf(text)) ?? [],
    actions: optional(facts, "actions", field, listOf(oneOf(ACTIONS))) ?? [],
    steps: optional(facts, "steps", field, count) ?? 0,
    stepsOpen: optional(facts, "steps_open", field, count) ?? 0,
  };
};

/** One level is that of the run. */
const readRisk: Read<RiskAround> = (input, field) => {
  if (typeof input === "string") return { domain: "low", agent: "low", run: risk(input, field) };
  const around = members(input, field, ["domain", "agent", "run"]);
  const of = (scope: string) => optional(around, scope, field, risk) ?? "low";
  return { domain: of("domain"), agent: of("agent"), run: of("run") };
};

const readInstant: Read<UnixMicros> = (input, field) => {
  const instant = text(input, field);
  const milliseconds = INSTANT.test(instant) ? Date.parse(instant) : Number.NaN;
  if (Number.isNaN(milliseconds)) throw invalidField(field, "an instant such as 2026-01-31T12:00:00Z");
  return (milliseconds * 1_000) as UnixMicros;
};
