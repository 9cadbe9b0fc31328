import { type McpTools, type McpToolsOptions, mcpToolsOf } from "../mcp/mcp-tools.ts";

/** What is used of a connected client of `@modelcontextprotocol/sdk` 1.x. */
type Client<Params, Options, Result, Listing> = {
  callTool(params: Params, resultSchema?: undefined, options?: Options): Promise<Result>;
  listTools(params?: undefined, options?: Options): Promise<Listing>;
  close(): Promise<void>;
};

/** As `stepMcpTools` of `stint-sdk/adapters/mcp`, for clients of the older line. */
export function stepMcpTools<
  Params extends { readonly name: string; readonly arguments?: unknown },
  Options extends object,
  Result,
  Listing,
>(options: McpToolsOptions<Client<Params, Options, Result, Listing>>): McpTools<Params, Options, Result, Listing> {
  return mcpToolsOf(
    {
      callTool: (client, params, request) => client.callTool(params, undefined, request as unknown as Options),
      listTools: (client, request) => client.listTools(undefined, request as unknown as Options),
    },
    options,
  );
}
