import { invalidField } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/** What a tool call does to its data. */
export const ACTIONS = ["read", "write", "execute", "retrieve_secret", "move_data"] as const;
export type Action = (typeof ACTIONS)[number];

/**
 * One element of a grant, in the member names of RFC 9396. In a ceiling `*` may stand for locations and identifier, in
 * a request for the identifier only.
 */
export type GrantElement = {
  readonly type: "mcp_tool";
  readonly locations: readonly string[];
  readonly identifier: string;
  readonly actions: readonly Action[];
  readonly datatypes: readonly string[];
  /**
   * How many calls the element allows, all in all. Absent: any number, and no call has to be asked for. Only the broker
   * counts: a verifier that meets it asks `Authorizations.Check` for each call, or refuses.
   */
  readonly max_calls?: number;
  /**
   * Digest of the definition (`ToolDefinition`) for which alone the element holds, hexadecimal; with a named tool. Absent: whichever
   * definition the server shows. A verifier that does not know what the server shows refuses the element.
   */
  readonly definition_sha256?: string;
};

/** What a step may do. */
export type Grant = readonly GrantElement[];

export const ANY = "*";

const MEMBERS = ["type", "locations", "identifier", "actions", "datatypes", "max_calls", "definition_sha256"] as const;
const SHA256 = /^[0-9a-f]{64}$/;
/** RFC 6749 scope-token characters, since a tool's name becomes part of a scope token; MCP allows no others. */
const IDENTIFIER = /^[A-Za-z0-9._/-]{1,128}$/;
const DATATYPE = /^[A-Za-z0-9._-]{1,128}$/;
/** No white space, no control characters, and neither `"` nor `\`, which would break a header's quoted string. */
const PRINTABLE = /^[\u0021\u0023-\u005b\u005d-\u007e\u00a1-\u1fff\u2070-\ud7ff\uf900-\ufdff]+$/;

/**
 * Accepts a grant as it comes from outside: all members there but `max_calls` and `definition_sha256`, none unknown, URIs
 * canonical.
 *
 * @param input - any value, e.g. of `authorization_details` or of a configuration file.
 * @param options.ceiling - `*` may stand for locations too.
 * @param field - how messages name the grant.
 * @throws BrokerError INVALID_FIELD or LIMIT_EXCEEDED
 * @see RFC 9396 section 2, contracts section 2
 */
export function parseGrant(input: unknown, options: { readonly ceiling: boolean }, field = "grant"): Grant {
  if (!Array.isArray(input)) throw invalidField(field, "a list of elements of type mcp_tool");
  if (input.length > LIMITS.grantElementsMax) throw invalidField(field, `at most ${LIMITS.grantElementsMax} elements`);
  return input.map((element: unknown, index) => parseElement(element, options, `${field}[${index}]`));
}

function parseElement(input: unknown, options: { readonly ceiling: boolean }, field: string): GrantElement {
  if (typeof input !== "object" || input === null || Array.isArray(input)) throw invalidField(field, "an object");
  const members = input as { readonly [Name in (typeof MEMBERS)[number]]?: unknown };
  if (!Object.keys(members).every((name) => (MEMBERS as readonly string[]).includes(name))) {
    throw invalidField(field, `only the members ${MEMBERS.join(", ")}`);
  }
  if (members.type !== "mcp_tool") throw invalidField(`${field}.type`, '"mcp_tool"');
  const { identifier, max_calls: calls, definition_sha256: definition } = members;
  if (typeof identifier !== "string" || (identifier !== ANY && !IDENTIFIER.test(identifier))) {
    throw invalidField(
      `${field}.identifier`,
      "a tool name of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '/', '-', or '*'",
    );
  }
  const locations = strings(members.locations, `${field}.locations`);
  for (const location of locations) {
    if (location === ANY && options.ceiling) continue;
    checkResourceUri(location, `${field}.locations`);
  }
  const actions = strings(members.actions, `${field}.actions`);
  if (!actions.every(isAction)) throw invalidField(`${field}.actions`, `of ${ACTIONS.join(", ")}`);
  const datatypes = strings(members.datatypes, `${field}.datatypes`);
  if (!datatypes.every(isDatatype)) {
    throw invalidField(`${field}.datatypes`, "names of 1 to 128 characters A-Z, a-z, 0-9, '.', '_', '-'");
  }
  if (calls !== undefined && !isCallCount(calls)) {
    throw invalidField(`${field}.max_calls`, `a whole number from 1 to ${LIMITS.grantCallsMax}`);
  }
  if (definition !== undefined && (identifier === ANY || !isDefinitionDigest(definition))) {
    throw invalidField(`${field}.definition_sha256`, "64 digits 0-9 and a-f, with the name of one tool");
  }
  return {
    ...({ type: "mcp_tool", locations, identifier, actions, datatypes } as const),
    ...(calls === undefined ? {} : { max_calls: calls }),
    ...(definition === undefined ? {} : { definition_sha256: definition }),
  };
}

function isDefinitionDigest(value: unknown): value is string {
  return typeof value === "string" && SHA256.test(value);
}

