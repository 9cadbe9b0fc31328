import { isBrokerAudience } from "./delegation.ts";
import { checkSelectorsTogether } from "./entry-selectors.ts";
import { BrokerError, invalidField } from "./errors.ts";
import { checkAudience, checkResourceUri, parseGrant } from "./grant.ts";
import { LIMITS } from "./limits.ts";
import { parseMachineName } from "./node-machine.ts";
import {
  type AgentContent,
  type EntryContent,
  type NodeContent,
  OPERATOR_ROLES,
  type OperatorContent,
  type RuntimeContent,
  type VerifierContent,
} from "./registration-entry.ts";
import { parseSelector, type Selector } from "./selector.ts";
import { parseReceiptKey } from "./signed-receipt.ts";
import {
  parseSegment,
  parseSpiffeId,
  parseTrustDomain,
  type Segment,
  type SpiffeId,
  spiffeIdAt,
  type TrustDomain,
} from "./spiffe-id.ts";

const TEMPLATE_DEFAULT = "/agent/{agent}";
/** At this length, with `{agent}` once and the longest names, a step's SPIFFE ID is within SPIFFE's 2,048 bytes. */
const TEMPLATE_BYTES_MAX = 1_024;
/** First path segments of broker, runtimes, verifiers, operators: no agent's identity may be read as one of theirs. */
const RESERVED = ["stint", "runtime", "verifier", "operator"] as const;
const AUDIENCES_MAX = 256;
const AGENTS_MAX = 1_000;
/** Each message of a bundle stream has the bundles of all trust domains that an entry names. */
const TRUST_DOMAINS_MAX = 32;
/** Of a group that has more machines in other hands, nothing is to be believed. */
const BARRED_MACHINES_MAX = 256;
const OPEN_STEPS_MAX = 1_000_000;
/** The event that records an entry holds at most `LIMITS.eventBytesMax`; the rest is for what the ledger adds. */
const ENTRY_BYTES_MAX = 48 * 1_024;

/** An entry as it comes from outside, from the configuration or the API; absent members take their defaults. */
export type EntryContentInput =
  | {
      readonly kind: "agent";
      readonly name: string;
      readonly selectors: readonly string[];
      readonly federatesWith?: readonly string[] | undefined;
      readonly spiffeIdTemplate?: string | undefined;
      /** The elements of a grant, as `parseGrant` takes them. */
      readonly ceiling?: unknown;
      readonly audiences?: readonly string[] | undefined;
      readonly exchangeAudiences?: readonly string[] | undefined;
      readonly jwtSvidTtlSeconds?: number | undefined;
      readonly x509SvidTtlSeconds?: number | undefined;
      readonly stepSecondsMax?: number | undefined;
      readonly mayOpen?: boolean | undefined;
      readonly allowAnyExecutor?: boolean | undefined;
      readonly allowMultipleAudiences?: boolean | undefined;
      readonly allowExecutorTree?: boolean | undefined;
      readonly executorOpenStepsMax?: number | undefined;
      readonly allowDescendants?: boolean | undefined;
    }
  | {
      readonly kind: "runtime";
      readonly name: string;
      readonly selectors: readonly string[];
      readonly federatesWith?: readonly string[] | undefined;
      readonly agents: readonly string[];
      readonly openStepsMax?: number | undefined;
      readonly allowDescendants?: boolean | undefined;
    }
  | {
      readonly kind: "verifier";
      readonly name: string;
      readonly selectors: readonly string[];
      readonly federatesWith?: readonly string[] | undefined;
      readonly audiences: readonly string[];
      readonly maxStalenessSeconds?: number | undefined;
      readonly receiptKey?: string | undefined;
      readonly eventsUrl?: string | undefined;
    }
  | {
      readonly kind: "operator";
      readonly name: string;
      readonly selectors: readonly string[];
      readonly role: string;
    }
  | {
      readonly kind: "node";
      readonly name: string;
      readonly selectors: readonly string[];
      readonly machineName?: string | undefined;
      readonly barredMachines?: readonly string[] | undefined;
    };

