import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { type ToolRefusal, toolRefusalOf } from "stint-sdk/adapters";
import { stepMcpTools } from "stint-sdk/adapters/mcp";
import { currentStep } from "stint-sdk/runtime";
import { bearing } from "../demo/mcp-call.ts";
import type { Toolbox } from "./agent-loop.ts";
import { grantFor, type Resources } from "./grants.ts";
import type { ToolUse } from "./scripted-model.ts";
import { NEEDS, type ShopServer } from "./shop.ts";

/** Where the servers are, by what URI they are known, and where the guard of the notes is reached. */
export type Places = { readonly resources: Resources; readonly notesUrl: string };

type Listing = { readonly tools: readonly { readonly description?: string | undefined }[] };
type Connected = {
  listTools(): Promise<Listing>;
  callTool(use: {
    name: string;
    arguments: Record<string, unknown>;
  }): Promise<{ readonly content: readonly unknown[] }>;
};

const SERVERS = Object.keys(NEEDS) as readonly ShopServer[];

/** Tools with one key for the desk and billing, and one for the notes, in every request. */
export async function toolboxByKeys(
  { resources, notesUrl }: Places,
  keys: { readonly own: string; readonly notes: string },
): Promise<Toolbox & AsyncDisposable> {
  const clients = await Promise.all(
    SERVERS.map(async (server) => {
      const key = server === "notes" ? keys.notes : keys.own;
      const url = server === "notes" ? notesUrl : resources[server];
      return [server, await connected(url, bearing(`Bearer ${key}`))] as const;
    }),
  );
  const toolbox = toolboxOf(Object.fromEntries(clients) as unknown as { readonly [Server in ShopServer]: Connected });
  return {
    ...toolbox,
    async [Symbol.asyncDispose]() {
      for (const [, client] of clients) await client.close();
    },
  };
}

/** The same tools in steps: one for each call, opened for what that tool takes. To be used within `inToolRun`, or `withStep`. */
export function toolboxInSteps({ resources, notesUrl }: Places): Toolbox {
  const toolsOf = (server: ShopServer) => {
    const calls = Object.keys(NEEDS[server]).map((tool) => [tool, { grant: grantFor(resources, server, tool) }]);
    return stepMcpTools({
      connect: (fetch) =>
        server === "notes" ? connected(notesUrl, withTokenFor(resources.notes)) : connected(resources[server], fetch),
      calls: Object.fromEntries(calls),
      refusals: "throw",
    }) as unknown as Connected;
  };
  return toolboxOf({ desk: toolsOf("desk"), billing: toolsOf("billing"), notes: toolsOf("notes") });
}

/** A server is reached at another address than it is known by, as behind a proxy. */
function withTokenFor(audience: string): typeof fetch {
  return async (input, init) => {
    const svid = await currentStep()?.jwtSvid(audience);
    return bearing(svid?.authorization() ?? "")(input, init);
  };
}

async function connected(url: string, fetch: typeof globalThis.fetch): Promise<Client> {
  const client = new Client({ name: "clerk", version: "1.0.0" });
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch }));
  return client;
}

function toolboxOf(clients: { readonly [Server in ShopServer]: Connected }): Toolbox {
  return {
    // What the shop's own servers offer the agent's program knows by itself.
    async descriptions() {
      const { tools } = await clients.notes.listTools();
      return tools.map(({ description = "" }) => description);
    },
    async call(use) {
      if (use.tool === "shell") return { text: await shell(use), reason: "", decisionId: "" };
      const server = SERVERS.find((one) => Object.hasOwn(NEEDS[one], use.tool));
      if (server === undefined) return { text: "there is no such tool", reason: "NO_TOOL", decisionId: "" };
      try {
        const { content } = await clients[server].callTool({ name: use.tool, arguments: { ...use.arguments } });
        return { text: textOf(content), reason: "", decisionId: "" };
      } catch (thrown) {
        return refused(toolRefusalOf(thrown, use.tool), thrown);
      }
    },
  };
}

/** A tool of the agent's own: many agents have one that runs commands. */
async function shell({ arguments: { command } }: ToolUse): Promise<string> {
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", String(command)]);
  return stdout;
}

function textOf(content: readonly unknown[]): string {
  return (content as readonly { readonly text?: string }[]).map(({ text = "" }) => text).join("");
}

function refused(refusal: ToolRefusal | undefined, thrown: unknown) {
  if (refusal === undefined) throw thrown;
  const { reason, decisionId = "" } = refusal.refusal;
  return { text: refusal.message, reason, decisionId };
}