function strings(input: unknown, field: string): readonly string[] {
  const isList = Array.isArray(input) && input.length > 0 && input.every((one) => typeof one === "string");
  if (!isList) throw invalidField(field, "a non-empty list of strings");
  const list = input as string[];
  if (list.length > LIMITS.grantListMax) throw invalidField(field, `at most ${LIMITS.grantListMax} elements`);
  if (list.length > 1 && new Set(list).size !== list.length) throw invalidField(field, "no element twice");
  return list;
}

export function isAction(text: string): text is Action {
  return (ACTIONS as readonly string[]).includes(text);
}

/**
 * Accepts a resource URI only in the one form in which it will be compared; nothing is normalized behind the caller's
 * back, since policy, token and verifier must all see the same bytes.
 *
 * @throws BrokerError INVALID_FIELD
 * @see RFC 8707 section 2, RFC 3986 section 6.2.2
 */
export function checkResourceUri(text: string, field: string): void {
  const expected =
    "a canonical http(s) URI: lower-case scheme and host, no default port, fragment, dot segment or trailing slash";
  const url = text.length === 0 || text.length > LIMITS.uriBytesMax ? null : URL.parse(text);
  if (url === null) throw invalidField(field, expected);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw invalidField(field, expected);
  if (url.username !== "" || url.password !== "" || url.hash !== "" || text.includes("#")) {
    throw invalidField(field, expected);
  }
  // The parser prints a bare origin with a slash, which the canonical form leaves out.
  const isOrigin = url.pathname === "/" && url.search === "";
  const isCanonical = isOrigin ? text === url.origin : text === url.href && !url.pathname.endsWith("/");
  if (!isCanonical || text.endsWith("?")) throw invalidField(field, expected);
}

/** Whether this is the name of one tool. */
export function isToolName(text: string): boolean {
  return IDENTIFIER.test(text);
}

function isCallCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= LIMITS.grantCallsMax;
}

/** Whether a text can be the name of a class of data. */
export function isDatatype(text: string): boolean {
  return DATATYPE.test(text);
}

/** Whether the element `wide` permits all that the element `narrow` asks, and as many calls of it. */
export function covers(wide: GrantElement, narrow: GrantElement): boolean {
  return coversUse(wide, narrow) && callsLeft(wide) >= callsLeft(narrow);
}

/** Without a bound there is no end of calls: such an element is wider than any with one. */
function callsLeft({ max_calls: calls = Number.POSITIVE_INFINITY }: GrantElement): number {
  return calls;
}

/** Whether the element `wide` permits what the element `narrow` asks, however often. */
function coversUse(wide: GrantElement, narrow: Omit<GrantElement, "max_calls">): boolean {
  return (
    (wide.identifier === ANY || wide.identifier === narrow.identifier) &&
    (wide.definition_sha256 === undefined || wide.definition_sha256 === narrow.definition_sha256) &&
    (wide.locations.includes(ANY) || narrow.locations.every((one) => wide.locations.includes(one))) &&
    narrow.actions.every((one) => wide.actions.includes(one)) &&
    narrow.datatypes.every((one) => wide.datatypes.includes(one))
  );
}

/**
 * What a limit leaves of each element that is asked for, at its place; `undefined` where nothing. The calls that are asked
 * for come off the element that covers them, the first that has so many left: a budget that is asked for in parts is no
 * larger than in one.
 *
 * @param narrows - an element that no other has so many calls left for is given the calls that are left, if there are any.
 */
export function limitedTo(
  asked: readonly (GrantElement | undefined)[],
  limit: Grant,
  narrows = false,
): readonly (GrantElement | undefined)[] {
  const left = limit.map(callsLeft);
  const leftAt = (index: number) => left[index] ?? 0;
  return asked.map((element) => {
    if (element === undefined) return undefined;
    const calls = callsLeft(element);
    const covering = limit.flatMap((wide, index) => (coversUse(wide, element) ? [index] : []));
    const enough = covering.find((index) => leftAt(index) >= calls);
    const isBounded = calls !== Number.POSITIVE_INFINITY;
    // Whoever asks for any number of calls may not know of budgets, and is given none.
    const [most] = narrows && isBounded ? covering.toSorted((one, other) => leftAt(other) - leftAt(one)) : [];
    const found = enough ?? most;
    if (found === undefined || leftAt(found) < 1) return undefined;
    if (!isBounded) return element;
    const granted = Math.min(calls, leftAt(found));
    left[found] = leftAt(found) - granted;
    return granted === calls ? element : { ...element, max_calls: granted };
  });
}

/** Splits what is asked into the elements that one element of `limit` covers and the elements that none covers. */
export function divide(asked: Grant, limit: Grant): { readonly permitted: Grant; readonly refused: Grant } {
  const limited = limitedTo(asked, limit);
  return {
    permitted: asked.filter((_, index) => limited[index] !== undefined),
    refused: asked.filter((_, index) => limited[index] === undefined),
  };
}

