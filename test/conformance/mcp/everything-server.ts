import { randomUUID } from "node:crypto";
import {
  createMcpHandler,
  type EventStore,
  fromJsonSchema,
  McpServer,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server";
import type { McpFetch } from "../../../src/sdk/mcp/index.ts";
import { answered, asking, IMAGE, type News, SUITE_TOOLS } from "./everything-tools.ts";

/** A server of the official SDK with everything that the suite's scenarios ask for. */
function everythingServer(news: News, { sessions }: { readonly sessions: boolean }): McpServer {
  const lists = { listChanged: true };
  const capabilities = {
    tools: lists,
    prompts: lists,
    resources: { ...lists, subscribe: true },
    logging: {},
    completions: {},
  };
  const server = new McpServer({ name: "everything", version: "1" }, { capabilities });
  for (const { name, schema, call } of SUITE_TOOLS) {
    const inputSchema = fromJsonSchema<Record<string, string>>(schema ?? { type: "object", properties: {} });
    server.registerTool(name, { description: name, inputSchema }, (given, context) => call(given, context, news));
  }
  registerResources(server);
  registerPrompts(server);
  server.server.setRequestHandler("completion/complete", () => ({ completion: { values: [], total: 0 } }));
  if (sessions) {
    server.server.setRequestHandler("resources/subscribe", () => ({}));
    server.server.setRequestHandler("resources/unsubscribe", () => ({}));
  }
  return server;
}

function registerResources(server: McpServer): void {
  const said = { "static-text": "This is the content of the static text resource.", "watched-resource": "Watched" };
  for (const [name, text] of Object.entries(said)) {
    const uri = `test://${name}`;
    const mimeType = "text/plain";
    server.registerResource(name, uri, { description: name, mimeType }, () => ({
      contents: [{ uri, mimeType, text }],
    }));
  }
  const uri = "test://static-binary";
  const mimeType = "image/png";
  server.registerResource("static-binary", uri, { description: "an image", mimeType }, () => ({
    contents: [{ uri, mimeType, blob: IMAGE }],
  }));
  const template = new ResourceTemplate("test://template/{id}/data", { list: undefined });
  const description = { description: "data by id", mimeType: "application/json" };
  server.registerResource("template", template, description, ({ href }, { id }) => {
    const text = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` });
    return { contents: [{ uri: href, mimeType: "application/json", text }] };
  });
}

function registerPrompts(server: McpServer): void {
  const says = (text: string) => ({ role: "user" as const, content: { type: "text" as const, text } });
  const texts = (...names: string[]) =>
    fromJsonSchema<Record<string, string>>({
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, { type: "string" }])),
      required: names,
    });
  const prompt = (name: string) => ({ description: name });
  server.registerPrompt("test_simple_prompt", prompt("simple"), () => ({
    messages: [says("This is a simple prompt for testing.")],
  }));
  server.registerPrompt(
    "test_prompt_with_arguments",
    { ...prompt("arguments"), argsSchema: texts("arg1", "arg2") },
    ({ arg1, arg2 }) => ({ messages: [says(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)] }),
  );
  server.registerPrompt(
    "test_prompt_with_embedded_resource",
    { ...prompt("embedded"), argsSchema: texts("resourceUri") },
    ({ resourceUri = "" }) => {
      const text = "Embedded resource content for testing.";
      const resource = { uri: resourceUri, mimeType: "text/plain", text };
      return { messages: [{ role: "user", content: { type: "resource", resource } }, says("Please process it.")] };
    },
  );
  server.registerPrompt("test_prompt_with_image", prompt("image"), () => ({
    messages: [
      { role: "user", content: { type: "image", data: IMAGE, mimeType: "image/png" } },
      says("Please analyze the image above."),
    ],
  }));
  server.registerPrompt("test_input_required_result_prompt", prompt("asks"), (context) =>
    answered(context, "user_context")
      ? { messages: [says("with context")] }
      : asking("user_context", "What context should the prompt use?", "context"),
  );
}

/** MCP 2026-07-28: each request for itself. */
export function withoutSessions(): McpFetch {
  const news = {
    toolsChanged: () => handler.notify.toolsChanged(),
    promptsChanged: () => handler.notify.promptsChanged(),
  };
  const handler = createMcpHandler(() => everythingServer(news, { sessions: false }), { legacy: "reject" });
  return handler.fetch;
}

/** How soon a client that was cut off is to come back. */
const RETRY_MS = 100;

/** MCP 2025-11-25: sessions with their streams, which can be resumed. */
export function withSessions(): McpFetch {
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>();

  async function open(): Promise<WebStandardStreamableHTTPServerTransport> {
    const server = everythingServer(
      { toolsChanged: () => server.sendToolListChanged(), promptsChanged: () => server.sendPromptListChanged() },
      { sessions: true },
    );
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      eventStore: rememberingEvents(),
      retryInterval: RETRY_MS,
      onsessioninitialized: (id) => void sessions.set(id, transport),
      onsessionclosed: (id) => void sessions.delete(id),
    });
    await server.connect(transport);
    return transport;
  }

  return async (request, options) => {
    const id = request.headers.get("mcp-session-id");
    const transport = id === null ? await open() : sessions.get(id);
    return transport === undefined ? new Response(null, { status: 404 }) : transport.handleRequest(request, options);
  };
}

/** Of one session. */
function rememberingEvents(): EventStore {
  const events: { readonly stream: string; readonly message: Parameters<EventStore["storeEvent"]>[1] }[] = [];
  return {
    async storeEvent(stream, message) {
      return String(events.push({ stream, message }));
    },
    async replayEventsAfter(last, { send }) {
      const stream = events[Number(last) - 1]?.stream ?? "";
      for (const [index, event] of events.entries()) {
        const isNext = index >= Number(last) && event.stream === stream && Object.keys(event.message).length > 0;
        if (isNext) await send(String(index + 1), event.message);
      }
      return stream;
    },
  };
}
