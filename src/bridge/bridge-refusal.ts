import { isObject } from "../domain/strict-json.ts";
import type { Answer } from "../sdk/mcp-guard/answer.ts";
import { denialData } from "../sdk/mcp-guard/denial-data.ts";
import { REFUSAL_CODES } from "../sdk/mcp-guard/refusal.ts";
import { type McpRefusal, mcpRefusalOf, StintError } from "../sdk/runtime/index.ts";

/** Why the bridge itself refuses, with the status of HTTP where the request has no id to answer to. */
const STATUS_OF = {
  HOST_REFUSED: 403,
  ORIGIN_REFUSED: 403,
  SECRET_INVALID: 403,
  SECRET_IN_BODY: 403,
  SERVER_UNKNOWN: 404,
  HTTP_METHOD_REFUSED: 405,
  BODY_TOO_LARGE: 413,
  SERVER_UNREACHABLE: 502,
  /** The server takes no step's credentials, or sends its client elsewhere. */
  SERVER_REFUSED: 502,
  SERVER_MALFORMED: 502,
} as const;

export type BridgeReason = keyof typeof STATUS_OF;

/** The message is safe to show. */
export class BridgeRefusal extends Error {
  override readonly name = "BridgeRefusal";
  readonly reason: BridgeReason;

  constructor(reason: BridgeReason, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.reason = reason;
  }
}

/** A JSON-RPC error, but for the id. */
export type Refused = {
  /** Of HTTP, where the error can't be the answer to a request. */
  readonly status: number;
  readonly code: number;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
};

/** Not 401, after which a client would look for somebody to log in with. */
const FORBIDDEN = 403;
const UNAVAILABLE = 503;
const SAID_CHARACTERS_MAX = 1_000;

/**
 * What the client is told where something was refused, or failed; for its model too, which is mostly shown nothing but the message.
 *
 * @returns `undefined` for what is neither the bridge's nor the SDK's.
 */
export function refusedBy(thrown: unknown): Refused | undefined {
  if (thrown instanceof BridgeRefusal) {
    const { reason, message } = thrown;
    return { ...said(reason, message), status: STATUS_OF[reason] };
  }
  if (!(thrown instanceof StintError)) return undefined;
  const { reason, message, metadata } = thrown;
  if (reason === "REDIRECT_REFUSED") {
    const elsewhere = new BridgeRefusal(
      "SERVER_REFUSED",
      "the server sends its client elsewhere, and the bridge follows nowhere",
    );
    return refusedBy(elsewhere);
  }
  const { state } = metadata;
  const refusal = { reason, ...(state !== undefined && { state }) };
  return { ...ofRefusal(refusal, message), ...(thrown.retryable && { status: UNAVAILABLE }) };
}

/**
 * The refusal in a server's answer, in the bridge's words and with no more of the server's data than is known here.
 *
 * @param text - the answer's body.
 * @returns `undefined` where it holds none.
 */
export function refusedByServer(text: string): Refused | undefined {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return undefined;
  }
  const error = isObject(body) ? body["error"] : undefined;
  if (!isObject(error)) return undefined;
  const refusal = mcpRefusalOf({ data: error["data"] });
  return refusal && ofRefusal(refusal, typeof error["message"] === "string" ? error["message"] : "");
}

/** Shown to models and terminals: nothing that turns text around or hides it. */
const CONTROLS = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function ofRefusal(refusal: McpRefusal, message: string): Refused {
  const { reason, state, refused = [], decisionId, approval, approvalId, approvalUntil } = refusal;
  const pending = approvalId === undefined ? undefined : { approvalId, until: approvalUntil?.toISOString() ?? "" };
  const [first] = refused;
  const data = {
    ...(state !== undefined && { state }),
    ...(decisionId !== undefined && { decision_id: decisionId }),
    ...(first !== undefined &&
      denialData(
        {
          refused: first,
          ...(decisionId !== undefined && { decisionId }),
          ...(approval !== undefined && { approval }),
          ...(pending !== undefined && { pending }),
        },
        { isForToken: false },
      )),
  };
  const why = message.slice(0, SAID_CHARACTERS_MAX).replaceAll(CONTROLS, " ");
  const sentence = [why, whatWasRefused(refusal), whatHelps(refusal)].filter((part) => part !== "").join(". ");
  return { ...said(reason, sentence), data: { reason, ...data } };
}

function said(reason: string, message: string): Refused {
  return { status: FORBIDDEN, code: REFUSAL_CODES.refused, message: `${reason}: ${message}`, data: { reason } };
}

function whatWasRefused({ refused: [element] = [] }: McpRefusal): string {
  if (element === undefined) return "";
  const { identifier, locations, actions, datatypes } = element;
  return `Refused was ${identifier} at ${locations.join(", ")}, to ${actions.join(", ")} ${datatypes.join(", ")} data`;
}

/** What whoever was refused can do about it. */
function whatHelps({ reason, state, refused, approval, approvalId, approvalUntil }: McpRefusal): string {
  if (reason === "STEP_CLOSED")
    return `The step has ended${state === undefined ? "" : ` (${state})`}: nothing can be called in it any more`;
  if (approvalId !== undefined) {
    const until = approvalUntil === undefined ? "" : ` until ${approvalUntil.toISOString()}`;
    return `The call waits for approval${until} (${approvalId}): the same call, made again once it is approved, passes`;
  }
  if (approval !== undefined) return `Somebody with the role ${approval} can approve it`;
  if (refused === undefined) return "";
  return "No approval helps, and neither does the same call again: it takes a step that was granted this";
}

/** As the answer to the request with this id, which a model gets to read; else a status that no client takes for a login. */
export function refusedAnswer({ status, code, message, data }: Refused, id: string | number | undefined): Answer {
  const headers = new Headers({ "content-type": "application/json", "cache-control": "no-store" });
  if (status === 405) headers.set("allow", "GET, POST, DELETE");
  const body = JSON.stringify(errorMessage({ code, message, data }, id));
  return { status: id === undefined ? status : 200, headers, body };
}

export function errorMessage(
  { code, message, data }: Pick<Refused, "code" | "message" | "data">,
  id: string | number | undefined,
): object {
  return { jsonrpc: "2.0", id: id ?? null, error: { code, message, data } };
}
