import { type ToolUse, VerificationError, type VerifiedStep } from "../verifier/index.ts";
import { coverageOfUse } from "../verifier/tool-use.ts";
import { type GuardSettings, isOtherMethod, scopeOfTool, type ToolNeeds } from "./guard-settings.ts";
import { decodeHeaderValue } from "./header-value.ts";
import type { JsonRpcMessage, JsonRpcResponse } from "./json-rpc-message.ts";
import { type FeatureUse, featureHeaderOf, featureUseOf, listsFeatures } from "./named-features.ts";
import { type ChallengeTerms, REFUSAL_CODES, type Refusal, refusal, refusalOf } from "./refusal.ts";
import { useOf } from "./visible-features.ts";

/** What a step may do with its message. */
export type Permit = {
  readonly kind: "permit";
  /** Present for a call of a tool. */
  readonly use?: ToolUse;
  /** Present for a call that the broker has to allow: what it is called with. */
  readonly check?: { readonly arguments: unknown };
};

const CALL = "tools/call";
const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";
/** From this revision on, the standard headers are required, and there are no sessions. */
const MODERN_SINCE = "2026-07-28";

/**
 * Whether a step may send this message: a tool's call by the tool map and the step's grant, anything else by the list of
 * methods. The standard headers, by which a proxy may already have decided, must say the same as the body.
 *
 * @see MCP Streamable HTTP, standard headers
 */
export function authorizeMessage(
  settings: GuardSettings,
  verified: VerifiedStep,
  message: JsonRpcMessage,
  headers: Headers,
  terms: ChallengeTerms,
): Permit | Refusal {
  const modern = isModern(message, headers);
  const mismatch = headerMismatch(settings, message, headers, modern);
  if (mismatch !== undefined) return refusal({ ...HEADER_MISMATCH, message: mismatch });
  if (message.method === CALL) return authorizeCall(settings, verified, message, terms);
  const feature = featureUseOf(settings.features, message.method, message.params);
  if (feature !== undefined) return authorizeFeature(settings, verified, message, feature, terms);
  const isListed = listsFeatures(settings.features, message.method);
  if (isListed || isOtherMethod(settings.otherMethods, message.method)) return { kind: "permit" };
  return refusal({
    status: methodRefusedStatus(message, modern),
    code: REFUSAL_CODES.methodNotFound,
    reason: "METHOD_REFUSED",
    message: "the method is not one that this server permits",
  });
}

/** A response answers what the server has asked in a session; elsewhere there is nobody whom it could reach. */
export function authorizeResponse(sessionId: string | undefined): Permit | Refusal {
  return sessionId === undefined ? NOT_IN_SESSION : { kind: "permit" };
}

const NOT_IN_SESSION = refusal({
  status: 400,
  code: REFUSAL_CODES.invalidRequest,
  reason: "REQUEST_MALFORMED",
  message: "a JSON-RPC response must be sent in the session in which it was asked for",
});

function authorizeCall(
  settings: GuardSettings,
  verified: VerifiedStep,
  message: JsonRpcMessage,
  terms: ChallengeTerms,
): Permit | Refusal {
  const { name } = message.params;
  if (typeof name !== "string" || message.id === undefined) {
    return refusal({
      status: 400,
      code: REFUSAL_CODES.invalidRequest,
      reason: "REQUEST_MALFORMED",
      message: "tools/call must be a request that names its tool",
    });
  }
  const needs = settings.tools.get(name);
  if (needs === undefined) {
    // As a server answers that has no such tool.
    return refusal({
      status: 200,
      code: REFUSAL_CODES.invalidParams,
      reason: "TOOL_UNDECLARED",
      message: "the tool is not one that this server permits",
    });
  }
  const call = { tool: name, needs, isCall: true, given: message.params["arguments"] };
  return authorizeUse(settings, verified, call, terms);
}

/** What may be read or asked for as if a tool did it. */
function authorizeFeature(
  settings: GuardSettings,
  verified: VerifiedStep,
  { id, params }: JsonRpcMessage,
  { kind, name, tool }: FeatureUse,
  terms: ChallengeTerms,
): Permit | Refusal {
  if (name === undefined || id === undefined) {
    return refusal({
      status: 400,
      code: REFUSAL_CODES.invalidRequest,
      reason: "REQUEST_MALFORMED",
      message: "the method must be of a request that names what it is for",
    });
  }
  const needs = tool === undefined ? undefined : settings.tools.get(tool);
  if (tool === undefined || needs === undefined) {
    // As a server answers that has none of this name.
    return refusal({
      status: 200,
      code: REFUSAL_CODES.invalidParams,
      reason: kind === "resources" ? "RESOURCE_UNDECLARED" : "PROMPT_UNDECLARED",
      message: `the ${kind === "resources" ? "resource" : "prompt"} is not one that this server permits`,
    });
  }
  return authorizeUse(settings, verified, { tool, needs, isCall: false, given: params }, terms);
}

