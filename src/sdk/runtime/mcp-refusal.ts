import { isObject, type JsonObject } from "../../domain/strict-json.ts";
import { denialOfData, denialOfDescription, type McpDenial } from "./mcp-denial.ts";

/** Why a guarded MCP server has refused, and what. */
export type McpRefusal = McpDenial & {
  /** `GRANT_EXCEEDED`, `STEP_CLOSED`, `STALE` and the like; newer servers may have others. */
  readonly reason: string;
  /** How the step has ended, of `STEP_CLOSED`. */
  readonly state?: string;
};

/** Frameworks wrap what clients throw, some several times. */
const CAUSES_MAX = 8;
const REASON = /^[A-Z][A-Z0-9_]+$/;
const DESCRIPTION = /^([A-Z][A-Z0-9_]+): /;

/**
 * The refusal of a guarded server in whatever an MCP client threw: in the body of an answer (`SdkHttpError`, and of the older
 * line `StreamableHTTPError`), in a JSON-RPC error (`ProtocolError`, `McpError`), or in a challenge, which is all that
 * `InsufficientScopeError` has.
 *
 * @returns `undefined` where there is none. Never throws.
 */
export function mcpRefusalOf(thrown: unknown): McpRefusal | undefined {
  let error = thrown;
  for (let depth = 0; depth < CAUSES_MAX && isObject(error); depth += 1) {
    const found = refusalIn(error);
    if (found !== undefined) return found;
    error = error["cause"];
  }
  return undefined;
}

function refusalIn({ data, message, errorDescription }: JsonObject): McpRefusal | undefined {
  if (isObject(data)) {
    const found = refusalOfData(data) ?? (typeof data["text"] === "string" ? refusalInText(data["text"]) : undefined);
    if (found !== undefined) return found;
  }
  if (typeof errorDescription === "string") {
    const reason = DESCRIPTION.exec(errorDescription)?.[1];
    if (reason !== undefined) return { reason, ...denialOfDescription(errorDescription) };
  }
  return typeof message === "string" ? refusalInText(message) : undefined;
}

/** A text that ends with the body of an answer. */
function refusalInText(text: string): McpRefusal | undefined {
  const begin = text.indexOf("{");
  if (begin < 0) return undefined;
  try {
    const body: unknown = JSON.parse(text.slice(begin));
    const error = isObject(body) ? body["error"] : undefined;
    const data = isObject(error) ? error["data"] : undefined;
    return isObject(data) ? refusalOfData(data) : undefined;
  } catch {
    return undefined;
  }
}

function refusalOfData(data: JsonObject): McpRefusal | undefined {
  const { reason, state } = data;
  if (typeof reason !== "string" || !REASON.test(reason)) return undefined;
  return { reason, ...(typeof state === "string" && { state }), ...denialOfData(data) };
}
