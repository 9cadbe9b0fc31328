import type { JsonRpcMessage, JsonRpcResponse } from "./json-rpc-message.ts";

/** A request as its client names it. */
export type CallName = {
  /** SPIFFE ID of the step that sent it. */
  readonly step: string;
  /** `undefined`: it was sent in none. */
  readonly sessionId: string | undefined;
  readonly id: string | number;
};

/** Dispose of it when it is over. Without a signal of its own, which most calls would make for nothing. */
export type RunningCall = {
  /** @param stop - called when its client cancels it. */
  onCancelled(stop: (why: CallCancelled) => void): void;
  [Symbol.dispose](): void;
};

export type RunningCalls = {
  /** @returns `undefined` where a request of this session that is under way has the id. */
  begin(name: CallName): RunningCall | undefined;
  /** Stops the request of this name. Where several have it, none: which of them is meant nobody can tell. */
  cancel(name: CallName): void;
};

/** That a client has given its request up. Named as what aborts anywhere is. */
export class CallCancelled extends Error {
  override readonly name = "AbortError";
}

/**
 * The requests that are being served, so that they can be cancelled. A server without sessions can't do that itself: for
 * it, whoever cancels has nothing to do with whoever called.
 *
 * @see MCP cancellation: only what is under way in the same direction, by whoever sent it
 */
export function createRunningCalls(): RunningCalls {
  const running = new Map<string, Set<{ readonly step: string; stop?: (why: CallCancelled) => void }>>();

  return {
    begin(name) {
      const key = keyOf(name);
      const namesakes = running.get(key) ?? new Set();
      // Two clients of one step both begin to count at 0; but a session's server would mix up the two answers.
      if (name.sessionId !== undefined && namesakes.size > 0) return undefined;
      const call: { readonly step: string; stop?: (why: CallCancelled) => void } = { step: name.step };
      running.set(key, namesakes.add(call));
      return {
        onCancelled(stop) {
          call.stop = stop;
        },
        [Symbol.dispose]() {
          namesakes.delete(call);
          if (namesakes.size === 0 && running.get(key) === namesakes) running.delete(key);
        },
      };
    },
    cancel(name) {
      const [call, ...others] = running.get(keyOf(name)) ?? [];
      if (call === undefined || others.length > 0 || call.step !== name.step) return;
      call.stop?.(new CallCancelled("the client has cancelled the call"));
    },
  };
}

/** An id of letters is another than one of the same digits. */
function keyOf({ step, sessionId, id }: CallName): string {
  const typed = typeof id === "string" ? `"${id}` : id;
  // Neither a SPIFFE ID nor a header has a line's end in it.
  return sessionId === undefined ? `step\n${step}\n${typed}` : `session\n${sessionId}\n${typed}`;
}

/** Notes a request as under way, and stops the one that a notification cancels. */
export function enterCall(
  calls: RunningCalls,
  message: JsonRpcMessage | JsonRpcResponse,
  step: string,
  sessionId: string | undefined,
): RunningCall | "taken" | undefined {
  if (message.kind === "response") return undefined;
  const { id, method, params } = message;
  if (id !== undefined) return calls.begin({ step, sessionId, id }) ?? "taken";
  const { requestId } = params;
  const isNamed = typeof requestId === "string" || typeof requestId === "number";
  if (method === "notifications/cancelled" && isNamed) calls.cancel({ step, sessionId, id: requestId });
  return undefined;
}
