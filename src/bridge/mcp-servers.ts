import { isObject, type JsonObject } from "../domain/strict-json.ts";
import { locationFor } from "../sdk/runtime/location-for.ts";
import type { Bridge, BridgedServer } from "./start-bridge.ts";

/** The servers of a client's configuration, by name, as the file has them. */
export type McpServers = ReadonlyMap<string, JsonObject>;

/** What is wrong with a configuration, for whoever wrote it; nothing of what it holds but names. */
export class McpServersError extends Error {
  override readonly name = "McpServersError";
}

/** Which servers clients reach by the bridge, and why not the others. */
export type Sorted = {
  readonly bridged: readonly BridgedServer[];
  readonly others: readonly { readonly name: string; readonly why: string }[];
};

const SERVERS_MAX = 256;
/** The transport before streamable HTTP, whose answers name a second address. */
const OLDER = "sse";
/** What says nothing of who the client is. All else of a server's entry may: headers, OAuth clients, commands that print headers. */
const KEPT = ["type", "timeout", "disabled", "description", "alwaysAllow", "autoApprove", "disabledTools", "tools"];

/**
 * Reads the format of Claude Code and Desktop, Cursor and others: `{"mcpServers": {"name": {"url": …} | {"command": …}}}`. What is beside
 * `mcpServers` is the client's own.
 *
 * @throws McpServersError
 */
export function parseMcpServers(text: string): McpServers {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    throw new McpServersError("is no JSON");
  }
  const servers = isObject(parsed) ? parsed["mcpServers"] : undefined;
  if (!isObject(servers)) throw new McpServersError("mcpServers: expected an object of servers by name");
  const entries = Object.entries(servers);
  if (entries.length > SERVERS_MAX) throw new McpServersError(`mcpServers: expected at most ${SERVERS_MAX} servers`);
  return new Map(
    entries.map(([name, entry]): [string, JsonObject] => {
      if (name === "" || !name.isWellFormed()) throw new McpServersError("mcpServers: expected names that are text");
      if (!isObject(entry)) throw new McpServersError(`mcpServers.${JSON.stringify(name)}: expected an object`);
      return [name, entry];
    }),
  );
}

/** @param locations - of the step's grant. */
export function sortedServers(servers: McpServers, locations: readonly string[]): Sorted {
  const bridged: BridgedServer[] = [];
  const others: { name: string; why: string }[] = [];
  for (const [name, entry] of servers) {
    const why = whyNot(entry, locations);
    if (why === undefined) bridged.push({ name, url: String(entry["url"]) });
    else others.push({ name, why });
  }
  return { bridged, others };
}

function whyNot({ url, type, command }: JsonObject, locations: readonly string[]): string | undefined {
  if (url === undefined) return command === undefined ? "it has no url" : "the client starts it itself";
  if (type === OLDER) return "it speaks the older transport, sse";
  // Clients fill in variables, each in its own way; what they would make of it is not known here.
  if (typeof url !== "string" || url.includes("${") || !URL.canParse(url))
    return "its url is none, or has a variable in it";
  const { username, password } = new URL(url);
  if (username !== "" || password !== "") return "its url holds a login";
  return locationFor(new URL(url), locations) === undefined ? "the step's grant has no location for it" : undefined;
}

/**
 * The configuration that the client is given in place of its own: the bridged servers at the bridge, with the secret.
 *
 * @param options.keepOthers - as they are, with whatever credentials they have; otherwise they are left out.
 */
export function rewrittenServers(
  servers: McpServers,
  { bridged, others }: Sorted,
  options: { readonly bridge: Pick<Bridge, "urlOf" | "authorization">; readonly keepOthers: boolean },
): string {
  const { bridge, keepOthers } = options;
  const at = new Set(bridged.map(({ name }) => name));
  const left = new Set(others.map(({ name }) => name));
  const entries = [...servers].flatMap(([name, entry]): [string, JsonObject][] => {
    if (at.has(name)) {
      const kept = Object.entries(entry).filter(([member]) => KEPT.includes(member));
      const headers = { Authorization: bridge.authorization };
      return [[name, { ...Object.fromEntries(kept), url: bridge.urlOf(name), headers }]];
    }
    return keepOthers && left.has(name) ? [[name, entry]] : [];
  });
  return `${JSON.stringify({ mcpServers: Object.fromEntries(entries) }, null, 2)}\n`;
}
