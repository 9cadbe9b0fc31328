import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { encodeHeaderValue } from "../sdk/mcp-guard/header-value.ts";

/** Arguments that a server wants to see in headers too; a client that speaks no HTTP knows nothing of them. */
export type ParamHeaders = {
  /** Takes note of a result of `tools/list`. */
  listed(result: JsonObject): void;
  /** The headers of a call. @param params - of `tools/call`. */
  of(params: unknown): Readonly<Record<string, string>>;
};

type Declared = { readonly header: string; readonly path: readonly string[] };

const PREFIX = "Mcp-Param-";
/** RFC 9110 section 5.6.2, and no longer than any is. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/;
const TYPES: readonly unknown[] = ["string", "integer", "boolean"];
/** Of all tools together; a server that lists more has the rest to say what is missing. */
const TOOLS_MAX = 10_000;
const DEPTH_MAX = 32;

/** @see MCP Streamable HTTP 2026-07-28, custom headers from tool parameters (SEP-2243) */
export function createParamHeaders(): ParamHeaders {
  const declared = new Map<string, readonly Declared[]>();
  return {
    listed({ tools }) {
      for (const tool of Array.isArray(tools) ? tools : []) {
        if (!isObject(tool) || typeof tool["name"] !== "string") continue;
        const found = declaredIn(tool["inputSchema"], []);
        declared.delete(tool["name"]);
        if (found.length > 0 && declared.size < TOOLS_MAX) declared.set(tool["name"], found);
      }
    },
    of(params) {
      if (!isObject(params) || typeof params["name"] !== "string") return {};
      const headers: Record<string, string> = {};
      for (const { header, path } of declared.get(params["name"]) ?? []) {
        const text = textOf(path.reduce<unknown>((value, name) => memberOf(value, name), params["arguments"]));
        if (text !== undefined) headers[header] = encodeHeaderValue(text);
      }
      return headers;
    },
  };
}

/** In what is reached by members alone; anywhere else the server has none to say. */
function declaredIn(schema: unknown, path: readonly string[]): readonly Declared[] {
  if (!isObject(schema) || path.length > DEPTH_MAX) return [];
  const { "x-mcp-header": name, type, properties } = schema;
  const isDeclared = path.length > 0 && typeof name === "string" && TOKEN.test(name) && TYPES.includes(type);
  const below = Object.entries(isObject(properties) ? properties : {});
  return [
    ...(isDeclared ? [{ header: `${PREFIX}${name}`, path }] : []),
    ...below.flatMap(([member, of]) => declaredIn(of, [...path, member])),
  ];
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  return typeof value === "boolean" || Number.isSafeInteger(value) ? String(value) : undefined;
}