/**
 * Accepts what an entry says, whole or not at all, with its defaults filled in.
 *
 * @param prefix - put before the members' names in messages, e.g. `entries[2].`; the names are those of the contract
 * (`jwt_svid_ttl`).
 * @throws BrokerError INVALID_FIELD naming the member; LIMIT_EXCEEDED for a grant or an entry that is too large
 * @see contracts sections 1, 2 and 6
 */
export function parseEntryContent(input: EntryContentInput, prefix = ""): EntryContent {
  const content = parseKind(input, (member) => `${prefix}${member}`);
  if (new TextEncoder().encode(JSON.stringify(content)).length > ENTRY_BYTES_MAX) {
    throw new BrokerError("LIMIT_EXCEEDED", `${prefix}${input.kind}: at most ${ENTRY_BYTES_MAX} bytes in all`);
  }
  return content;
}

/** How messages call a member. */
type FieldOf = (member: string) => string;

function parseKind(input: EntryContentInput, field: FieldOf): EntryContent {
  switch (input.kind) {
    case "agent":
      return parseAgent(input, field);
    case "runtime":
      return parseRuntime(input, field);
    case "verifier":
      return parseVerifier(input, field);
    case "operator":
      return parseOperator(input, field);
    case "node":
      return parseNode(input, field);
  }
}

function parseNode(input: InputOf<"node">, field: FieldOf): NodeContent {
  const selectors = parseSelectors(input, field("selectors"));
  const { machineName = "", barredMachines = [] } = input;
  if (machineName === "" && barredMachines.length > 0) {
    throw invalidField(field("barred_machines"), "none without machine_name: disable the entry of a single machine");
  }
  checkList(barredMachines, { min: 0, max: BARRED_MACHINES_MAX }, field("barred_machines"));
  const barred = barredMachines.map((one) => parseSegment(one, field("barred_machines")));
  return {
    kind: "node",
    name: parseSegment(input.name, field("name")),
    selectors,
    ...(machineName === "" ? {} : { machineName: parseMachineName(machineName, selectors, field("machine_name")) }),
    ...(barred.length === 0 ? {} : { barredMachines: barred }),
  };
}

type InputOf<Kind> = Extract<EntryContentInput, { readonly kind: Kind }>;

function parseAgent(input: InputOf<"agent">, field: FieldOf): AgentContent {
  const name = parseSegment(input.name, field("name"));
  const ceiling = parseGrant(input.ceiling ?? [], { ceiling: true }, field("ceiling"));
  const audiences = parseAudiences(input.audiences ?? [], field("audiences"));
  const exchangeAudiences = parseAudiences(input.exchangeAudiences ?? [], field("exchange_audiences"));
  if (!exchangeAudiences.every((one) => audiences.includes(one))) {
    throw invalidField(field("exchange_audiences"), "only audiences that are listed in audiences too");
  }
  return {
    kind: "agent",
    name,
    selectors: parseSelectors(input, field("selectors")),
    spiffeIdTemplate: parseTemplate(input.spiffeIdTemplate ?? TEMPLATE_DEFAULT, name, field("spiffe_id_template")),
    ceiling,
    audiences,
    exchangeAudiences,
    jwtSvidTtlSeconds: parseTtl(input.jwtSvidTtlSeconds, LIMITS.jwtSvidTtlSecondsDefault, field("jwt_svid_ttl")),
    x509SvidTtlSeconds: parseTtl(input.x509SvidTtlSeconds, LIMITS.x509SvidTtlSecondsDefault, field("x509_svid_ttl")),
    stepSecondsMax: parseWhole(input.stepSecondsMax ?? LIMITS.stepSecondsMaxDefault, field("step_duration_max"), {
      min: LIMITS.stepSecondsLeftMin,
      max: LIMITS.stepSecondsMax,
      unit: " s",
    }),
    mayOpen: input.mayOpen ?? false,
    allowAnyExecutor: input.allowAnyExecutor ?? false,
    allowMultipleAudiences: input.allowMultipleAudiences ?? false,
    ...parseExecutors(input, field),
    ...(input.allowDescendants === true ? { allowDescendants: true } : {}),
    ...parseFederatesWith(input.federatesWith, field("federates_with")),
  };
}

