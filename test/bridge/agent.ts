// An MCP client that knows nothing of Stint: it reads a configuration file, calls one tool of one server, and prints what it found.
import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";

const [line = "", config = "", server = "", tool = "", status = "0"] = process.argv.slice(2);
const { mcpServers } = JSON.parse(readFileSync(config, "utf8"));
const { url, headers } = mcpServers[server];
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

async function connected() {
  if (line === "1.x") {
    const client = new ClientV1({ name: "unchanged", version: "1" });
    await client.connect(new TransportV1(new URL(url), { requestInit: { headers } }) as Transport);
    return client;
  }
  const client = new Client({ name: "unchanged", version: "1" }, { versionNegotiation: { mode: "auto" } });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
  return client;
}

const client = await connected();
process.stderr.write("connected\n");
const answer = await client.callTool({ name: tool, arguments: { query: "it" } }).catch((thrown) => String(thrown));
const found = {
  answer,
  config,
  mcpServers,
  variable: process.env["STINT_MCP_CONFIG"],
  modes: [mode(config), mode(dirname(config))],
  everything: [process.argv, process.env],
};
process.stdout.write(`${JSON.stringify(found)}\n`);
await client.close();
process.exit(Number(status));
