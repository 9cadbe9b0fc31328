import { readFileSync } from "node:fs";
import { type McpServers, McpServersError, parseMcpServers } from "../../bridge/mcp-servers.ts";
import { usageFailure } from "../failure.ts";
import { codeOf } from "../open-flags.ts";

const NAMED = /^([A-Za-z0-9_-]{1,64})=(https?:\/\/.+)$/;

/**
 * The servers of a client's configuration file, which is only read, and of the flags.
 *
 * @throws Failure
 */
export function givenServers(file: string | undefined, flags: readonly string[]): McpServers {
  const servers = new Map(file === undefined ? [] : serversIn(file));
  for (const flag of flags) {
    const [, name, url] = NAMED.exec(flag) ?? [];
    if (name === undefined || url === undefined)
      throw usageFailure("--server: expected NAME=URL, as library=https://…");
    if (servers.has(name)) throw usageFailure(`--server: there are two servers ${name}`);
    servers.set(name, { type: "http", url });
  }
  if (servers.size === 0) throw usageFailure("no server: name them by --mcp-config or --server");
  return servers;
}

function serversIn(file: string): McpServers {
  try {
    return parseMcpServers(readFileSync(file, "utf8"));
  } catch (thrown) {
    if (thrown instanceof McpServersError) throw usageFailure(`--mcp-config: ${thrown.message}`);
    throw usageFailure(`--mcp-config: can't read the file (${codeOf(thrown)})`);
  }
}