/** What is as it was before there was a word for it is left out, so that the content equals what was recorded then. */
function parseExecutors(
  { allowExecutorTree, executorOpenStepsMax }: InputOf<"agent">,
  field: FieldOf,
): Pick<AgentContent, "allowExecutorTree" | "executorOpenStepsMax"> {
  const bounds = { min: 1, max: LIMITS.openStepsPerExecutorMax, unit: "" };
  return {
    ...(allowExecutorTree === true ? { allowExecutorTree } : {}),
    ...(executorOpenStepsMax === undefined
      ? {}
      : { executorOpenStepsMax: parseWhole(executorOpenStepsMax, field("executor_open_steps_max"), bounds) }),
  };
}

function parseRuntime(input: InputOf<"runtime">, field: FieldOf): RuntimeContent {
  checkList(input.agents, { min: 1, max: AGENTS_MAX }, field("agents"));
  return {
    kind: "runtime",
    name: parseSegment(input.name, field("name")),
    selectors: parseSelectors(input, field("selectors")),
    agents: input.agents.map((agent): Segment => parseSegment(agent, field("agents"))),
    openStepsMax: parseWhole(input.openStepsMax ?? LIMITS.openStepsPerRuntimeDefault, field("open_steps_max"), {
      min: 1,
      max: OPEN_STEPS_MAX,
      unit: "",
    }),
    ...(input.allowDescendants === true ? { allowDescendants: true } : {}),
    ...parseFederatesWith(input.federatesWith, field("federates_with")),
  };
}

function parseOwnReceiptKey(receiptKey: string | undefined, field: string): Pick<VerifierContent, "receiptKey"> {
  if (receiptKey === undefined) return {};
  parseReceiptKey(receiptKey, field);
  return { receiptKey };
}

function parseVerifier(input: InputOf<"verifier">, field: FieldOf): VerifierContent {
  checkList(input.audiences, { min: 1, max: AUDIENCES_MAX }, field("audiences"));
  return {
    kind: "verifier",
    name: parseSegment(input.name, field("name")),
    selectors: parseSelectors(input, field("selectors")),
    audiences: parseAudiences(input.audiences, field("audiences")),
    maxStalenessSeconds: parseWhole(
      input.maxStalenessSeconds ?? LIMITS.maxStalenessSecondsMax,
      field("max_staleness"),
      {
        min: 1,
        max: LIMITS.maxStalenessSecondsMax,
        unit: " s",
      },
    ),
    ...parseOwnReceiptKey(input.receiptKey, field("receipt_key")),
    ...(input.eventsUrl === undefined ? {} : { eventsUrl: parseEventsUrl(input.eventsUrl, field("events_url")) }),
    ...parseFederatesWith(input.federatesWith, field("federates_with")),
  };
}

/** Only whoever registers the receiver says where events go: the URL comes from no request, and no redirect is followed. */
function parseEventsUrl(url: string, field: string): string {
  checkResourceUri(url, field);
  if (!url.startsWith("https://")) throw invalidField(field, "an https URL");
  return url;
}

function parseOperator(input: InputOf<"operator">, field: FieldOf): OperatorContent {
  const role = OPERATOR_ROLES.find((known) => known === input.role);
  if (role === undefined) throw invalidField(field("role"), `one of ${OPERATOR_ROLES.join(", ")}`);
  return {
    kind: "operator",
    name: parseSegment(input.name, field("name")),
    selectors: parseSelectors(input, field("selectors")),
    role,
  };
}

