import { setTimeout as pause } from "node:timers/promises";
import {
  type CallToolResult,
  CLIENT_CAPABILITIES_META_KEY,
  type InputRequiredResult,
  inputRequired,
  type ServerContext,
} from "@modelcontextprotocol/server";
import { DEFAULTS_FORM, ENUMS_FORM, JSON_SCHEMA_2020_12 } from "./everything-schemas.ts";

/** What the suite's clients ask of a server; the names, the texts and the forms are the suite's. */
export type SuiteTool = {
  readonly name: string;
  /** JSON Schema of its arguments. Absent: it has none. */
  readonly schema?: object;
  call(given: Readonly<Record<string, string>>, context: ServerContext, news: News): Answer | Promise<Answer>;
};

type Answer = CallToolResult | InputRequiredResult;

/** Tells whoever listens that a list has changed. */
export type News = { toolsChanged(): void; promptsChanged(): void };

/** One red pixel, PNG. */
export const IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/** No sound, WAV. */
const AUDIO = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA=";
/** Between the messages of one call, so that they come one by one. */
const BETWEEN_MS = 20;

const text = (said: string): CallToolResult => ({ content: [{ type: "text", text: said }] });
const oneText = (name: string) => ({ type: "object", properties: { [name]: { type: "string" } }, required: [name] });

const ANSWERING: readonly SuiteTool[] = [
  { name: "test_simple_text", call: () => text("This is a simple text response for testing.") },
  {
    name: "test_image_content",
    call: () => ({ content: [{ type: "image", data: IMAGE, mimeType: "image/png" }] }),
  },
  {
    name: "test_audio_content",
    call: () => ({ content: [{ type: "audio", data: AUDIO, mimeType: "audio/wav" }] }),
  },
  {
    name: "test_embedded_resource",
    call: () => ({
      content: [
        {
          type: "resource",
          resource: {
            uri: "test://embedded-resource",
            mimeType: "text/plain",
            text: "This is an embedded resource content.",
          },
        },
      ],
    }),
  },
  {
    name: "test_multiple_content_types",
    call: () => ({
      content: [
        { type: "text", text: "Multiple content types test:" },
        { type: "image", data: IMAGE, mimeType: "image/png" },
        {
          type: "resource",
          resource: {
            uri: "test://mixed-content-resource",
            mimeType: "application/json",
            text: JSON.stringify({ test: "data", value: 123 }),
          },
        },
      ],
    }),
  },
  {
    name: "test_error_handling",
    call() {
      throw new Error("This tool intentionally returns an error for testing");
    },
  },
  { name: "json_schema_2020_12_tool", schema: JSON_SCHEMA_2020_12, call: (given) => text(JSON.stringify(given)) },
  {
    name: "test_headers",
    schema: {
      type: "object",
      properties: { region: { type: "string", "x-mcp-header": "Region" } },
      required: ["region"],
    },
    call: ({ region }) => text(`in ${region}`),
  },
];

const TELLING: readonly SuiteTool[] = [
  {
    name: "test_tool_with_logging",
    async call(_given, { mcpReq }) {
      for (const data of ["Tool execution started", "Tool processing data", "Tool execution completed"]) {
        await mcpReq.notify({ method: "notifications/message", params: { level: "info", data } });
        await pause(BETWEEN_MS);
      }
      return text("logged");
    },
  },
  {
    name: "test_logging_tool",
    async call(_given, { mcpReq }) {
      await mcpReq.log("info", "asked for");
      return text("logged");
    },
  },
  {
    name: "test_tool_with_progress",
    async call(_given, { mcpReq }) {
      const { progressToken } = mcpReq._meta ?? {};
      for (const progress of progressToken === undefined ? [] : [0, 50, 100]) {
        const params = { progressToken, progress, total: 100 };
        await mcpReq.notify({ method: "notifications/progress", params });
        await pause(BETWEEN_MS);
      }
      return text("progressed");
    },
  },
  {
    name: "test_reconnection",
    async call(_given, { http }) {
      http?.closeSSE?.();
      // The answer waits in the store until the client comes back for it.
      await pause(BETWEEN_MS);
      return text("reconnected");
    },
  },
  {
    name: "test_trigger_tool_change",
    call(_given, _context, news) {
      news.toolsChanged();
      return text("changed");
    },
  },
  {
    name: "test_trigger_prompt_change",
    call(_given, _context, news) {
      news.promptsChanged();
      return text("changed");
    },
  },
];

/**
 * These ask their client while they are called: before 2026-07-28. On the stream of the call, since the session's own may not be
 * open yet.
 */
const ASKING: readonly SuiteTool[] = [
  {
    name: "test_sampling",
    schema: oneText("prompt"),
    async call({ prompt = "" }, { mcpReq }) {
      const messages = [{ role: "user" as const, content: { type: "text" as const, text: prompt } }];
      const { content } = await mcpReq.send({ method: "sampling/createMessage", params: { messages, maxTokens: 100 } });
      return text(`LLM response: ${"text" in content ? content.text : "none"}`);
    },
  },
  {
    name: "test_elicitation",
    schema: oneText("message"),
    async call({ message = "" }, { mcpReq }) {
      const answer = { type: "string" as const, description: "User's response" };
      const requestedSchema = { type: "object" as const, properties: { username: answer, email: answer } };
      const { action, content } = await mcpReq.send({
        method: "elicitation/create",
        params: { message, requestedSchema },
      });
      return text(`User response: action=${action}, content=${JSON.stringify(content)}`);
    },
  },
  {
    name: "test_elicitation_sep1034_defaults",
    call: (_given, context) => elicited(context, DEFAULTS_FORM),
  },
  {
    name: "test_elicitation_sep1330_enums",
    call: (_given, context) => elicited(context, ENUMS_FORM),
  },
];

