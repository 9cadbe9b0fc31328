import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createStint, type Grant, isStintError, segment } from "../../../src/sdk/runtime/index.ts";

/** One step of an agent's run: it may search, here, while this function runs, and nothing else. */
export async function ask(server: string, question: string, endpoint?: string): Promise<unknown> {
  using stint = createStint({ endpoint, agent: "researcher" });
  const grant: Grant = [
    { type: "mcp_tool", locations: [server], identifier: "search", actions: ["read"], datatypes: ["internal"] },
  ];
  try {
    return await stint.withStep({ runId: segment(`thread ${question}`), step: "search", grant }, async (step) => {
      const client = new Client({ name: "researcher", version: "1.0.0" });
      // Every request carries a JWT-SVID of this step for that server; none is made for any other.
      await client.connect(new StreamableHTTPClientTransport(new URL(server), { fetch: step.fetch }));
      const result = await client.callTool({ name: "search", arguments: { query: question } }, { signal: step.signal });
      await client.close();
      return result.content;
    });
  } catch (error) {
    if (isStintError(error, "POLICY_DENIED")) throw new Error(`denied: see decision ${error.metadata.decision_id}`);
    throw error;
  }
}
