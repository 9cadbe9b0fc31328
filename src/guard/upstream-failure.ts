import type { Answer } from "../sdk/mcp-guard/answer.ts";

/** Why the server behind the guard gives no answer, or none that may be passed on. */
const STATUS_OF = {
  UPSTREAM_UNREACHABLE: 502,
  /** The server does not take the guard's secret, or sends its client elsewhere. */
  UPSTREAM_REFUSED: 502,
  UPSTREAM_MALFORMED: 502,
  SECRET_UNAVAILABLE: 503,
  PROCESSES_EXHAUSTED: 503,
  /** The answer held a secret of the guard's. A model has to be able to read that. */
  ANSWER_WITHHELD: 200,
} as const;

export type UpstreamReason = keyof typeof STATUS_OF;

/** JSON-RPC: internal error. */
const INTERNAL_ERROR = -32_603;
const RETRY_AFTER_SECONDS = 5;

/** The message is safe to show: nothing of a secret, an address or a path is in it. */
export class UpstreamFailure extends Error {
  override readonly name = "UpstreamFailure";
  readonly reason: UpstreamReason;

  constructor(reason: UpstreamReason, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.reason = reason;
  }
}

/** As a JSON-RPC error to the request with this id. */
export function failureMessage({ reason, message }: UpstreamFailure, id: unknown): object {
  return { jsonrpc: "2.0", id: id ?? null, error: { code: INTERNAL_ERROR, message, data: { reason } } };
}

export function failureAnswer(failure: UpstreamFailure, id: unknown): Answer {
  const status = STATUS_OF[failure.reason];
  const headers = new Headers({ "content-type": "application/json" });
  if (status === 503) headers.set("retry-after", String(RETRY_AFTER_SECONDS));
  return { status, headers, body: JSON.stringify(failureMessage(failure, id)) };
}