function parseSelectors({ kind, selectors }: EntryContentInput, field: string): readonly Selector[] {
  // An entry without selectors would match nobody, and one day, by a bug, everybody.
  checkList(selectors, { min: 1, max: LIMITS.selectorsPerEntryMax }, field);
  const parsed = selectors.map((one) => parseSelector(one, field));
  checkSelectorsTogether(parsed, kind, field);
  return parsed;
}

function parseAudiences(input: readonly string[], field: string): readonly string[] {
  checkList(input, { min: 0, max: AUDIENCES_MAX }, field);
  for (const audience of input) {
    checkAudience(audience, field);
    // What is for a broker lets a runtime delegate, and nobody else may answer for it.
    if (isBrokerAudience(audience)) throw invalidField(field, "none that is a broker's own (/stint/server)");
  }
  return [...input];
}

/** An empty list is left out, so that the content equals what was recorded before there was federation. */
function parseFederatesWith(
  input: readonly string[] | undefined,
  field: string,
): { readonly federatesWith?: readonly TrustDomain[] } {
  if (input === undefined || input.length === 0) return {};
  checkList(input, { min: 1, max: TRUST_DOMAINS_MAX }, field);
  return { federatesWith: input.map((one) => parseTrustDomain(one, field)) };
}

function parseTemplate(template: string, name: Segment, field: string): string {
  const expected =
    "a path such as /agent/{agent}, with {agent} in it and not below /stint, /runtime, /verifier, /operator";
  const [before, first, ...rest] = template.split("/");
  const isPath = before === "" && first !== undefined && template.length <= TEMPLATE_BYTES_MAX;
  const isOurs = (RESERVED as readonly (string | undefined)[]).includes(first?.replaceAll("{agent}", name));
  // A path that reads as a step's would let an agent's own identity pass for a step of another agent.
  const readsAsStep = [first, ...rest].includes("run");
  if (!isPath || isOurs || readsAsStep || !template.includes("{agent}")) throw invalidField(field, expected);
  try {
    parseSpiffeId(`spiffe://t${pathAt(template, name)}`, field);
  } catch (thrown) {
    if (thrown instanceof BrokerError) throw invalidField(field, expected);
    throw thrown;
  }
  return template;
}

function pathAt(template: string, name: Segment): string {
  return template.replaceAll("{agent}", name);
}

function parseTtl(input: number | undefined, byDefault: number, field: string): number {
  return parseWhole(input ?? byDefault, field, {
    min: LIMITS.svidTtlSecondsMin,
    max: LIMITS.svidTtlSecondsMax,
    unit: " s",
  });
}

function parseWhole(
  input: number,
  field: string,
  bounds: { readonly min: number; readonly max: number; readonly unit: string },
): number {
  if (!Number.isInteger(input) || input < bounds.min || input > bounds.max) {
    throw invalidField(field, `a whole number from ${bounds.min}${bounds.unit} to ${bounds.max}${bounds.unit}`);
  }
  return input;
}

function checkList(
  input: readonly string[],
  bounds: { readonly min: number; readonly max: number },
  field: string,
): void {
  if (input.length < bounds.min) throw invalidField(field, "a non-empty list");
  if (input.length > bounds.max) throw invalidField(field, `at most ${bounds.max} elements`);
  if (new Set(input).size !== input.length) throw invalidField(field, "no element twice");
}

/**
 * The SPIFFE ID of what an entry registers: the stable ID of an agent, or the ID of a runtime, a verifier, an operator
 * or the broker.
 *
 * @see contracts section 1
 */
export function entrySpiffeId(trustDomain: TrustDomain, content: EntryContent): SpiffeId {
  return spiffeIdAt(trustDomain, pathOf(content), "spiffe_id_template");
}

function pathOf(content: EntryContent): string {
  switch (content.kind) {
    case "agent":
      return pathAt(content.spiffeIdTemplate, content.name);
    case "server":
      return `/stint/${content.name}`;
    case "node":
      return `/stint/node/${content.name}`;
    default:
      return `/${content.kind}/${content.name}`;
  }
}
