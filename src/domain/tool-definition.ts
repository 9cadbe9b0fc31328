import { anyCanonicalJson } from "./any-canonical-json.ts";
import { sha256Hex } from "./digest.ts";
import { invalidField } from "./errors.ts";
import { isToolName } from "./grant.ts";
import { LIMITS } from "./limits.ts";
import { isObject, type JsonObject } from "./strict-json.ts";

/** What of a tool a model reads or a client goes by. Whatever else a server lists beside it counts for nothing here. */
const DEFINITION_MEMBERS = ["annotations", "description", "inputSchema", "name", "outputSchema", "title"] as const;

/** A tool as a server shows it. */
export type ToolDefinition = {
  readonly tool: string;
  /** SHA-256 of the canonical JSON, hexadecimal. */
  readonly sha256: string;
  /** Canonical JSON of the members that count. */
  readonly definition: string;
};

/** The same at the location of its server. */
export type ShownTool = ToolDefinition & { readonly location: string };

/** Where a definition stands. `unknown`: nobody has reported it. */
export const TOOL_STATES = ["pinned", "changed", "waiting"] as const;
export type ToolState = (typeof TOOL_STATES)[number];

/**
 * The definition of a tool as a server lists it.
 *
 * @param listed - an element of the `tools` of `tools/list`.
 * @returns `undefined` for what has no name that a grant could have, or is nested more deeply than `LIMITS.toolDefinitionDepthMax`.
 * @see MCP, Tool; RFC 8785
 */
export function toolDefinitionOf(listed: JsonObject): ToolDefinition | undefined {
  const { name: tool } = listed;
  if (typeof tool !== "string" || !isToolName(tool)) return undefined;
  const named = DEFINITION_MEMBERS.filter((member) => listed[member] !== undefined);
  const members = Object.fromEntries(named.map((member) => [member, listed[member]]));
  if (!isNestedWithin(members, LIMITS.toolDefinitionDepthMax)) return undefined;
  const definition = anyCanonicalJson(members);
  return { tool, sha256: sha256Hex(definition), definition };
}

/** The same for every program, however much its own stack holds. */
function isNestedWithin(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((one) => isNestedWithin(one, levels - 1));
}

/** Whether a definition is small enough to be recorded. */
export function isRecordable({ definition }: Pick<ToolDefinition, "definition">): boolean {
  return Buffer.byteLength(JSON.stringify(definition)) <= LIMITS.toolDefinitionBytesMax;
}

/**
 * Accepts a definition as somebody reports it: of that tool, with that digest, and with nothing in it that the digest leaves out.
 *
 * @throws BrokerError INVALID_FIELD
 */
export function checkReportedDefinition(
  { tool, sha256, json }: { readonly tool: string; readonly sha256: string; readonly json: string },
  field: string,
): ToolDefinition {
  const named = `${field}.definition_json`;
  const members: readonly string[] = DEFINITION_MEMBERS;
  const listed = parsed(json);
  if (!isObject(listed) || !Object.keys(listed).every((name) => members.includes(name))) {
    throw invalidField(named, `a JSON object with the members ${members.join(", ")}`);
  }
  const definition = toolDefinitionOf(listed);
  if (definition === undefined || definition.tool !== tool) throw invalidField(named, "the definition of the tool");
  if (definition.sha256 !== sha256) throw invalidField(`${field}.definition_sha256`, "the digest of the definition");
  if (!isRecordable(definition)) throw invalidField(named, `at most ${LIMITS.toolDefinitionBytesMax} bytes`);
  return definition;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Where a definition stands against the one that is pinned. */
export function toolStateOf(sha256: string, pinned: string | undefined): ToolState {
  if (pinned === undefined) return "waiting";
  return sha256 === pinned ? "pinned" : "changed";
}
