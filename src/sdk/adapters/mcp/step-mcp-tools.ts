import { type McpTools, type McpToolsOptions, mcpToolsOf } from "./mcp-tools.ts";

/** What is used of a connected client of `@modelcontextprotocol/client`. */
type Client<Params, Options, Result, Listing> = {
  callTool(params: Params, options?: Options): Promise<Result>;
  listTools(params?: undefined, options?: Options): Promise<Listing>;
  close(): Promise<void>;
};

/**
 * Tools of an MCP server, called by an unmodified client in steps: each call in one of its own within `inToolRun`, or all in that of the
 * run within `withStep`. A call may take as long as its step, is cancelled at the server when that ends, and its refusal is a result that a
 * model understands.
 *
 * @example
 * const tools = stepMcpTools({
 *   connect: async (fetch) => {
 *     const client = new Client({ name: "researcher", version: "1.0.0" });
 *     await client.connect(new StreamableHTTPClientTransport(url, { fetch }));
 *     return client;
 *   },
 *   calls: { search: { grant } },
 * });
 * const { content } = await tools.callTool({ name: "search", arguments: { query } }, { callId });
 */
export function stepMcpTools<
  Params extends { readonly name: string; readonly arguments?: unknown },
  Options extends object,
  Result,
  Listing,
>(options: McpToolsOptions<Client<Params, Options, Result, Listing>>): McpTools<Params, Options, Result, Listing> {
  return mcpToolsOf(
    {
      // The caller's own options are of the client's type; what is added is what every client takes.
      callTool: (client, params, request) => client.callTool(params, request as unknown as Options),
      listTools: (client, request) => client.listTools(undefined, request as unknown as Options),
    },
    options,
  );
}
