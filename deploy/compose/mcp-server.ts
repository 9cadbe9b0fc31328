// An MCP server as most are: it knows one key that never changes, and whoever has that key may call every tool. Nothing in it is of Stint.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";

const ADDRESS = { host: "127.0.0.1", port: 9_000 };
const KEY = process.env["LIBRARY_KEY"];
const inputSchema = { type: "object", properties: { query: { type: "string" } }, required: ["query"] };
const TOOLS = [
  { name: "search", description: "Papers on a subject.", inputSchema },
  { name: "erase", description: "Removes papers on a subject.", inputSchema },
];

type Message = {
  readonly id?: number | string;
  readonly method?: string;
  readonly params?: { readonly name?: string; readonly arguments?: { readonly query?: string } };
};

function resultOf({ method, params }: Message): object | undefined {
  switch (method) {
    case "initialize":
      return {
        protocolVersion: "2025-06-18",
        capabilities: { tools: {} },
        serverInfo: { name: "library", version: "1.0.0" },
      };
    case "ping":
      return {};
    case "tools/list":
      return { tools: TOOLS };
    case "tools/call": {
      const said = params?.name === "erase" ? "erased papers on" : "3 papers on";
      return { content: [{ type: "text", text: `${said} ${params?.arguments?.query}` }] };
    }
    default:
      return undefined;
  }
}

createServer(async (request, response) => {
  if (KEY === undefined || request.headers.authorization !== `Bearer ${KEY}`) return response.writeHead(401).end();
  if (request.method !== "POST") return response.writeHead(405).end();
  const message = JSON.parse(await text(request)) as Message;
  // A notification is not answered.
  if (message.id === undefined) return response.writeHead(202).end();
  const result = resultOf(message);
  const answer = result === undefined ? { error: { code: -32_601, message: "no such method" } } : { result };
  return response
    .writeHead(200, { "content-type": "application/json" })
    .end(JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answer }));
}).listen(ADDRESS);

process.on("SIGTERM", () => process.exit(0));
