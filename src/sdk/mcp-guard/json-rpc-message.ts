import { isObject } from "../../domain/strict-json.ts";
import { isJson } from "./content-type.ts";
import type { GuardedRequest } from "./guarded-request.ts";
import { REFUSAL_CODES, type Refusal, refusal } from "./refusal.ts";

/** A request or notification of JSON-RPC. */
export type JsonRpcMessage = {
  readonly kind: "message";
  /** `undefined` for a notification. */
  readonly id: string | number | undefined;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** As it was parsed: what the server must act on is what was looked at. */
  readonly body: unknown;
};

/** What a client answers to a request of the server: to elicitation, sampling, roots and ping. */
export type JsonRpcResponse = {
  readonly kind: "response";
  readonly body: unknown;
};

/**
 * Reads the one message of a request: once, and no more of it than is allowed.
 *
 * @param given - the body, where something before has parsed it.
 * @see MCP Streamable HTTP: a POST holds a single message
 */
export async function readMessage(
  request: Pick<GuardedRequest, "headers" | "body" | "arrayBuffer">,
  maxBodyBytes: number,
  given: unknown,
): Promise<JsonRpcMessage | JsonRpcResponse | Refusal> {
  if (!isJson(request.headers)) {
    return malformed(415, REFUSAL_CODES.invalidRequest, "the content type must be application/json");
  }
  if (given !== undefined) return messageOf(given);
  const bytes = await readBody(request, maxBodyBytes);
  if (bytes === undefined) {
    return refusal({
      status: 413,
      code: REFUSAL_CODES.invalidRequest,
      reason: "BODY_TOO_LARGE",
      message: `the body must be at most ${maxBodyBytes} bytes`,
    });
  }
  try {
    return messageOf(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)));
  } catch {
    return malformed(400, REFUSAL_CODES.parseError, "the body is not JSON");
  }
}

const LENGTH = /^\d+$/;

/** @returns `undefined` when it is longer. */
export async function readBody(
  request: Pick<GuardedRequest, "headers" | "body" | "arrayBuffer">,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const declared = request.headers.get("content-length");
  // HTTP hands over no more than what was declared; so read, a body costs no stream.
  if (declared !== null && LENGTH.test(declared) && Number(declared) <= maxBytes) {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > maxBytes ? undefined : bytes;
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function messageOf(body: unknown): JsonRpcMessage | JsonRpcResponse | Refusal {
  // A batch would need an answer for each of its elements; MCP has none of them any more.
  if (!isObject(body))
    return malformed(400, REFUSAL_CODES.invalidRequest, "the body must be a single JSON-RPC message");
  const { jsonrpc, id, method, params = {} } = body;
  if (isResponse(body)) return { kind: "response", body };
  const isCall = jsonrpc === "2.0" && typeof method === "string" && isObject(params);
  if (!isCall || !(id === undefined || typeof id === "string" || Number.isInteger(id))) {
    return malformed(
      400,
      REFUSAL_CODES.invalidRequest,
      "the body must be a JSON-RPC request, notification or response",
    );
  }
  return { kind: "message", id: id as string | number | undefined, method, params, body };
}

/** With a method it would be a response to one reader and a request to the next. */
function isResponse({ jsonrpc, id, method, result, error }: Readonly<Record<string, unknown>>): boolean {
  if (jsonrpc !== "2.0" || method !== undefined || !(typeof id === "string" || Number.isInteger(id))) return false;
  if (error === undefined) return isObject(result);
  return (
    result === undefined && isObject(error) && Number.isInteger(error["code"]) && typeof error["message"] === "string"
  );
}

function malformed(status: number, code: number, message: string): Refusal {
  return refusal({ status, code, reason: "REQUEST_MALFORMED", message });
}
