import { isObject } from "../domain/strict-json.ts";
import { aliveAnswer, mayBeginAsStream, messageAsEvents } from "../sdk/mcp-guard/alive-answer.ts";
import { type Answer, textOfAnswer } from "../sdk/mcp-guard/answer.ts";
import { isEventStream, isJson } from "../sdk/mcp-guard/content-type.ts";
import type { McpHandler } from "../sdk/mcp-guard/guard.ts";
import type { ForwardedRequest } from "../sdk/mcp-guard/guarded-request.ts";
import { rewrittenResult } from "../sdk/mcp-guard/rewritten-result.ts";
import { stepOf } from "../sdk/mcp-guard/step-auth-info.ts";
import type { Injection } from "./guard-config.ts";
import { injectedMessage } from "./injected-message.ts";
import { nettedAnswer } from "./netted-answer.ts";
import type { Secrets } from "./secrets.ts";
import type { TightenedTools } from "./tightened-tools.ts";
import { failureAnswer, failureMessage, UpstreamFailure } from "./upstream-failure.ts";

/** The server itself, whichever way it is reached. */
export type Reached = {
  serve(request: ForwardedRequest, body: unknown, stepId: string): Promise<Answer>;
  endSession(id: string): void;
  close(): void;
};

export type HandlerTerms = {
  readonly reached: Pick<Reached, "serve">;
  readonly injections: readonly Injection[];
  readonly secrets: Secrets;
  readonly observeTools: TightenedTools["observe"];
  readonly told: (line: string) => void;
  readonly onError: (failure: UpstreamFailure) => void;
  /** How long a client hears nothing of a call at most. */
  readonly pulseMs: number;
};

/** What is behind the SDK's guard: the server with its secret, and its answers without. */
export function createGuardHandler(terms: HandlerTerms): McpHandler {
  const { reached, injections, secrets, observeTools, told, onError, pulseMs } = terms;

  const answered: McpHandler = async (request, { parsedBody, authInfo }) => {
    const { id, method } = isObject(parsedBody) ? parsedBody : { id: undefined, method: undefined };
    try {
      const sent = await injectedMessage(parsedBody, injections, secrets);
      const answer = await reached.serve(request, sent, stepOf(authInfo)?.stepId ?? "");
      const caught = () =>
        told(`an answer to ${JSON.stringify(method ?? request.method)} held a secret, and was withheld`);
      const netted = await nettedAnswer(answer, secrets.net(), { id, caught });
      if (method !== "tools/list") return netted;
      return await rewrittenResult(netted, (result) => {
        observeTools(result);
        return result;
      });
    } catch (thrown) {
      if (!(thrown instanceof UpstreamFailure)) throw thrown;
      onError(thrown);
      return failureAnswer(thrown, id);
    }
  };

  return (request, options) => {
    const message = isObject(options.parsedBody) ? options.parsedBody : {};
    const mayBegin = mayBeginAsStream(request.headers, message);
    return aliveAnswer(
      answered(request, options),
      pulseMs,
      mayBegin ? (late) => eventsOf(late, message["id"]) : undefined,
    );
  };
}

/** An answer that its client reads in a stream which has begun already. */
async function eventsOf(answer: Answer, id: unknown): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { body, headers } = answer;
  if (body instanceof ReadableStream && isEventStream(headers)) return body;
  if (isJson(headers)) return messageAsEvents(JSON.parse(await textOfAnswer(answer)));
  const failure = new UpstreamFailure("UPSTREAM_MALFORMED", "the server's answer is not one of MCP");
  return messageAsEvents(failureMessage(failure, id));
}