/** @param asked.given - what it is done with, for a check by the broker. */
function authorizeUse(
  settings: GuardSettings,
  verified: VerifiedStep,
  asked: { readonly tool: string; readonly needs: ToolNeeds; readonly isCall: boolean; readonly given: unknown },
  terms: ChallengeTerms,
): Permit | Refusal {
  const { tool, needs, isCall, given } = asked;
  const { definitions, verifier } = settings;
  const use = useOf(tool, needs, definitions.digest(tool, verified));
  try {
    // Of a tool that is not accepted, a grant for another definition of it is no help.
    if (coverageOfUse(verified, use).isOfOtherDefinition) definitions.check(tool, verified, isCall);
    const isCounted = isLeftToTheBroker(() => verifier.authorize(verified, use));
    definitions.check(tool, verified, isCall);
    return isCounted || settings.checkedTools.has(tool)
      ? { kind: "permit", use, check: { arguments: given } }
      : { kind: "permit", use };
  } catch (thrown) {
    if (!(thrown instanceof VerificationError)) throw thrown;
    verifier.report(verified, use, "refused");
    return refusalOf(thrown, termsOfCall(settings, use, terms));
  }
}

/** Whether all holds but that the broker counts the calls. @throws what else `authorize` throws */
function isLeftToTheBroker(authorize: () => void): boolean {
  try {
    authorize();
    return false;
  } catch (thrown) {
    if (thrown instanceof VerificationError && thrown.code === "CHECK_REQUIRED") return true;
    throw thrown;
  }
}

/** The tool whose definition a message's permission hangs on; `undefined`: none. */
export function toolAskedFor(
  { tools, features }: Pick<GuardSettings, "tools" | "features">,
  { method, params }: JsonRpcMessage,
): string | undefined {
  const tool = method === CALL ? params["name"] : featureUseOf(features, method, params)?.tool;
  return typeof tool === "string" && tools.has(tool) ? tool : undefined;
}

/** What a challenge depends on, with what the call takes. */
export function termsOfCall(
  { resource }: Pick<GuardSettings, "resource">,
  { tool, actions, datatypes }: ToolUse,
  terms: ChallengeTerms,
): ChallengeTerms {
  const element = { type: "mcp_tool", locations: [resource], identifier: tool, actions, datatypes } as const;
  return { ...terms, scope: scopeOfTool(tool), use: element };
}

/**
 * No 403, since there is no token that would help: it is as if there were no such method. In the older protocol 404 would say
 * that the session is gone, and what has no answer can be refused by its status alone.
 *
 * @see SEP-2575
 */
function methodRefusedStatus({ id }: JsonRpcMessage, modern: boolean): number {
  if (modern) return 404;
  return id === undefined ? 400 : 200;
}

const HEADER_MISMATCH = {
  status: 400,
  code: REFUSAL_CODES.headerMismatch,
  reason: "HEADER_MISMATCH",
} as const;

/** @returns what differs, or `undefined`. */
function headerMismatch(
  { features }: Pick<GuardSettings, "features">,
  message: JsonRpcMessage,
  headers: Headers,
  modern: boolean,
): string | undefined {
  const required = message.id !== undefined && modern;
  const method = headers.get("mcp-method") ?? undefined;
  if (method === undefined ? required : method !== message.method) {
    return "the header Mcp-Method must be the method of the body";
  }
  // What other methods have in Mcp-Name decides nothing here, and is the server's to check.
  const member = message.method === CALL ? "name" : featureHeaderOf(features, message.method);
  if (member === undefined) return undefined;
  const name = headers.get("mcp-name");
  if (name === null ? required : decodeHeaderValue(name) !== message.params[member]) {
    const named = message.method === CALL ? "name of the tool" : member === "uri" ? "URI of the resource" : "name";
    return `the header Mcp-Name must be the ${named} in the body`;
  }
  if (!modern) return undefined;
  // Which argument each of these mirrors the tool's schema says, so that the rest is the server's to compare.
  const isUnreadable = ([header, value]: [string, string]) =>
    header.startsWith("mcp-param-") && decodeHeaderValue(value) === undefined;
  return [...headers].some(isUnreadable)
    ? "a header Mcp-Param must be text, or Base64 of UTF-8 in its frame"
    : undefined;
}

/** Whether a message is of the protocol without sessions, whose requests say by themselves all there is to know. */
export function isModern(message: JsonRpcMessage | JsonRpcResponse, headers: Headers): boolean {
  const meta = message.kind === "message" ? message.params["_meta"] : undefined;
  const claimed = typeof meta === "object" && meta !== null && VERSION_KEY in meta;
  return claimed || isModernVersion(headers);
}

/** The same of a request without a message. */
export function isModernVersion(headers: Headers): boolean {
  return (headers.get("mcp-protocol-version") ?? "") >= MODERN_SINCE;
}

/** The scope that a request takes, as far as its headers tell before its body is read. */
export function scopeByHeaders(settings: GuardSettings, headers: Headers): string | undefined {
  const name = decodeHeaderValue(headers.get("mcp-name") ?? "") ?? "";
  return headers.get("mcp-method") === CALL && settings.tools.has(name) ? scopeOfTool(name) : undefined;
}
