import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** What the model asks for in a turn: a call of the tool by its whole name. */
export type ToolUse = { readonly id: string; readonly name: string; readonly input: object };

type Block = { readonly type: string; readonly content?: unknown; readonly is_error?: boolean };
type Request = {
  readonly messages: readonly { readonly role: string; readonly content: string | readonly Block[] }[];
  readonly tools?: readonly unknown[];
};

export type MessagesApi = {
  readonly url: string;
  /** All that was sent here, bodies and headers. */
  readonly seen: readonly { readonly headers: object; readonly body: Request }[];
  /** The results of tools that the model was told last. */
  toldLast(): readonly Block[];
  close(): void;
};

/** A stand-in of Anthropic's Messages API, as a stream: asks for the tools of each turn, and then says a word. */
export async function startMessagesApi(turns: readonly (readonly ToolUse[])[]): Promise<MessagesApi> {
  const seen: MessagesApi["seen"][number][] = [];
  const server = createServer(async (request, response) => {
    if (!request.url?.startsWith("/v1/messages?") && request.url !== "/v1/messages") {
      response.writeHead(404).end("{}");
      return;
    }
    const body = await bodyOf(request);
    seen.push({ headers: request.headers, body });
    // What Claude Code asks beside the conversation, such as for a title, has no tools.
    const turn =
      body.tools === undefined ? Number.NaN : body.messages.filter(({ role }) => role === "assistant").length;
    stream(response, turns[turn] ?? []);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    toldLast: () => {
      const last = seen.at(-1)?.body.messages.at(-1)?.content ?? [];
      return typeof last === "string" ? [] : last.filter(({ type }) => type === "tool_result");
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Request> {
  return JSON.parse(await text(request)) as Request;
}

function stream(response: ServerResponse, calls: readonly ToolUse[]): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const tell = (type: string, more: object = {}) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...more })}\n\n`);
  const usage = { input_tokens: 1, output_tokens: 1 };
  const message = { id: "msg", type: "message", role: "assistant", model: "scripted", content: [], usage };
  tell("message_start", { message: { ...message, stop_reason: null, stop_sequence: null } });
  const blocks =
    calls.length === 0
      ? [{ begin: { type: "text", text: "" }, delta: { type: "text_delta", text: "done" } }]
      : calls.map(({ input, ...call }) => ({
          begin: { type: "tool_use", ...call, input: {} },
          delta: { type: "input_json_delta", partial_json: JSON.stringify(input) },
        }));
  for (const [index, { begin, delta }] of blocks.entries()) {
    tell("content_block_start", { index, content_block: begin });
    tell("content_block_delta", { index, delta });
    tell("content_block_stop", { index });
  }
  const stopReason = calls.length === 0 ? "end_turn" : "tool_use";
  tell("message_delta", { delta: { stop_reason: stopReason, stop_sequence: null }, usage });
  tell("message_stop");
  response.end();
}