async function elicited({ mcpReq }: ServerContext, requestedSchema: typeof DEFAULTS_FORM): Promise<CallToolResult> {
  const params = { message: "Please fill the form in", requestedSchema };
  const { action, content } = await mcpReq.send({ method: "elicitation/create", params });
  return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`);
}

/** The elicitation of one text, as an answer that asks for it. */
export function asking(key: string, message: string, field: string, requestState?: string): InputRequiredResult {
  const requestedSchema = { type: "object" as const, properties: { [field]: { type: "string" as const } } };
  const asked = inputRequired.elicit({ message, requestedSchema: { ...requestedSchema, required: [field] } });
  return inputRequired({ inputRequests: { [key]: asked }, ...(requestState !== undefined && { requestState }) });
}

export function answered({ mcpReq }: ServerContext, key: string): boolean {
  const answer = mcpReq.inputResponses?.[key];
  return typeof answer === "object" && answer !== null && !Array.isArray(answer);
}

const SAMPLING = inputRequired.createMessage({
  messages: [{ role: "user", content: { type: "text", text: "What is the capital of France?" } }],
  maxTokens: 100,
});

/** These answer with what they have to ask: since 2026-07-28. */
const ASKING_BY_ANSWER: readonly SuiteTool[] = [
  {
    name: "test_input_required_result_elicitation",
    call(_given, context) {
      const answer = context.mcpReq.inputResponses?.["user_name"] as { content?: { name?: unknown } } | undefined;
      const name = answer?.content?.name;
      return typeof name === "string" ? text(`Hello, ${name}!`) : asking("user_name", "What is your name?", "name");
    },
  },
  {
    name: "test_input_required_result_sampling",
    call: (_given, context) =>
      answered(context, "capital_question")
        ? text(JSON.stringify(context.mcpReq.inputResponses))
        : inputRequired({ inputRequests: { capital_question: SAMPLING } }),
  },
  {
    name: "test_input_required_result_list_roots",
    call: (_given, context) =>
      answered(context, "client_roots")
        ? text(JSON.stringify(context.mcpReq.inputResponses))
        : inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } }),
  },
  {
    name: "test_input_required_result_request_state",
    call: (_given, context) =>
      context.mcpReq.requestState() === "asked" ? text("state-ok") : asking("confirm", "Please confirm", "ok", "asked"),
  },
  {
    // Trusts what comes back: whoever is in front has to see to it.
    name: "test_input_required_result_tampered_state",
    call: (_given, context) =>
      answered(context, "confirm") ? text("confirmed") : asking("confirm", "Please confirm", "ok", "asked"),
  },
  {
    name: "test_input_required_result_multiple_inputs",
    call(_given, context) {
      if (["user_name", "greeting", "client_roots"].every((key) => answered(context, key))) return text("all");
      const { inputRequests = {} } = asking("user_name", "What is your name?", "name");
      const others = { greeting: SAMPLING, client_roots: inputRequired.listRoots() };
      return inputRequired({ inputRequests: { ...inputRequests, ...others }, requestState: "asked" });
    },
  },
  {
    name: "test_input_required_result_multi_round",
    call(_given, { mcpReq }) {
      const state = mcpReq.requestState();
      if (state === "second") return text("both");
      return state === "first"
        ? asking("step2", "Step 2: What is your favorite color?", "color", "second")
        : asking("step1", "Step 1: What is your name?", "name", "first");
    },
  },
  {
    name: "test_input_required_result_capabilities",
    call(_given, context) {
      const requests = { question: SAMPLING, ...asking("user_name", "What is your name?", "name").inputRequests };
      const can = capabilitiesOf(context);
      const allowed = Object.entries(requests).filter(([, { method }]) =>
        Object.hasOwn(can, method.split("/")[0] ?? ""),
      );
      return allowed.length === 0
        ? text("nobody to ask")
        : inputRequired({ inputRequests: Object.fromEntries(allowed) });
    },
  },
  {
    name: "test_streaming_elicitation",
    call: (_given, context) =>
      answered(context, "user_name") ? text("named") : asking("user_name", "What is your name?", "name"),
  },
  {
    name: "test_missing_capability",
    call: () => inputRequired({ inputRequests: { question: SAMPLING } }),
  },
];

function capabilitiesOf({ mcpReq }: ServerContext): object {
  const envelope: Readonly<Record<string, unknown>> = mcpReq.envelope ?? {};
  return envelope[CLIENT_CAPABILITIES_META_KEY] ?? {};
}

export const SUITE_TOOLS: readonly SuiteTool[] = [...ANSWERING, ...TELLING, ...ASKING, ...ASKING_BY_ANSWER];
