import { createMcpGuard, type McpGuard } from "stint-sdk/mcp";
import { createVerifier } from "stint-sdk/verifier";
import { NEEDS, type ShopServer } from "./shop.ts";

/** The door of Stint: the guard of the SDK, which follows the broker, and reports what became of calls. */
export async function guardOf(terms: {
  readonly name: ShopServer;
  readonly resource: string;
  readonly endpoint: string;
  readonly issuer: string;
  readonly development: boolean;
}): Promise<McpGuard> {
  const { name, resource, endpoint, issuer, development } = terms;
  const verifier = createVerifier({ endpoint, audiences: [resource], development, reportUsage: true });
  await verifier.ready();
  return createMcpGuard({ verifier, resource, issuer, tools: NEEDS[name] });
}
