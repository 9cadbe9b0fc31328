import type { Step } from "../../runtime/index.ts";

/** Of the official SDK's options for a request, those that a step has to do with; others are passed on. */
export type CallOptions = {
  /** The id of the call in its run, any string, by which a retry is known as one. Absent: a random one. */
  readonly callId?: string | undefined;
  /** The number of the attempt, of callers that count. */
  readonly attempt?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** In milliseconds. Absent: as long as the step. */
  readonly timeout?: number | undefined;
};

/** A timer's longest time, in milliseconds: what is longer fires at once. */
const TIMEOUT_MS_MAX = 2_147_483_647;

/** What a client is given: the step's signal, and as long as the step may take, where it gives up after a minute by itself. */
export function requestOptionsOf<Options extends CallOptions>(
  options: Options,
  { expiresAt }: Step,
  signal: AbortSignal,
): Omit<Options, "callId" | "attempt"> & { readonly signal: AbortSignal; readonly timeout: number } {
  const { callId: _callId, attempt: _attempt, ...passed } = options;
  const leftMs = Math.min(Math.max(expiresAt.getTime() - Date.now(), 1), TIMEOUT_MS_MAX);
  return { ...passed, signal, timeout: options.timeout ?? leftMs };
}
