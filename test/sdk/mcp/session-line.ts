import { randomUUID } from "node:crypto";
import { WebStandardStreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js";
import { ElicitResultSchema } from "@modelcontextprotocol/sdk/types.js";
import { createMcpGuard } from "../../../src/sdk/mcp-v1/index.ts";
import { type LegacyContext, toolsOf } from "../mcp-v1/scene-v1.ts";
import { guardedServerOf, type Scene, type SceneOptions, type SdkLine } from "./scene.ts";

export const INITIALIZE = {
  jsonrpc: "2.0",
  id: 0,
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: { elicitation: {} },
    clientInfo: { name: "test", version: "1" },
  },
};

/** A server that keeps sessions, as its authors write it; its tool `ask` asks the client something. */
function sessionLine(ended: Set<string>): SdkLine<LegacyContext> {
  return {
    createGuard: createMcpGuard,
    serve(begin) {
      const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();
      return {
        async fetch(request, options) {
          const id = request.headers.get("mcp-session-id");
          if (id !== null && ended.has(id)) return new Response(null, { status: 404 });
          const known = id === null ? undefined : sessions.get(id);
          return (known ?? (await open(sessions, begin))).handleRequest(request, options);
        },
        close: async () => undefined,
      };
    },
  };
}

async function open(
  sessions: Map<string, WebStandardStreamableHTTPServerTransport>,
  begin: (tool: string, context: LegacyContext) => void,
): Promise<WebStandardStreamableHTTPServerTransport> {
  const server = toolsOf(begin);
  server.registerTool("ask", {}, async (context) => {
    begin("ask", context);
    const params = { message: "which?", requestedSchema: { type: "object" as const, properties: {} } };
    const answer = await context.sendRequest({ method: "elicitation/create", params }, ElicitResultSchema);
    return { content: [{ type: "text", text: answer.action }] };
  });
  const transport = new WebStandardStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
  });
  await server.connect(transport as Parameters<typeof server.connect>[0]);
  return transport;
}

export type SessionScene = Scene<LegacyContext> & {
  /** Opens a session with this token. @returns the headers of its messages. */
  session(token: string): Promise<Record<string, string>>;
  /** Makes the server forget a session. */
  drop(session: Record<string, string>): void;
};

export async function sessionServer(options: SceneOptions = {}): Promise<SessionScene> {
  const ended = new Set<string>();
  const needs = { actions: ["read"], datatypes: ["internal"] } as const;
  const tools = { search: needs, wait: needs, stream: needs, ask: needs };
  const scene = await guardedServerOf(sessionLine(ended), { tools, ...options });
  return {
    ...scene,
    async session(token) {
      const headers = { authorization: `Bearer ${token}` };
      const response = await scene.post(INITIALIZE, headers);
      await response.text();
      return { ...headers, "mcp-session-id": response.headers.get("mcp-session-id") ?? "" };
    },
    drop: (session) => void ended.add(session["mcp-session-id"] ?? ""),
  };
}

/** Claims of another step of the same agent. */
export function stepClaims(runId: string, step: string, attempt = 1): Record<string, unknown> {
  return {
    sub: `spiffe://example.org/agent/researcher/run/${runId}/step/${step}/${attempt}`,
    step_id: `step_${runId}_${step}_${attempt}`,
    jti: `jti-${runId}-${step}-${attempt}`,
    run_id: runId,
    step,
    attempt,
  };
}
