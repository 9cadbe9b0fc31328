import { ANSWER_CHARACTERS_MAX, textOf } from "../sdk/mcp-guard/text-of.ts";
import { UpstreamFailure } from "./upstream-failure.ts";

/** What the server has answered: a text that came whole, or a stream of events as it comes. */
export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string | ReadableStream<Uint8Array<ArrayBuffer>> | null;
};

export function responseOf({ body, status, headers }: Answer): Response {
  return new Response(body, { status, headers });
}

/** @throws UpstreamFailure UPSTREAM_MALFORMED for a text that is too long, UPSTREAM_UNREACHABLE where it breaks off */
export async function wholeTextOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    return await textOf(body);
  } catch (cause) {
    if (cause instanceof RangeError) {
      const message = `the server's answer has more than ${ANSWER_CHARACTERS_MAX} characters`;
      throw new UpstreamFailure("UPSTREAM_MALFORMED", message);
    }
    throw new UpstreamFailure("UPSTREAM_UNREACHABLE", "the server's answer broke off", { cause });
  }
}
