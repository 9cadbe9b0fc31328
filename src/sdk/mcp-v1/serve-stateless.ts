import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import type { McpFetch } from "../mcp-guard/guard.ts";

/**
 * Serves each request by a server of its own, without sessions: there is nothing then that one step could leave behind for
 * another. When the answer is complete, the step ends, or the caller goes away, the server is closed, and the `signal` of
 * its handlers aborts.
 *
 * @param createServer - called for every request.
 */
export function serveStateless(createServer: () => McpServer | Promise<McpServer>): McpFetch {
  return async (request, { authInfo, parsedBody }) => {
    const server = await createServer();
    const transport = new WebStandardStreamableHTTPServerTransport();
    // Its optional members are declared without `undefined`, which the interface that it implements has.
    await server.connect(transport as Parameters<typeof server.connect>[0]);
    const close = () => void server.close().catch(() => undefined);
    if (request.signal.aborted) close();
    else request.signal.addEventListener("abort", close, { once: true });
    try {
      const { body, status, statusText, headers } = await transport.handleRequest(request, { authInfo, parsedBody });
      if (body === null) close();
      const closing = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({ flush: close });
      return new Response(body?.pipeThrough(closing), { status, statusText, headers });
    } catch (thrown) {
      close();
      throw thrown;
    }
  };
}
