// An agent runtime for the documentation; run by examples.test.ts.

// #region with-step
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createStint, type Grant } from "stint-sdk/runtime";

const resource = process.env["RESOURCE"] ?? "http://localhost:3000/mcp";
const grant: Grant = [
  { type: "mcp_tool", locations: [resource], identifier: "search", actions: ["read"], datatypes: ["internal"] },
];

using stint = createStint({ agent: "researcher" });

// Opens the step, holds it, and closes it with the outcome: when this returns, its credentials are revoked.
const { content } = await stint.withStep({ runId: "report-7", step: "search", grant }, async (step) => {
  const client = new Client({ name: "researcher", version: "1.0.0" });
  // Every request carries a JWT-SVID of this step for this server; none is ever sent anywhere else.
  await client.connect(new StreamableHTTPClientTransport(new URL(resource), { fetch: step.fetch }));
  return client.callTool({ name: "search", arguments: { query: "owls" } }, { signal: step.signal });
});
// #endregion

process.stdout.write(`${JSON.stringify(content)}\n`);
