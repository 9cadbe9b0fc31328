#!/usr/bin/env bash
# A server that answers a JSON-RPC request with a JSON-RPC error and the HTTP status that fits (403, 429) is understood by
# MCP's official TypeScript clients as an HTTP failure, and the error that was sent is no error of the protocol any more:
# - with `WWW-Authenticate: Bearer error="insufficient_scope"` 2.x drops the body, with the error's code, message and data; what is
#   left of the answer is the challenge's `scope` and `error_description`;
# - without a challenge the body is a text inside the HTTP error, to be parsed by whoever catches the error. In 2.x that error's own
#   code is `CLIENT_HTTP_NOT_IMPLEMENTED`, whatever the status is, and no header (Retry-After) comes along.
# The same body with status 200 is a ProtocolError (McpError in 1.x) with code and data. So what a client shall act on has to be in
# the challenge's error_description as well, or come with 200.
#
# Seen: @modelcontextprotocol/client 2.4.0 and @modelcontextprotocol/sdk 1.32.2 (npm), Node.js 20 and 24.
set -euo pipefail
cd "$(mktemp -d)"
trap 'rm -rf "$PWD"' EXIT

npm init --yes > /dev/null
npm install --silent --ignore-scripts --save-exact @modelcontextprotocol/client@2.4.0 @modelcontextprotocol/sdk@1.32.2 > /dev/null

cat > seen.mjs <<'JS'
import { once } from "node:events";
import { createServer } from "node:http";
import * as two from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const CHALLENGE = { "www-authenticate": 'Bearer error="insufficient_scope", scope="pay", error_description="ask for approval"' };
const error = { code: -32010, message: "denied", data: { decision: "d1" } };

async function call(Client, Transport, status, headers) {
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    if (request.method !== "POST") return response.writeHead(405).end();
    const { id, method, params } = JSON.parse(Buffer.concat(chunks));
    const json = { "content-type": "application/json" };
    if (id === undefined) return response.writeHead(202).end();
    if (method === "initialize") {
      const { protocolVersion } = params;
      const result = { protocolVersion, capabilities: { tools: {} }, serverInfo: { name: "s", version: "1" } };
      return response.writeHead(200, json).end(JSON.stringify({ jsonrpc: "2.0", id, result }));
    }
    response.writeHead(status, { ...json, ...headers }).end(JSON.stringify({ jsonrpc: "2.0", id, error }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = new Client({ name: "c", version: "1" });
  await client.connect(new Transport(new URL(`http://127.0.0.1:${server.address().port}/mcp`)));
  const thrown = await client.callTool({ name: "t", arguments: {} }).catch((reason) => reason);
  await client.close();
  server.close();
  return thrown;
}

for (const [version, Of, Transport] of [["2.x", two.Client, two.StreamableHTTPClientTransport], ["1.x", Client, StreamableHTTPClientTransport]]) {
  for (const [status, headers, what] of [[200, {}, "200"], [403, {}, "403"], [429, { "retry-after": "7" }, "429"], [403, CHALLENGE, "403 challenged"]]) {
    const thrown = await call(Of, Transport, status, headers);
    const text = [thrown.message, JSON.stringify(thrown.data ?? ""), thrown.errorDescription ?? ""].join(" ");
    const has = (part) => (text.includes(part) ? part : "-");
    console.log(version, what, thrown.constructor.name, thrown.code, typeof thrown.data?.decision, has("-32010"), has("ask for approval"));
  }
}
process.exit(0);
JS
node seen.mjs | tee seen.txt
diff seen.txt - <<'SEEN'
2.x 200 ProtocolError -32010 string - -
2.x 403 SdkHttpError CLIENT_HTTP_NOT_IMPLEMENTED undefined -32010 -
2.x 429 SdkHttpError CLIENT_HTTP_NOT_IMPLEMENTED undefined -32010 -
2.x 403 challenged InsufficientScopeError undefined undefined - ask for approval
1.x 200 McpError -32010 string -32010 -
1.x 403 StreamableHTTPError 403 undefined -32010 -
1.x 429 StreamableHTTPError 429 undefined -32010 -
1.x 403 challenged StreamableHTTPError 403 undefined -32010 -
SEEN
