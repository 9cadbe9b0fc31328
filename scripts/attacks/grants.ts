import type { Grant } from "stint-sdk/runtime";
import { NEEDS, type ShopServer } from "./shop.ts";

/** Canonical URIs of the servers: audiences of tokens for them. */
export type Resources = { readonly [Server in ShopServer]: string };

/** What a call of one tool takes, and nothing else. */
export function grantFor(resources: Resources, server: ShopServer, tool: string): Grant {
  const needs = (NEEDS[server] as Readonly<Record<string, { readonly actions: readonly string[] }>>)[tool];
  if (needs === undefined) throw new TypeError(`${server} has no tool ${tool}`);
  return [{ type: "mcp_tool", locations: [resources[server]], identifier: tool, ...needs }] as unknown as Grant;
}