/** How many calls were counted, by the place of the element in its grant; an element that counted none is missing. */
export type CallCounts = ReadonlyMap<number, number>;

/** A grant with no more calls than are left of it. */
export function grantLeft(grant: Grant, calls: CallCounts): Grant {
  return grant.flatMap((element, index): Grant => {
    if (element.max_calls === undefined) return [element];
    const left = element.max_calls - (calls.get(index) ?? 0);
    return left <= 0 ? [] : [{ ...element, max_calls: left }];
  });
}

/** Only what is asked for with a budget can be more than is left of one. */
export function asksForBudget(grant: Grant): boolean {
  return grant.some((element) => element.max_calls !== undefined);
}

/** `a ⊆ b`: every element of `a` is covered by one element of `b`, and all together by the calls that `b` allows. */
export function isWithin(a: Grant, b: Grant): boolean {
  return divide(a, b).refused.length === 0;
}

/** The part of a grant that holds at one audience, with that audience as its only location. */
export function narrowTo(grant: Grant, audience: string): Grant {
  return grant
    .filter((element) => element.locations.includes(audience))
    .map((element) => ({ ...element, locations: [audience] }));
}

/** The elements of a grant that permit a use, however often, together with what they are counted by. */
export type Coverage = {
  readonly isCovered: boolean;
  /**
   * Places, in the grant, of the elements whose calls have to be counted, each of which must have a call left: all that
   * cover the use, unless one without a bound covers it too. So the order of elements decides nothing.
   */
  readonly counted: readonly number[];
  /** Only for another definition of the tool, or for one where the use does not say of which it is, does an element cover it. */
  readonly isOfOtherDefinition: boolean;
};

/** How a grant covers one use. */
export function coverageOf(grant: Grant, use: Omit<GrantElement, "max_calls">): Coverage {
  const covering = grant.flatMap((element, index) => (coversUse(element, use) ? [index] : []));
  const isUnbounded = covering.some((index) => grant[index]?.max_calls === undefined);
  const isCovered = covering.length > 0;
  const isOfOtherDefinition = !isCovered && grant.some((element) => coversUse(ofAnyDefinition(element), use));
  return { isCovered, counted: isUnbounded ? [] : covering, isOfOtherDefinition };
}

function ofAnyDefinition({ definition_sha256: _, ...element }: GrantElement): GrantElement {
  return element;
}

/**
 * A request in which each element says for which definition it is, where the limit that covers it says so: whoever asks need not
 * know the digest, and is given no more than the limit has.
 */
export function withDefinitionsOf(asked: Grant, limit: Grant): Grant {
  return asked.map((element) => {
    const isOpen = element.definition_sha256 === undefined && element.identifier !== ANY;
    if (!isOpen || limit.some((wide) => coversUse(wide, element))) return element;
    const found = limit.find((wide) => coversUse(ofAnyDefinition(wide), element))?.definition_sha256;
    return found === undefined ? element : { ...element, definition_sha256: found };
  });
}

/** All locations of a grant, each once, in order of appearance. */
export function locationsOf(grant: Grant): readonly string[] {
  return [...new Set(grant.flatMap((element) => element.locations))];
}

/**
 * `scope` of a token: one `mcp:tool:<name>` for each named tool; `*` names none. A tool that may be called so many times
 * only, or as long as it is what it was, is not named: whoever goes by the scope alone would let it be called for ever.
 */
export function scopeOf(grant: Grant): string {
  const unbounded = grant.filter(
    ({ max_calls: calls, definition_sha256: definition }) => calls === undefined && definition === undefined,
  );
  const names = new Set(unbounded.map((element) => element.identifier).filter((name) => name !== ANY));
  return [...names].map((name) => `mcp:tool:${name}`).join(" ");
}

/**
 * A grant for a message to people: `search at https://… (read; internal)`, `… (read; internal; 5 calls at most)`,
 * `… (read; internal; definition 0a1b2c3d4e5f…)`.
 */
export function formatGrant(grant: Grant): string {
  return grant.map(formatElement).join("; ");
}

function formatElement(element: GrantElement): string {
  const { identifier, locations, actions, datatypes, max_calls: calls, definition_sha256: definition } = element;
  const only = definition === undefined ? "" : `; definition ${definition.slice(0, 12)}…`;
  const most = calls === undefined ? "" : `; ${calls} ${calls === 1 ? "call" : "calls"} at most`;
  return `${identifier} at ${locations.join(", ")} (${actions.join(", ")}; ${datatypes.join(", ")}${most}${only})`;
}

/**
 * Accepts an audience: an RFC 7519 StringOrURI, so a text with a colon must be a URI. An http(s) URI must be canonical.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function checkAudience(text: string, field: string): void {
  if (/^https?:/i.test(text)) {
    checkResourceUri(text, field);
    return;
  }
  const printable = text.length <= LIMITS.uriBytesMax && PRINTABLE.test(text);
  if (!printable || text === ANY || (text.includes(":") && !URL.canParse(text))) {
    throw invalidField(field, "a string without spaces, or a URI (RFC 7519 StringOrURI)");
  }
}
